//! The tables on DynamoDB and the tables in memory behave alike: from any rows, any plan has
//! the same result and leaves the same rows. So the results of the model and of the planner
//! hold on DynamoDB too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masking::{
    Allocation, ClaimTerms, Closed, Commit, ExpectedRow, HeldNumber, Holding, KnownRow, Number,
    Order, OrderId, PhoneHash, Plan, PoolId, Role, Roles, State, Timestamp, Unassigned, Write,
};
use masking_memory::{NumberRow, OrderRow, RouteRow, Tables};
use masking_store::Orders;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::cloud::{self, Cloud};
use support::rows::text;
use support::wire::Clients;

/// Few values of each, so that plans often fit the rows.
const ORDERS: [&str; 2] = ["o-1", "o-2"];
const POOLS: [&str; 2] = ["a", "b"];
const NUMBERS: [&str; 3] = ["+622150001", "+622150002", "+622150003"];
const PHONES: [&str; 2] = ["+6281211112222", "+6281333334444"];
const CALLERS: [&str; 2] = ["one", "other"];
const MOMENTS: std::ops::Range<u64> = 0..4;

/// A route: its key and its row.
type RouteEntry = ((Number, PhoneHash), RouteRow);

fn order_id() -> impl Strategy<Value = OrderId> {
    prop::sample::select(&ORDERS).prop_map(|it| OrderId::parse(it).unwrap())
}

fn pool() -> impl Strategy<Value = Option<PoolId>> {
    prop::option::of(prop::sample::select(&POOLS).prop_map(|it| PoolId::parse(it).unwrap()))
}

fn number() -> impl Strategy<Value = Number> {
    prop::sample::select(&NUMBERS).prop_map(|it| it.parse().unwrap())
}

fn caller() -> impl Strategy<Value = PhoneHash> {
    prop::sample::select(&CALLERS).prop_map(|it| PhoneHash::from_stored(it.to_owned()))
}

fn phone() -> impl Strategy<Value = masking::Phone> {
    prop::sample::select(&PHONES).prop_map(|it| it.parse().unwrap())
}

fn moment() -> impl Strategy<Value = Timestamp> {
    MOMENTS.prop_map(Timestamp::from_seconds)
}

fn state() -> impl Strategy<Value = State> {
    let held = (number(), prop::option::of(caller())).prop_map(|(number, caller)| HeldNumber {
        role: Role::parse("agent").unwrap(),
        number,
        caller,
    });
    let allocation = prop::sample::select(&[Allocation::Exclusive, Allocation::Shared]);
    let holding =
        (allocation, 0..3_u64, prop::collection::vec(held, 0..3), moment(), any::<bool>())
            .prop_map(|(allocation, seconds, participants, expires_at, waiting)| {
                let terms = ClaimTerms {
                    allocation,
                    cooldown_seconds: seconds,
                    grace_seconds: seconds + 1,
                };
                State::Assigned(Holding { terms, participants, expires_at, waiting })
            });
    prop_oneof![
        holding,
        Just(State::Unassigned(Unassigned::ByEvent)),
        Just(State::Unassigned(Unassigned::Expired)),
        Just(State::Closed(Closed::Completed)),
        Just(State::Closed(Closed::Cancelled)),
    ]
}

/// The row of the order `o-1`.
fn order() -> impl Strategy<Value = Order> {
    (0..4_u64, 1..4_u64, pool(), state()).prop_map(|(version, revision, pool, state)| Order {
        order_id: OrderId::parse("o-1").unwrap(),
        version,
        revision,
        pool,
        state,
    })
}

fn number_row() -> impl Strategy<Value = NumberRow> {
    (moment(), prop::option::of(order_id()), any::<bool>()).prop_map(
        |(available_at, order_id, in_circulation)| NumberRow {
            available_at,
            order_id,
            in_circulation,
        },
    )
}

fn roles() -> impl Strategy<Value = Roles> {
    let role = || prop_oneof![Just("customer"), Just("agent")];
    let role = move || role().prop_map(|role| Role::parse(role).unwrap());
    (role(), role()).prop_map(|(caller, callee)| Roles { caller, callee })
}

fn route() -> impl Strategy<Value = RouteEntry> {
    let row = (prop::option::of(phone()), number(), order_id(), roles(), moment(), moment())
        .prop_map(|(connect_to, shown_number, order_id, roles, expires_at, reusable_at)| {
            RouteRow { connect_to, shown_number, order_id, roles, expires_at, reusable_at }
        });
    ((number(), caller()), row)
}

fn tables() -> impl Strategy<Value = Tables> {
    let numbers = prop::collection::btree_map(number(), number_row(), 0..=NUMBERS.len());
    let routes = prop::collection::vec(route(), 0..6);
    (prop::option::of(order()), numbers, routes).prop_map(|(order, numbers, routes)| Tables {
        orders: order.map(|it| (it.order_id.clone(), OrderRow(Arc::new(it)))).into_iter().collect(),
        numbers,
        routes: routes.into_iter().collect(),
    })
}

/// Any write, also one that no plan of the product contains.
fn write() -> impl Strategy<Value = Write> {
    let of_number = || (number(), moment());
    let opened =
        (number(), caller(), phone(), number(), roles(), moment(), moment(), any::<bool>());
    prop_oneof![
        of_number().prop_map(|(number, available_at)| Write::ClaimNumber { number, available_at }),
        of_number().prop_map(|(number, available_at)| Write::KeepNumber { number, available_at }),
        of_number()
            .prop_map(|(number, available_at)| Write::ReleaseNumber { number, available_at }),
        opened.prop_map(
            |(number, caller, connect_to, shown_number, roles, expires_at, reusable_at, kept)| {
                Write::OpenRoute {
                    number,
                    caller,
                    connect_to,
                    shown_number,
                    roles,
                    expires_at,
                    reusable_at,
                    kept,
                }
            }
        ),
        (number(), caller(), moment(), moment(), any::<bool>()).prop_map(
            |(number, caller, expires_at, reusable_at, strip)| Write::EndRoute {
                number,
                caller,
                expires_at,
                reusable_at,
                strip
            }
        ),
    ]
}

/// The item of a write: its number, and the caller if it is a route.
fn item(write: &Write) -> (Number, Option<PhoneHash>) {
    match write {
        Write::ClaimNumber { number, .. }
        | Write::KeepNumber { number, .. }
        | Write::ReleaseNumber { number, .. } => (number.clone(), None),
        Write::OpenRoute { number, caller, .. } | Write::EndRoute { number, caller, .. } => {
            (number.clone(), Some(caller.clone()))
        }
    }
}

/// Any plan for the order `o-1`, with no item twice.
fn plan() -> impl Strategy<Value = Plan> {
    let expects = prop_oneof![
        Just(ExpectedRow::Free),
        Just(ExpectedRow::Absent),
        (0..4_u64).prop_map(ExpectedRow::Revision)
    ];
    (expects, order(), moment(), prop::collection::vec(write(), 0..4)).prop_map(
        |(expects, order, ttl, mut writes)| {
            let mut seen = BTreeSet::new();
            writes.retain(|write| seen.insert(item(write)));
            Plan { expects, order, ttl, writes }
        },
    )
}

/// The rows as DynamoDB holds them.
fn import(dynamodb: &cloud::Tables, tables: &Tables) {
    let text = |it: &str| json!({"S": it});
    let seconds = |it: Timestamp| json!({"N": it.seconds().to_string()});
    // A null stands for an absent attribute.
    let row = |fields: Value| {
        let fields = fields.as_object().unwrap().clone();
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<Value>()
    };
    dynamodb.import(
        "NumbersTable",
        tables.numbers.iter().map(|(number, it)| {
            row(json!({
                "number": text(number.as_str()),
                "available_at": seconds(it.available_at),
                "order_id": it.order_id.as_ref().map(|it| text(it.as_str())),
                "pool_shard": it.in_circulation.then(|| text("a#0")),
            }))
        }),
    );
    dynamodb.import(
        "RoutesTable",
        tables.routes.iter().map(|((number, caller), it)| {
            row(json!({
                "number": text(number.as_str()),
                "caller": text(caller.as_str()),
                "connect_to": it.connect_to.as_ref().map(|it| text(it.reveal())),
                "caller_id": text(it.shown_number.as_str()),
                "order_id": text(it.order_id.as_str()),
                "caller_role": text(it.roles.caller.as_str()),
                "callee_role": text(it.roles.callee.as_str()),
                "expires_at": seconds(it.expires_at),
                "reusable_at": seconds(it.reusable_at),
            }))
        }),
    );
}

/// Writes an order's row as often as its revision says.
async fn write_order(orders: &Orders, order: &Order) {
    for revision in 1..=order.revision {
        let expects = match revision {
            1 => ExpectedRow::Absent,
            next => ExpectedRow::Revision(next - 1),
        };
        let (order, ttl) = (order.clone(), Timestamp::from_seconds(0));
        let plan = Plan { expects, order, ttl, writes: Vec::new() };
        assert_eq!(orders.commit(&plan, ttl).await.unwrap(), Commit::Done);
    }
}

/// The rows of DynamoDB, as rows in memory.
async fn export(dynamodb: &cloud::Tables, orders: &Orders) -> Tables {
    let mut tables = Tables::default();
    let order_id = OrderId::parse("o-1").unwrap();
    if let KnownRow::Present(order) = orders.order(&order_id).await.unwrap() {
        tables.orders.insert(order_id, OrderRow(Arc::new(order)));
    }
    let order_id = |it: &str| OrderId::parse(it).unwrap();
    let seconds = |it: &str| Timestamp::from_seconds(it.parse().unwrap());
    for row in dynamodb.rows("NumbersTable") {
        tables.numbers.insert(
            text(&row, "number").unwrap().parse().unwrap(),
            NumberRow {
                available_at: seconds(text(&row, "available_at").unwrap()),
                order_id: text(&row, "order_id").map(order_id),
                in_circulation: row.contains_key("pool_shard"),
            },
        );
    }
    for row in dynamodb.rows("RoutesTable") {
        let field = |name| text(&row, name).unwrap();
        tables.routes.insert(
            (field("number").parse().unwrap(), PhoneHash::from_stored(field("caller").to_owned())),
            RouteRow {
                connect_to: text(&row, "connect_to").map(|it| it.parse().unwrap()),
                shown_number: field("caller_id").parse().unwrap(),
                order_id: order_id(field("order_id")),
                roles: Roles {
                    caller: Role::parse(field("caller_role")).unwrap(),
                    callee: Role::parse(field("callee_role")).unwrap(),
                },
                expires_at: seconds(field("expires_at")),
                reusable_at: seconds(field("reusable_at")),
            },
        );
    }
    tables
}

/// Writes a plan to both, and compares the results.
async fn compare(mut tables: Tables, plan: &Plan, now: Timestamp) -> Commit {
    let cloud = Cloud::on(cloud::Tables::from_template());
    let orders = Orders::new(Clients::of(&cloud).dynamodb, crate::table_names());
    import(&cloud.tables, &tables);
    for row in tables.orders.values() {
        write_order(&orders, &row.0).await;
    }
    assert_eq!(export(&cloud.tables, &orders).await, tables, "what was put in");

    let on_dynamodb = orders.commit(plan, now).await.unwrap();
    assert_eq!(on_dynamodb, tables.commit(plan, now), "of {plan:?} at {now}");
    assert_eq!(export(&cloud.tables, &orders).await, tables, "after {plan:?} at {now}");
    on_dynamodb
}

#[test]
fn any_plan_has_the_same_result_on_dynamodb_and_in_memory_and_leaves_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = std::cell::RefCell::new(BTreeMap::<&str, u32>::new());
    proptest!(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() },
    |(tables in tables(), plan in plan(), now in moment())| {
        let commit = runtime.block_on(compare(tables, &plan, now));
        let word = match commit {
            Commit::Done => "done",
            Commit::Moved(KnownRow::Present(_)) => "moved to another row",
            Commit::Moved(_) => "moved to none",
            Commit::Lost(_) => "lost",
            Commit::Busy => "busy",
        };
        *ended.borrow_mut().entry(word).or_default() += 1;
    });
    // The cases had every result that a plan can have.
    let ended = ended.into_inner();
    assert_eq!(
        ended.keys().collect::<Vec<_>>(),
        [&"done", &"lost", &"moved to another row", &"moved to none"],
        "{ended:?}"
    );
}

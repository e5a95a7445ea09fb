//! The condition of each item of a transaction, fact by fact: if any one fact always holds, or
//! never, some scene on the tables fails.

use masking::{
    ClaimTerms, Closed, Commit, ExpectedRow, HeldNumber, Holding, Number, Order, OrderId,
    PhoneHash, Plan, Pool, PoolId, Pools, Role, Roles, State, Timestamp, Unassigned, Write,
};
use masking_memory::{NumberRow, Tables, weakenings};
use model::{Item, fact_name, without_fact};

/// How long a route rests after its end.
const MINUTE: u64 = 60;

/// A weakened condition: its item, the fact, and whether the fact always holds or never.
pub(crate) type Weakening = (Item, &'static str, bool);

/// The tables of a scene.
struct Stage {
    tables: Tables,
    weak: Option<Weakening>,
    /// Grows, so that each write of an order's row is a later one.
    version: u64,
    /// The writes that did not end as they should.
    otherwise: Vec<&'static str>,
}

impl Stage {
    /// A stage with one free number.
    fn new(weak: Option<Weakening>) -> Self {
        let row = NumberRow { available_at: at(0), order_id: None, in_circulation: true };
        let tables = Tables { numbers: [(number(), row)].into(), ..Tables::default() };
        Self { tables, weak, version: 0, otherwise: Vec::new() }
    }

    fn commit(&mut self, plan: &Plan, now: Timestamp) -> Commit {
        let commit = self.tables.judge(plan, now, |write, condition| match self.weak {
            Some((item, fact, always)) if item == Item::of(plan.expects, write) => {
                without_fact(condition, fact, always)
            }
            _ => condition,
        });
        if commit == Commit::Done {
            self.tables.write(plan);
        }
        commit
    }

    /// An order makes a write at `now`, which must succeed or fail.
    fn write(&mut self, possible: bool, order_id: &str, now: u64, write: Write, why: &'static str) {
        self.version += 1;
        let order = order(order_id, self.version, unassigned());
        let plan = Plan { expects: ExpectedRow::Free, ttl: at(0), order, writes: vec![write] };
        let commit = self.commit(&plan, at(now));
        let expected = if possible { Commit::Done } else { Commit::Lost(plan.writes) };
        if commit != expected {
            self.otherwise.push(why);
        }
    }

    /// An order's row is written, which must succeed or fail.
    fn row(&mut self, possible: bool, expects: ExpectedRow, order: &Order, why: &'static str) {
        let plan = Plan { expects, ttl: at(0), order: order.clone(), writes: Vec::new() };
        let found = self.tables.order(&order.order_id);
        let expected = if possible { Commit::Done } else { Commit::Moved(found) };
        if self.commit(&plan, at(0)) != expected {
            self.otherwise.push(why);
        }
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn number() -> Number {
    "+622150001".parse().expect("a number")
}

fn claim(until: u64) -> Write {
    Write::ClaimNumber { number: number(), available_at: at(until) }
}

fn keep(until: u64) -> Write {
    Write::KeepNumber { number: number(), available_at: at(until) }
}

fn release(until: u64) -> Write {
    Write::ReleaseNumber { number: number(), available_at: at(until) }
}

fn customer() -> PhoneHash {
    PhoneHash::from_stored("customer".to_owned())
}

pub(crate) fn roles() -> Roles {
    let role = |role| Role::parse(role).expect("a role");
    Roles { caller: role("customer"), callee: role("agent") }
}

/// A route of the customer, which ends at `until`.
fn open(kept: bool, until: u64) -> Write {
    Write::OpenRoute {
        number: number(),
        caller: customer(),
        connect_to: "+6281333334444".parse().expect("a phone"),
        shown_number: "+622150002".parse().expect("a number"),
        roles: roles(),
        expires_at: at(until),
        reusable_at: at(until + MINUTE),
        kept,
    }
}

fn end(at_second: u64) -> Write {
    Write::EndRoute {
        number: number(),
        caller: customer(),
        expires_at: at(at_second),
        reusable_at: at(at_second + MINUTE),
        strip: true,
    }
}

fn order(order_id: &str, version: u64, state: State) -> Order {
    let order_id = OrderId::parse(order_id).expect("an order id");
    Order { order_id, version, revision: 1, pool: PoolId::parse("a"), state }
}

fn unassigned() -> State {
    State::Unassigned(Unassigned::ByEvent)
}

fn assigned() -> State {
    let pools = Pools::parse(r#"[{"id":"a"}]"#).expect("pools");
    let pool: &Pool = pools.named(None).expect("a pool");
    let role = Role::parse("customer").expect("a role");
    let held = HeldNumber { role, number: number(), caller: Some(customer()) };
    let (terms, participants) = (ClaimTerms::of(pool), vec![held]);
    State::Assigned(Holding { terms, participants, expires_at: at(0), waiting: false })
}

fn a_number_is_claimed_only_when_it_is_free(stage: &mut Stage) {
    stage.write(true, "o-1", 10, claim(100), "it is free");
    stage.write(false, "o-2", 99, claim(200), "it is taken");
    stage.write(false, "o-1", 99, claim(200), "be it by the same order");
    stage.write(true, "o-2", 100, claim(200), "it is free again");
}

fn a_number_is_claimed_only_while_it_is_in_circulation(stage: &mut Stage) {
    let in_circulation = |stage: &mut Stage, value| {
        stage.tables.numbers.get_mut(&number()).expect("a number").in_circulation = value;
    };
    in_circulation(stage, false);
    stage.write(false, "o-1", 10, claim(100), "it was withdrawn");
    in_circulation(stage, true);
    stage.write(true, "o-1", 10, claim(100), "it is back");
}

fn a_number_is_kept_and_released_only_by_the_order_that_holds_it(stage: &mut Stage) {
    stage.write(true, "o-1", 10, claim(100), "it is free");
    stage.write(false, "o-2", 20, keep(200), "it is another order's");
    stage.write(true, "o-1", 20, keep(200), "it is the order's");
    stage.write(false, "o-2", 20, release(30), "it is another order's");
    stage.write(true, "o-1", 20, release(30), "it is the order's");
    stage.write(false, "o-1", 20, keep(200), "it is given back");
}

fn a_route_on_a_claimed_number_is_opened_only_when_it_is_new_or_reusable(stage: &mut Stage) {
    stage.write(true, "o-1", 10, open(false, 40), "it is new");
    stage.write(false, "o-2", 99, open(false, 200), "it is another order's");
    stage.write(false, "o-1", 99, open(false, 200), "be it the order's own");
    stage.write(true, "o-2", 40 + MINUTE, open(false, 200), "it is reusable");
}

fn a_route_on_a_kept_number_may_also_be_the_orders_own(stage: &mut Stage) {
    stage.write(true, "o-1", 10, open(true, 40), "it is new");
    stage.write(true, "o-1", 20, open(true, 40), "it is the order's own");
    stage.write(false, "o-2", 99, open(true, 200), "it is another order's");
    stage.write(true, "o-2", 40 + MINUTE, open(true, 200), "it is reusable");
}

fn a_route_is_ended_only_by_its_order(stage: &mut Stage) {
    stage.write(false, "o-1", 10, end(10), "there is none");
    stage.write(true, "o-1", 10, open(false, 40), "it is new");
    stage.write(false, "o-2", 20, end(20), "it is another order's");
    stage.write(true, "o-1", 20, end(20), "it is the order's own");
}

fn an_order_that_was_not_read_is_written_if_it_is_unassigned_and_older(stage: &mut Stage) {
    let next = order("o-0", 3, assigned());
    stage.row(true, ExpectedRow::Free, &next, "there is no row");
    let cases = [
        (true, 2, None, unassigned(), "it has no pool"),
        (true, 2, Some("a"), unassigned(), "it has that pool"),
        (false, 2, Some("b"), unassigned(), "it has another pool"),
        (false, 3, Some("a"), unassigned(), "it is as new"),
        (false, 4, Some("a"), unassigned(), "it is newer"),
        (false, 2, Some("a"), State::Closed(Closed::Completed), "it is closed"),
        (false, 2, Some("a"), assigned(), "it is assigned"),
    ];
    for (name, (possible, version, pool, state, why)) in ('a'..).zip(cases) {
        let name = format!("o-{name}");
        let mut row = order(&name, version, state);
        row.pool = pool.and_then(PoolId::parse);
        stage.row(true, ExpectedRow::Absent, &row, "there is no row");
        stage.row(possible, ExpectedRow::Free, &order(&name, 3, assigned()), why);
    }
}

fn an_order_that_was_read_is_written_only_if_it_is_as_it_was(stage: &mut Stage) {
    let row = order("o-1", 1, unassigned());
    stage.row(true, ExpectedRow::Absent, &row, "there is no row");
    stage.row(false, ExpectedRow::Absent, &row, "there is one by now");
    stage.row(true, ExpectedRow::Revision(1), &row, "it is as it was");
    stage.row(false, ExpectedRow::Revision(1), &row, "each write raises the revision");
    stage.row(true, ExpectedRow::Revision(2), &row, "it is as it was");
}

const SCENES: [fn(&mut Stage); 8] = [
    a_number_is_claimed_only_when_it_is_free,
    a_number_is_claimed_only_while_it_is_in_circulation,
    a_number_is_kept_and_released_only_by_the_order_that_holds_it,
    a_route_on_a_claimed_number_is_opened_only_when_it_is_new_or_reusable,
    a_route_on_a_kept_number_may_also_be_the_orders_own,
    a_route_is_ended_only_by_its_order,
    an_order_that_was_not_read_is_written_if_it_is_unassigned_and_older,
    an_order_that_was_read_is_written_only_if_it_is_as_it_was,
];

/// The writes of all scenes that did not end as they should.
fn play(weak: Option<Weakening>) -> Vec<&'static str> {
    let played = SCENES.iter().flat_map(|scene| {
        let mut stage = Stage::new(weak);
        scene(&mut stage);
        stage.otherwise
    });
    played.collect()
}

/// Every weakening: each fact of each item, once always true and once never.
pub(crate) fn all_weak() -> Vec<Weakening> {
    let order_id = OrderId::parse("o-1").expect("an order id");
    let plan = |expects| Plan {
        expects,
        order: order("o-1", 1, unassigned()),
        ttl: at(0),
        writes: Vec::new(),
    };
    let weak = |item| {
        let write = match item {
            Item::FirstRow | Item::ReadRow | Item::BlindRow => None,
            Item::Claim => Some(claim(1)),
            Item::Keep => Some(keep(1)),
            Item::Release => Some(release(1)),
            Item::FreshRoute => Some(open(false, 1)),
            Item::KeptRoute => Some(open(true, 1)),
            Item::EndedRoute => Some(end(1)),
        };
        let plan = match item {
            Item::FirstRow => plan(ExpectedRow::Absent),
            Item::ReadRow => plan(ExpectedRow::Revision(1)),
            _ => plan(ExpectedRow::Free),
        };
        let condition = match &write {
            Some(write) => write.condition(&order_id, at(0)),
            None => plan.condition(),
        };
        assert_eq!(Item::of(plan.expects, write.as_ref()), item);
        weakenings(&condition)
            .into_iter()
            .map(move |it| (item, fact_name(&it.fact), it.always))
            .collect::<Vec<_>>()
    };
    Item::all().flat_map(weak).collect()
}

#[test]
fn every_scene_ends_as_it_should() {
    assert_eq!(play(None), [""; 0]);
}

#[test]
fn with_any_fact_taken_out_some_scene_ends_otherwise() {
    let all = all_weak();
    assert_eq!(all.len(), 2 * 17, "{all:?}");
    for weak in all {
        assert_ne!(play(Some(weak)), [""; 0], "not missed: {weak:?}");
    }
}

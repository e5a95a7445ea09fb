//! Tests of the writes of each change. The writes are compared as words.

use std::sync::LazyLock;

use super::*;
use crate::{Pool, PoolChoice, Pools, Role, Roles};

/// The moment of every change, in seconds.
const NOW: u64 = 1000;
/// The end of an order in most tests, in seconds.
const END: u64 = 5000;

fn pool() -> Pool {
    let pools = r#"[{"id":"p","cooldown_seconds":600,"grace_seconds":60}]"#;
    Pools::parse(pools).unwrap().named(None).unwrap().clone()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn roles() -> Roles {
    let role = |role| Role::parse(role).expect("a role");
    Roles { caller: role("customer"), callee: role("agent") }
}

fn number(name: u8) -> Number {
    format!("+62215000{name}").parse().unwrap()
}

static ORDER_ID: LazyLock<OrderId> = LazyLock::new(|| OrderId::parse("o-1").unwrap());

/// Makes people from roles and names. The phone and its hash come from the name.
fn people(people: &[(&str, char)]) -> Vec<Person> {
    let person = |(role, name): &(&str, char)| Person {
        role: Role::parse(role).unwrap(),
        phone: format!("+6281200{:04}", u32::from(*name)).parse().unwrap(),
        caller: PhoneHash::from_stored(name.to_string()),
    };
    people.iter().map(person).collect()
}

/// An order of version 5 that holds these numbers for these people.
fn assigned(held: &[(&str, char, u8)], end: u64) -> KnownRow {
    let participants = held.iter().map(|(role, name, last)| HeldNumber {
        role: Role::parse(role).unwrap(),
        number: number(*last),
        caller: Some(PhoneHash::from_stored(name.to_string())),
    });
    let holding = Holding {
        terms: ClaimTerms::of(&pool()),
        participants: participants.collect(),
        expires_at: at(end),
        waiting: false,
    };
    row(State::Assigned(holding))
}

fn row(state: State) -> KnownRow {
    let pool = PoolId::parse("p");
    KnownRow::Present(Order { order_id: ORDER_ID.clone(), version: 5, revision: 7, pool, state })
}

/// An order of the customer `a` on number 1 and the agent `b` on number 2.
fn pair(end: u64) -> KnownRow {
    assigned(&[("customer", 'a', 1), ("agent", 'b', 2)], end)
}

const PAIR: [(&str, char); 2] = [("customer", 'a'), ("agent", 'b')];
const REPLACED: [(&str, char); 2] = [("customer", 'a'), ("agent", 'c')];
const TRIO: [(&str, char); 3] = [("customer", 'a'), ("agent", 'b'), ("merchant", 'd')];

fn change<'a>(row: &'a KnownRow, conflicts: &'a Conflicts) -> Change<'a> {
    Change { row, order_id: &ORDER_ID, version: 6, conflicts, now: at(NOW) }
}

/// The pool that a request names.
fn named<'a>(request: &AssignmentRequest<'a>) -> &'a Pool {
    match request.pool {
        PoolChoice::Named(pool) => pool,
        PoolChoice::OrdersOwn(_) => panic!("a request without a pool"),
    }
}

fn needed<'a>(change: Change<'a>, request: &'a AssignmentRequest<'_>) -> NumbersNeeded<'a> {
    change.needed(request, named(request), Allocation::Exclusive, 0)
}

/// Plans an assignment of these people until `end`, with the numbers `fresh` to claim.
fn assign(
    row: &KnownRow,
    conflicts: &Conflicts,
    to: &[(&str, char)],
    end: u64,
    fresh: &[u8],
) -> Plan {
    let (pool, terms) = (pool(), ClaimTerms::of(&pool()));
    let request =
        AssignmentRequest { pool: PoolChoice::Named(&pool), expires_at: None, people: people(to) };
    let fresh: Vec<Number> = fresh.iter().copied().map(number).collect();
    let change = change(row, conflicts);
    assert_eq!(needed(change, &request).count(), fresh.len());
    change.assign(&request, &pool, terms, at(end), fresh).unwrap()
}

/// Plans the same assignment while the pool is dry.
fn end_alone(row: &KnownRow, to: &[(&str, char)], end: u64) -> Option<Plan> {
    let pool = pool();
    let request =
        AssignmentRequest { pool: PoolChoice::Named(&pool), expires_at: None, people: people(to) };
    change(row, &Conflicts::default()).end_alone(&request, &pool, at(end))
}

fn no_conflicts() -> Conflicts {
    Conflicts::default()
}

/// The writes of a plan as words. A route reads: caller on number to callee as shown number,
/// its end, the moment from which it is reusable.
fn words(plan: &Plan) -> Vec<String> {
    let last = |number: &Number| number.as_str().chars().last().unwrap();
    let word = |write: &Write| match write {
        Write::ClaimNumber { number, available_at } => {
            format!("claim {} to {}", last(number), available_at.seconds())
        }
        Write::KeepNumber { number, available_at } => {
            format!("keep {} to {}", last(number), available_at.seconds())
        }
        Write::ReleaseNumber { number, available_at } => {
            format!("release {} at {}", last(number), available_at.seconds())
        }
        Write::OpenRoute {
            number,
            caller,
            connect_to,
            shown_number,
            expires_at,
            reusable_at,
            kept,
            roles: _,
        } => {
            let code: u32 = connect_to.reveal().strip_prefix("+6281200").unwrap().parse().unwrap();
            let (callee, kept) = (char::from_u32(code).unwrap(), if *kept { "kept " } else { "" });
            let (caller, number, shown) = (caller.as_str(), last(number), last(shown_number));
            let (end, reusable) = (expires_at.seconds(), reusable_at.seconds());
            format!("{caller} on {kept}{number} to {callee} as {shown}, {end}, {reusable}")
        }
        Write::EndRoute { number, caller, expires_at, reusable_at, strip } => {
            let strip = if *strip { ", stripped" } else { "" };
            let (end, reusable) = (expires_at.seconds(), reusable_at.seconds());
            format!("end {} on {}, {end}, {reusable}{strip}", caller.as_str(), last(number))
        }
    };
    plan.writes.iter().map(word).collect()
}

#[test]
fn a_claim_lasts_until_the_orders_end_and_its_cool_down() {
    for (row, expects, version, revision) in [
        (KnownRow::Unread, ExpectedRow::Free, 6, 1),
        (KnownRow::Absent, ExpectedRow::Absent, 6, 1),
        (row(State::Unassigned(Unassigned::ByEvent)), ExpectedRow::Revision(7), 6, 8),
    ] {
        let plan = assign(&row, &no_conflicts(), &PAIR, END, &[1, 2]);
        assert_eq!(
            words(&plan),
            [
                "claim 1 to 5600",
                "claim 2 to 5600",
                "a on 2 to b as 1, 5000, 5600",
                "b on 1 to a as 2, 5000, 5600",
            ]
        );
        assert_eq!(plan.expects, expects);
        assert_eq!((plan.order.version, plan.order.revision), (version, revision));
    }
}

#[test]
fn an_amendment_that_changes_nothing_writes_only_the_orders_row() {
    let plan = assign(&pair(END), &no_conflicts(), &PAIR, END, &[]);
    assert_eq!(words(&plan), [""; 0]);
    assert_eq!((plan.order.version, plan.expects), (6, ExpectedRow::Revision(7)));
}

#[test]
fn a_new_end_is_written_to_all_numbers_and_routes() {
    for end in [END - 1000, END + 1000] {
        let plan = assign(&pair(END), &no_conflicts(), &PAIR, end, &[]);
        let cooled = end + 600;
        assert_eq!(
            words(&plan),
            [
                format!("keep 1 to {cooled}"),
                format!("keep 2 to {cooled}"),
                format!("a on kept 2 to b as 1, {end}, {cooled}"),
                format!("b on kept 1 to a as 2, {end}, {cooled}"),
            ]
        );
    }
}

#[test]
fn a_replaced_person_loses_the_routes_at_once_and_the_role_keeps_its_number() {
    let plan = assign(&pair(END), &no_conflicts(), &REPLACED, END, &[]);
    assert_eq!(
        words(&plan),
        [
            "end b on 1, 1000, 1600, stripped",
            "a on kept 2 to c as 1, 5000, 5600",
            "c on kept 1 to a as 2, 5000, 5600",
        ]
    );
}

#[test]
fn an_added_role_claims_a_number_and_a_dropped_role_releases_its_number() {
    let plan = assign(&pair(END), &no_conflicts(), &TRIO, END, &[3]);
    assert_eq!(
        words(&plan),
        [
            "claim 3 to 5600",
            "a on 3 to d as 1, 5000, 5600",
            "b on 3 to d as 2, 5000, 5600",
            "d on kept 1 to a as 3, 5000, 5600",
            "d on kept 2 to b as 3, 5000, 5600",
        ]
    );
    let trio = assigned(&[("customer", 'a', 1), ("agent", 'b', 2), ("merchant", 'd', 3)], END);
    let plan = assign(&trio, &no_conflicts(), &PAIR, END, &[]);
    assert_eq!(
        words(&plan),
        [
            "release 3 at 1600",
            "end a on 3, 1000, 1600, stripped",
            "end b on 3, 1000, 1600, stripped",
            "end d on 1, 1000, 1600, stripped",
            "end d on 2, 1000, 1600, stripped",
        ]
    );
}

#[test]
fn an_order_that_ends_releases_everything_and_a_completed_one_after_its_grace() {
    let over = |end: u64, stripped: &str| {
        let cooled = end + 600;
        vec![
            format!("release 1 at {cooled}"),
            format!("release 2 at {cooled}"),
            format!("end a on 2, {end}, {cooled}{stripped}"),
            format!("end b on 1, {end}, {cooled}{stripped}"),
        ]
    };
    let conflicts = no_conflicts();
    let (row, soon_over) = (pair(END), pair(NOW + 10));
    let (pool, people) = (pool(), people(&PAIR));
    let request = AssignmentRequest { pool: PoolChoice::Named(&pool), expires_at: None, people };
    let (live, ending) = (change(&row, &conflicts), change(&soon_over, &conflicts));
    for plan in [live.unassign(), live.close(Closed::Cancelled), live.expire(named(&request))] {
        assert_eq!(words(&plan), over(NOW, ", stripped"));
    }
    assert_eq!(words(&live.close(Closed::Completed)), over(NOW + 60, ""));
    let in_grace = words(&ending.close(Closed::Completed));
    assert_eq!(in_grace, over(NOW + 10, ""), "no later than without a close");
}

#[test]
fn an_expired_order_releases_no_numbers_and_its_routes_lose_their_phones() {
    for end in [NOW - 100, NOW] {
        let cooled = end + 600;
        let stripped = [
            format!("end a on 2, {end}, {cooled}, stripped"),
            format!("end b on 1, {end}, {cooled}, stripped"),
        ];
        let (row, conflicts) = (pair(end), no_conflicts());
        for plan in
            [change(&row, &conflicts).unassign(), change(&row, &conflicts).close(Closed::Completed)]
        {
            assert_eq!(words(&plan), stripped);
        }
        // Assigned again, the order gets other numbers than those in its row.
        let again = words(&assign(&row, &conflicts, &PAIR, END, &[3, 4]));
        assert_eq!(again[..2], stripped);
        assert_eq!(again[2..4], ["claim 3 to 5600", "claim 4 to 5600"]);
        let (pool, four) = (pool(), [1, 2, 3, 4].map(number));
        let request = AssignmentRequest {
            pool: PoolChoice::Named(&pool),
            expires_at: None,
            people: people(&PAIR),
        };
        let picked = needed(change(&row, &conflicts), &request).pick(&four);
        assert_eq!(picked, Some(vec![number(3), number(4)]), "they are no candidates");
    }
}

#[test]
fn a_stale_close_keeps_the_version() {
    let (row, conflicts) = (pair(END), no_conflicts());
    for (version, stored) in [(4, 5), (6, 6)] {
        let change = Change { version, ..change(&row, &conflicts) };
        let plan = change.close(Closed::Completed);
        assert_eq!((plan.order.version, plan.order.revision), (stored, 8));
    }
}

#[test]
fn a_number_or_route_that_is_lost_is_not_written_again_and_is_replaced() {
    let lost = |writes: &[Write]| {
        let mut conflicts = Conflicts::default();
        conflicts.record(writes);
        conflicts
    };
    let row = pair(END);

    let extended = assign(&row, &no_conflicts(), &PAIR, END + 1000, &[]);
    let conflicts = lost(&extended.writes[..1]);
    let plan = words(&assign(&row, &conflicts, &PAIR, END + 1000, &[3]));
    assert!(plan.contains(&"claim 3 to 6600".to_owned()), "{plan:?}");
    assert!(!plan.iter().any(|it| it.starts_with("release 1")), "{plan:?}");

    let closed = change(&row, &no_conflicts()).unassign();
    for (index, write) in closed.writes.iter().enumerate() {
        let again = change(&row, &lost(std::slice::from_ref(write))).unassign();
        let mut rest = words(&closed);
        rest.remove(index);
        assert_eq!(words(&again), rest);
    }

    // The agent who joins has another order's route on a number that the order keeps.
    let joined = assign(&row, &no_conflicts(), &REPLACED, END, &[]);
    let conflicts = lost(&joined.writes[2..]);
    let plan = words(&assign(&row, &conflicts, &REPLACED, END, &[3]));
    assert_eq!(plan[0], "release 1 at 1600", "{plan:?}");
    assert!(plan.contains(&"c on 3 to a as 2, 5000, 5600".to_owned()), "{plan:?}");
}

#[test]
fn a_dry_pool_delays_claims_and_not_releases() {
    let replaced = [("customer", 'a'), ("agent", 'c'), ("merchant", 'd')];
    let plan = end_alone(&pair(END), &replaced, END - 1000).unwrap();
    assert_eq!(
        words(&plan),
        [
            "end a on 2, 1000, 1600, stripped",
            "end b on 1, 1000, 1600, stripped",
            "keep 1 to 4600",
            "keep 2 to 4600"
        ]
    );
    let holding = holding_in(&plan.order.state).unwrap();
    assert!(holding.waiting);
    assert_eq!((plan.order.version, holding.expires_at), (6, at(END - 1000)));

    let later = end_alone(&pair(END), &TRIO, END + 1000).unwrap();
    assert_eq!(words(&later), [""; 0], "a later end begins with the rest");
    assert_eq!(later.order.version, 6, "what waits is remembered");
}

#[test]
fn the_releases_of_an_event_that_waits_are_written_once() {
    let plan = end_alone(&pair(END), &TRIO, END).unwrap();
    let row = KnownRow::Present(plan.order.clone());
    assert_eq!(end_alone(&row, &TRIO, END), None, "all that can end has ended");
    let older = KnownRow::Present(Order { version: 5, ..plan.order });
    assert_eq!(end_alone(&older, &TRIO, END).unwrap().order.version, 6);
    let sooner = end_alone(&row, &TRIO, END - 1000).unwrap();
    assert_eq!(words(&sooner).len(), 4, "{sooner:?}");
    for row in
        [KnownRow::Unread, KnownRow::Absent, pair(NOW), self::row(State::Closed(Closed::Completed))]
    {
        assert_eq!(end_alone(&row, &TRIO, END), None, "it holds nothing that could end");
    }
}

/// A row like that of [`pair`], of an order that claimed in a shared pool.
fn shared_pair(end: u64) -> KnownRow {
    let KnownRow::Present(mut order) = pair(end) else { unreachable!() };
    if let State::Assigned(holding) = &mut order.state {
        holding.terms.allocation = Allocation::Shared;
    }
    KnownRow::Present(order)
}

#[test]
fn an_order_of_a_shared_pool_writes_routes_and_no_numbers() {
    let row = shared_pair(END);
    for plan in [
        change(&row, &no_conflicts()).unassign(),
        change(&row, &no_conflicts()).close(Closed::Completed),
        end_alone(&row, &[("customer", 'c'), ("agent", 'b'), ("merchant", 'd')], END).unwrap(),
    ] {
        assert!(words(&plan).iter().all(|it| it.starts_with("end ")), "{plan:?}");
    }

    let (pool, terms) =
        (pool(), ClaimTerms { allocation: Allocation::Shared, ..ClaimTerms::of(&pool()) });
    let request = AssignmentRequest {
        pool: PoolChoice::Named(&pool),
        expires_at: None,
        people: people(&TRIO),
    };
    let (conflicts, fresh) = (no_conflicts(), vec![number(3)]);
    let plan = change(&row, &conflicts)
        .assign(&request, named(&request), terms, at(END + 1000), fresh)
        .unwrap();
    assert_eq!(plan.writes.len(), 6, "{plan:?}");
    assert!(plan.writes.iter().all(|it| matches!(it, Write::OpenRoute { .. })), "{plan:?}");
}

#[test]
fn a_number_is_not_tried_again_if_a_person_who_would_dial_it_has_a_route_on_it() {
    let (row, pool) = (KnownRow::Absent, pool());
    let request = AssignmentRequest {
        pool: PoolChoice::Named(&pool),
        expires_at: None,
        people: people(&PAIR),
    };
    let conflicts = no_conflicts();
    let two = [1, 2].map(number);
    let no_routes_known = needed(change(&row, &conflicts), &request);
    assert_eq!(no_routes_known.pick(&two), Some(two.to_vec()));
    assert_eq!(no_routes_known.pick(&two[..1]), None, "numbers of one order differ");

    // The agent has another order's route on number 1. So number 1 may not stand for the
    // customer, whom the agent dials, but it may stand for the agent.
    let mut conflicts = no_conflicts();
    conflicts.record(&[Write::OpenRoute {
        number: number(1),
        caller: request.people[1].caller.clone(),
        connect_to: request.people[0].phone.clone(),
        shown_number: number(2),
        roles: roles(),
        expires_at: at(END),
        reusable_at: at(END),
        kept: false,
    }]);
    let swapped = [2, 1].map(number).to_vec();
    assert_eq!(needed(change(&row, &conflicts), &request).pick(&two), Some(swapped));
}

/// The people of these roles and names, of whom the last one has a virtual number as phone.
fn last_has_number(to: &[(&str, char)], last: u8) -> Vec<Person> {
    let mut people = people(to);
    people.last_mut().unwrap().phone = number(last).as_str().parse().unwrap();
    people
}

fn held_numbers(plan: &Plan) -> Vec<Number> {
    let State::Assigned(holding) = &plan.order.state else { panic!("not assigned") };
    holding.participants.iter().map(|held| held.number.clone()).collect()
}

const BOTH: [Allocation; 2] = [Allocation::Exclusive, Allocation::Shared];

#[test]
fn a_number_that_is_the_phone_of_one_of_the_people_is_no_candidate_for_any_of_them() {
    let (pool, conflicts) = (pool(), no_conflicts());
    let request = AssignmentRequest {
        pool: PoolChoice::Named(&pool),
        expires_at: None,
        people: last_has_number(&PAIR, 3),
    };
    for allocation in BOTH {
        let needed = change(&KnownRow::Absent, &conflicts).needed(&request, &pool, allocation, 0);
        assert_eq!(needed.pick(&[3, 1, 2].map(number)), Some(vec![number(1), number(2)]));
        assert_eq!(needed.pick(&[3, 1].map(number)), None);
    }
}

#[test]
fn a_number_is_exchanged_when_somebody_joins_whose_phone_it_is() {
    for allocation in BOTH {
        let (pool, conflicts) = (pool(), no_conflicts());
        let mut row = pair(END);
        let KnownRow::Present(Order { state: State::Assigned(holding), .. }) = &mut row else {
            panic!("not assigned")
        };
        holding.terms.allocation = allocation;
        let terms = holding.terms;
        let request = AssignmentRequest {
            pool: PoolChoice::Named(&pool),
            expires_at: None,
            people: last_has_number(&TRIO, 1),
        };
        let change = change(&row, &conflicts);
        let needed = change.needed(&request, &pool, allocation, 0);
        let fresh = needed.pick(&[1, 2, 3, 4].map(number)).unwrap();
        assert_eq!(fresh, [3, 4].map(number));
        let plan = change.assign(&request, &pool, terms, at(END), fresh).unwrap();
        assert_eq!(held_numbers(&plan), [3, 2, 4].map(number));

        let dry = change.end_alone(&request, &pool, at(END)).unwrap();
        assert_eq!(held_numbers(&dry), [2].map(number), "nor does it wait with that number");
        let release = Write::ReleaseNumber { number: number(1), available_at: at(NOW + 600) };
        for plan in [plan, dry] {
            let is_released = plan.writes.contains(&release);
            assert_eq!(is_released, allocation == Allocation::Exclusive);
        }
    }
}

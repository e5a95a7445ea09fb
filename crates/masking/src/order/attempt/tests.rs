//! Tests of the tasks and outcomes of an attempt, after each result that is reported to it.

use std::sync::LazyLock;

use super::*;
use crate::{Closed, Person, PhoneHash, PoolChoice, Pools, Role, State};

const NOW: u64 = 1000;

static ORDER_ID: LazyLock<OrderId> = LazyLock::new(|| OrderId::parse("o-1").unwrap());
static EXCLUSIVE: LazyLock<Pool> = LazyLock::new(|| pool("exclusive"));
static SHARED: LazyLock<Pool> = LazyLock::new(|| pool("shared"));

fn pool(allocation: &str) -> Pool {
    let pools = format!(r#"[{{"id":"p","allocation":"{allocation}","max_order_seconds":1000}}]"#);
    Pools::parse(&pools).unwrap().named(None).unwrap().clone()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn number(last: u8) -> Number {
    format!("+62215000{last}").parse().unwrap()
}

/// A request to assign people of these one-letter names. The role and the hash of each come
/// from the name.
fn assign<'a>(pool: &'a Pool, names: &str) -> OrderRequest<'a> {
    let person = |name: char| Person {
        role: Role::parse(&format!("role_{name}")).unwrap(),
        phone: format!("+6281200{:04}", u32::from(name)).parse().unwrap(),
        caller: PhoneHash::from_stored(name.to_string()),
    };
    OrderRequest::Assign(AssignmentRequest {
        pool: PoolChoice::Named(pool),
        expires_at: None,
        people: names.chars().map(person).collect(),
    })
}

const BLIND: bool = true;

fn attempt<'a>(version: u64, request: &'a OrderRequest<'a>, blind: bool) -> Attempt<'a> {
    Attempt::new(&ORDER_ID, version, request, blind)
}

/// The row of an order of version 5 that holds numbers 1, 2 and so on for these people.
fn assigned(pool: &Pool, names: &str) -> KnownRow {
    let request = assign(pool, names);
    let mut attempt = attempt(5, &request, BLIND);
    let numbers = (1..).take(names.len()).map(number).collect();
    assert_eq!(word(&mut attempt), format!("take {}, 0 lost", names.len()));
    attempt.took(Some(numbers));
    KnownRow::Present(plan(&mut attempt).order)
}

/// The next task as words.
fn word(attempt: &mut Attempt<'_>) -> String {
    let names = |numbers: &[Number]| {
        let last = |it: &Number| it.as_str().chars().last().unwrap();
        numbers.iter().map(last).collect::<String>()
    };
    match attempt.next(at(NOW)) {
        Task::ReadRow => "read".to_owned(),
        Task::TakeNumbers(needed) => {
            format!("take {}, {} lost", needed.count(), needed.claims_lost)
        }
        Task::Commit { plan, .. } => {
            let (claimed, end) =
                (claimed(plan), matches!(plan.writes[..], [Write::EndRoute { .. }, ..]));
            match &plan.order.state {
                State::Assigned(holding) if holding.waiting => "write what ends".to_owned(),
                _ if end => "write ends".to_owned(),
                _ => format!("write, claiming {}", names(&claimed)),
            }
        }
        Task::PutBack { pool, numbers } => format!("put {} back to {}", names(&numbers), pool.id),
        Task::Forget { pool } => format!("forget {}", pool.id),
        Task::Pause { longest } => format!("pause {} ms", longest.as_millis()),
        Task::Done(outcome) => format!("done: {}", outcome_word(&outcome)),
    }
}

fn outcome_word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Announce(Announcement::Assigned { version, .. }) => format!("assigned {version}"),
        Outcome::Announce(Announcement::Released { version, .. }) => format!("released {version}"),
        Outcome::Announce(other) => format!("{other:?}"),
        Outcome::Ignored { why, stored_version } => format!("ignored, {why:?} {stored_version}"),
        Outcome::Dry { pool } => format!("{pool} is dry"),
        Outcome::Refused(invalid) => invalid.to_string(),
        Outcome::Contended => "contended".to_owned(),
    }
}

/// The plan of the next task.
fn plan(attempt: &mut Attempt<'_>) -> Plan {
    match attempt.next(at(NOW)) {
        Task::Commit { plan, .. } => plan.clone(),
        other => panic!("not a plan: {other:?}"),
    }
}

/// Reports that the conditions of all writes of the plan failed, except the last `spared`.
fn lose(attempt: &mut Attempt<'_>, spared: usize) {
    let mut writes = plan(attempt).writes;
    writes.truncate(writes.len() - spared);
    attempt.answered(Commit::Lost(writes));
}

#[test]
fn a_blind_attempt_writes_before_it_reads() {
    let request = assign(&EXCLUSIVE, "ab");
    let mut attempt = attempt(1, &request, BLIND);
    assert_eq!(word(&mut attempt), "take 2, 0 lost");
    attempt.took(Some(vec![number(1), number(2)]));
    assert_eq!(word(&mut attempt), "write, claiming 12");
    attempt.answered(Commit::Done);
    assert_eq!(word(&mut attempt), "done: assigned 1");
    assert_eq!(word(&mut attempt), "done: assigned 1", "and stays so");
}

#[test]
fn an_attempt_that_is_not_blind_reads_the_row_first() {
    let request = OrderRequest::Close(Closed::Completed);
    let mut attempt = attempt(6, &request, !BLIND);
    assert_eq!(word(&mut attempt), "read");
    assert_eq!(word(&mut attempt), "read", "until it is told what the row is");
    attempt.saw(assigned(&SHARED, "ab"));
    assert_eq!(word(&mut attempt), "write ends");
    attempt.answered(Commit::Done);
    assert_eq!(word(&mut attempt), "done: released 6");
}

#[test]
fn a_plan_keeps_the_moment_at_which_it_was_decided() {
    let request = assign(&EXCLUSIVE, "ab");
    let mut attempt = attempt(1, &request, BLIND);
    let _ = attempt.next(at(NOW));
    attempt.took(Some(vec![number(1), number(2)]));
    let Task::Commit { plan, now } = attempt.next(at(NOW + 9)) else { panic!("no plan") };
    assert_eq!((now, plan.order.holding(now).unwrap().expires_at), (at(NOW), at(NOW + 1000)));
}

#[test]
fn an_amendment_that_needs_no_numbers_takes_none() {
    let request = assign(&EXCLUSIVE, "ba");
    let mut attempt = attempt(6, &request, !BLIND);
    attempt.saw(assigned(&EXCLUSIVE, "ab"));
    assert_eq!(word(&mut attempt), "write, claiming ");
}

#[test]
fn an_event_that_changes_nothing_ends_as_the_contracts_table_says() {
    let (same, other) = (assign(&EXCLUSIVE, "ab"), assign(&SHARED, "ab"));
    let mut elsewhere = SHARED.clone();
    elsewhere.id = crate::PoolId::parse("elsewhere").unwrap();
    let in_another_pool = assign(&elsewhere, "ab");
    for (version, request, outcome) in [
        (5, &same, "assigned 5"),
        (4, &other, "ignored, Stale 5"),
        (5, &OrderRequest::Unassign, "ignored, SameVersion 5"),
        (6, &in_another_pool, "pool: must be the pool of the order's earlier assignments"),
    ] {
        let mut attempt = attempt(version, request, !BLIND);
        attempt.saw(assigned(&EXCLUSIVE, "ab"));
        assert_eq!(word(&mut attempt), format!("done: {outcome}"));
    }
}

#[test]
fn a_pool_counts_as_dry_only_after_the_row_was_read() {
    let request = assign(&EXCLUSIVE, "ab");
    let mut blind = attempt(6, &request, BLIND);
    assert_eq!(word(&mut blind), "take 2, 0 lost");
    blind.took(None);
    assert_eq!(word(&mut blind), "read");
    let mut needs_none = blind.clone();
    needs_none.saw(assigned(&EXCLUSIVE, "ab"));
    assert_eq!(word(&mut needs_none), "write, claiming ");

    blind.saw(KnownRow::Absent);
    assert_eq!(word(&mut blind), "take 2, 0 lost");
    blind.took(None);
    assert_eq!(word(&mut blind), "done: p is dry");
}

#[test]
fn while_the_pool_is_dry_only_the_releases_of_an_amendment_are_written() {
    let request = assign(&EXCLUSIVE, "ac");
    let mut attempt = attempt(6, &request, !BLIND);
    attempt.saw(assigned(&EXCLUSIVE, "ab"));
    assert_eq!(word(&mut attempt), "take 1, 0 lost");
    attempt.took(None);
    assert_eq!(word(&mut attempt), "write what ends");
    attempt.answered(Commit::Done);
    assert_eq!(word(&mut attempt), "done: p is dry");
}

#[test]
fn a_row_that_changed_is_decided_again_and_the_numbers_are_put_back() {
    let request = assign(&EXCLUSIVE, "ab");
    let mut attempt = attempt(6, &request, BLIND);
    let _ = attempt.next(at(NOW));
    attempt.took(Some(vec![number(3), number(4)]));
    let _ = attempt.next(at(NOW));
    attempt.answered(Commit::Moved(assigned(&EXCLUSIVE, "ab")));
    assert_eq!(word(&mut attempt), "put 34 back to p");
    assert_eq!(word(&mut attempt), "write, claiming ");
}

#[test]
fn numbers_of_a_shared_pool_are_not_put_back() {
    let request = assign(&SHARED, "ab");
    let mut attempt = attempt(6, &request, BLIND);
    let _ = attempt.next(at(NOW));
    attempt.took(Some(vec![number(3), number(4)]));
    let _ = attempt.next(at(NOW));
    attempt.answered(Commit::Moved(KnownRow::Absent));
    assert_eq!(word(&mut attempt), "put  back to p");
}

#[test]
fn after_a_lost_claim_the_candidates_are_forgotten_and_others_are_taken() {
    let request = assign(&EXCLUSIVE, "ab");
    let mut attempt = attempt(1, &request, BLIND);
    for lost in 0..3 {
        assert_eq!(word(&mut attempt), format!("take 2, {lost} lost"));
        attempt.took(Some(vec![number(1), number(2)]));
        lose(&mut attempt, 3);
        assert_eq!(word(&mut attempt), "forget p");
    }
}

#[test]
fn conflicts_are_remembered_until_the_row_may_have_changed() {
    let request = OrderRequest::Unassign;
    let row = assigned(&EXCLUSIVE, "ab");
    let mut attempt = attempt(6, &request, !BLIND);
    attempt.saw(row.clone());
    let writes = plan(&mut attempt).writes;
    assert_eq!(writes.len(), 4);
    lose(&mut attempt, 3);
    assert_eq!(plan(&mut attempt).writes, writes[1..], "nothing is forgotten of a pool");
    let mut moved = attempt.clone();
    moved.answered(Commit::Moved(row.clone()));
    assert_eq!(plan(&mut moved).writes, writes, "nor put back to one");
    assert!(attempt.unanswered());
    assert_eq!(word(&mut attempt), "pause 40 ms");
    attempt.saw(row);
    assert_eq!(plan(&mut attempt).writes, writes);
}

#[test]
fn a_number_on_which_a_person_has_a_route_is_not_picked_for_the_other_person() {
    let request = assign(&SHARED, "ab");
    let mut attempt = attempt(1, &request, BLIND);
    let _ = attempt.next(at(NOW));
    attempt.took(Some(vec![number(1), number(2)]));
    lose(&mut attempt, 1);
    let _ = attempt.next(at(NOW));
    let Task::TakeNumbers(needed) = attempt.next(at(NOW)) else { panic!("no numbers") };
    // `a` has a route on number 2, which may therefore stand for `a` and not for `b`.
    assert_eq!(needed.pick(&[number(1), number(2)]), None, "the first that may serve `a`");
    let swapped = vec![number(2), number(1)];
    assert_eq!(needed.pick(&swapped), Some(swapped));
}

#[test]
fn a_shared_pool_counts_as_dry_after_seven_lost_claims_and_an_exclusive_one_does_not() {
    for (pool, then) in [(&*SHARED, "read"), (&*EXCLUSIVE, "take 2, 7 lost")] {
        let request = assign(pool, "ab");
        let mut attempt = attempt(1, &request, BLIND);
        for lost in 0..7 {
            assert_eq!(word(&mut attempt), format!("take 2, {lost} lost"));
            attempt.took(Some(vec![number(1), number(2)]));
            lose(&mut attempt, 0);
            assert_eq!(word(&mut attempt), "forget p");
        }
        assert_eq!(word(&mut attempt), then);
        if then == "read" {
            attempt.saw(KnownRow::Absent);
            assert_eq!(word(&mut attempt), "done: p is dry");
        }
    }
}

#[test]
fn a_busy_table_is_tried_ten_times_with_back_off() {
    let request = OrderRequest::Unassign;
    let mut attempt = attempt(6, &request, !BLIND);
    attempt.saw(KnownRow::Absent);
    for longest in [20, 40, 80, 160, 320, 640, 640, 640, 640, 640] {
        assert_eq!(word(&mut attempt), "write, claiming ");
        attempt.answered(Commit::Busy);
        assert_eq!(word(&mut attempt), format!("pause {longest} ms"));
    }
    assert_eq!(word(&mut attempt), "done: contended");
}

#[test]
fn after_the_first_lost_answer_the_row_is_read_and_after_the_second_the_attempt_fails() {
    let request = assign(&EXCLUSIVE, "ab");
    let mut attempt = attempt(5, &request, BLIND);
    let _ = attempt.next(at(NOW));
    attempt.took(Some(vec![number(1), number(2)]));
    let _ = attempt.next(at(NOW));
    assert!(attempt.unanswered());
    assert_eq!(word(&mut attempt), "pause 20 ms");
    assert_eq!(word(&mut attempt), "read");

    let mut was_written = attempt.clone();
    was_written.saw(assigned(&EXCLUSIVE, "ab"));
    assert_eq!(word(&mut was_written), "done: assigned 5");

    attempt.saw(KnownRow::Absent);
    assert_eq!(word(&mut attempt), "take 2, 0 lost");
    attempt.took(Some(vec![number(1), number(2)]));
    let _ = attempt.next(at(NOW));
    assert!(!attempt.unanswered());
}

#[test]
fn an_attempt_with_all_its_tries_keeps_its_row_and_its_conflicts() {
    let request = OrderRequest::Unassign;
    let mut attempt = attempt(6, &request, !BLIND);
    attempt.saw(assigned(&EXCLUSIVE, "ab"));
    lose(&mut attempt, 3);
    assert!(attempt.unanswered());
    let _ = attempt.next(at(NOW));
    attempt.saw(assigned(&EXCLUSIVE, "ab"));
    lose(&mut attempt, 3);
    let mut again = attempt.clone().with_all_tries();
    assert_eq!(plan(&mut again), plan(&mut attempt));
    assert!(!attempt.unanswered());
    assert!(again.unanswered());
    assert_eq!(word(&mut again), "pause 20 ms", "after the first try");
}

#[test]
fn an_attempt_with_all_its_tries_may_lose_as_many_claims_as_one_that_begins() {
    let request = assign(&SHARED, "ab");
    let mut attempt = attempt(1, &request, BLIND);
    for _ in 0..20 {
        assert_eq!(word(&mut attempt), "take 2, 0 lost");
        attempt.took(Some(vec![number(1), number(2)]));
        lose(&mut attempt, 0);
        assert_eq!(word(&mut attempt), "forget p");
        attempt = attempt.with_all_tries();
    }
}

/// A request to assign `ab` that names no pool. The default was `p`, and is `q` by now.
fn without_pool(pools: &Pools) -> OrderRequest<'_> {
    let OrderRequest::Assign(named) = assign(&EXCLUSIVE, "ab") else { panic!() };
    OrderRequest::Assign(AssignmentRequest { pool: PoolChoice::OrdersOwn(pools), ..named })
}

#[test]
fn a_blind_attempt_without_a_pool_goes_on_in_the_pool_of_the_row() {
    let pools = Pools::parse(r#"[{"id":"p"},{"id":"q","default":true}]"#).unwrap();
    let request = without_pool(&pools);
    let mut first = attempt(6, &request, BLIND);
    let Task::TakeNumbers(needed) = first.next(at(NOW)) else { panic!("no numbers") };
    assert_eq!(needed.pool.id.as_str(), "q");
    let mut dry = first.clone();
    first.took(Some(vec![number(3), number(4)]));
    assert_eq!(word(&mut first), "write, claiming 34");
    first.answered(Commit::Moved(assigned(&EXCLUSIVE, "ac")));
    assert_eq!(word(&mut first), "put 34 back to q");
    let Task::TakeNumbers(needed) = first.next(at(NOW)) else { panic!("no numbers") };
    assert_eq!((needed.pool.id.as_str(), needed.count()), ("p", 1));
    first.took(None);
    assert_eq!(plan(&mut first).order.pool, crate::PoolId::parse("p"));
    first.answered(Commit::Done);
    assert_eq!(word(&mut first), "done: p is dry");

    // Only the row tells whether the default pool matters.
    dry.took(None);
    assert_eq!(word(&mut dry), "read");
    dry.saw(KnownRow::Absent);
    assert_eq!(word(&mut dry), "take 2, 0 lost");
    dry.took(None);
    assert_eq!(word(&mut dry), "done: q is dry");
}

#[test]
fn a_blind_attempt_reads_the_row_before_it_refuses_an_event() {
    let pools = Pools::parse(r#"[{"id":"p"},{"id":"q","default":true,"dial_prefixes":["+1"]}]"#);
    let pools = pools.unwrap();
    let request = without_pool(&pools);
    let mut attempt = attempt(6, &request, BLIND);
    assert_eq!(word(&mut attempt), "read", "it may be an order of `p`");
    let mut new = attempt.clone();
    attempt.saw(assigned(&EXCLUSIVE, "ab"));
    assert_eq!(word(&mut attempt), "write, claiming ");
    new.saw(KnownRow::Absent);
    let refused = "participants[0].phone: must begin with one of the pool's dial_prefixes";
    assert_eq!(word(&mut new), format!("done: {refused}"));
}

//! Scenes in which only chosen requests fail.

use std::time::Duration;

use fastrand::Rng;
use masking::Allocation;
use serde_json::Value;
use support::events::{Queue, batch};
use support::functions::dead_letters;
use support::story;

use crate::faulty::Fate;
use crate::run::in_virtual_time;
use crate::schedule::{Schedule, phone};
use crate::simulation::Simulation;

/// Plays a scene in a simulation with this number of numbers and no random faults. Nothing may
/// be violated.
fn play<T>(numbers: usize, scene: impl AsyncFnOnce(&mut Simulation) -> T) -> T {
    let schedule = Schedule {
        allocation: Allocation::Exclusive,
        cooldown: 600,
        ops: Vec::new(),
        fault_rate: 0,
        ..Schedule::drawn(0)
    };
    in_virtual_time().block_on(async {
        let mut simulation = Simulation::new(&schedule);
        simulation.import(0..numbers).await;
        let result = scene(&mut simulation).await;
        simulation.verdict().expect("nothing is violated");
        result
    })
}

impl Simulation {
    /// Delivers an event once, while its transactions have these fates. Returns whether the
    /// message was finished, and the number of transactions.
    async fn deliver(&mut self, event: Value, fates: &[Fate]) -> (bool, usize) {
        const MORE: usize = 20;
        let fine = std::iter::repeat_n(Fate::Fine, MORE);
        self.faulty.state().script = fates.iter().copied().chain(fine).collect();
        let queue = Queue::of(&event);
        self.tell(event);
        // A scene ends before an earlier delivery is visible again.
        let now = self.now();
        let messages = self.queues.of(queue).receive(&mut Rng::with_seed(0), now);
        let time = Duration::from_mins(1);
        let again = self.environments[0].receive(queue, batch(queue, messages), time).await;
        let left = std::mem::take(&mut self.faulty.state().script).len();
        assert!(left <= MORE, "{} fates were not met; {again:?}", left - MORE);
        (again.is_empty(), fates.len() + MORE - left)
    }
}

impl Simulation {
    /// Delivers what a queue shows now, once. Returns the number of messages.
    async fn deliver_from(&mut self, queue: Queue) -> usize {
        let now = self.now();
        let messages = self.queues.of(queue).receive(&mut Rng::with_seed(0), now);
        let (time, event) = (Duration::from_mins(1), batch(queue, messages.iter().cloned()));
        let again = self.environments[0].receive(queue, event, time).await;
        for message in messages.iter().filter(|it| !again.contains(&it.id)) {
            self.queues.of(queue).remove(&message.id);
        }
        self.carry();
        messages.len()
    }
}

fn assigned(version: u64) -> Value {
    story::assigned("o-0", version, &[("customer", &phone(0)), ("agent", &phone(1))])
}

/// Assigns an order in one delivery, while its transactions have these fates. Returns whether
/// the message was finished, the number of transactions, and the taken numbers.
fn assign_while(fates: &[Fate]) -> (bool, usize, usize) {
    play(10, async |simulation| {
        let (done, transactions) = simulation.deliver(assigned(1), fates).await;
        let numbers = &simulation.faulty.state().truth.rows.numbers;
        let taken = numbers.values().filter(|it| it.contains_key("order_id")).count();
        (done, transactions, taken)
    })
}

#[test]
fn an_order_that_holds_nothing_is_assigned_in_one_transaction() {
    assert_eq!(assign_while(&[]), (true, 1, 2));
}

#[test]
fn a_conflict_is_retried_in_the_same_delivery() {
    assert_eq!(assign_while(&[Fate::Conflict; 2]), (true, 3, 2));
}

#[test]
fn a_write_whose_answer_was_lost_is_found_in_the_row_and_not_repeated() {
    // The function sees a failure only after three tries of the SDK.
    assert_eq!(assign_while(&[Fate::LoseAnswer; 3]), (true, 3, 2));
}

#[test]
fn a_write_whose_request_was_lost_is_repeated() {
    assert_eq!(assign_while(&[Fate::LoseRequest; 3]), (true, 4, 2));
}

#[test]
fn a_throttled_write_is_repeated() {
    assert_eq!(assign_while(&[Fate::Refuse("ThrottlingException"); 3]), (true, 4, 2));
}

#[test]
fn an_order_that_took_the_last_numbers_is_not_announced_as_unavailable() {
    play(4, async |simulation| {
        let mut first = assigned(1);
        first["lives"] = 60.into();
        simulation.deliver(first, &[]).await;
        simulation.seconds_pass(60);
        // The blind try finds the expired row. The next try is written, but its answer is lost.
        let fates = [[Fate::Fine].as_slice(), &[Fate::LoseAnswer; 3]].concat();
        assert_eq!(simulation.deliver(assigned(2), &fates).await, (true, 4));
    });
}

#[test]
fn a_call_and_a_duplicate_see_the_last_write() {
    play(2, async |simulation| {
        simulation.deliver(assigned(1), &[]).await;
        for called in [0, 1] {
            simulation.call(0, called).await;
        }
        let completed = story::event("completed", "o-0", 2);
        assert_eq!(simulation.deliver(completed.clone(), &[]).await, (true, 1));
        assert_eq!(
            simulation.deliver(completed, &[]).await,
            (true, 0),
            "a duplicate writes nothing"
        );
    });
}

#[test]
fn an_hour_without_tables_does_not_shorten_the_wait_for_numbers() {
    play(1, async |simulation| {
        simulation.faulty.state().outage = true;
        simulation.tell(assigned(1));
        let began = simulation.now();
        while simulation.now() < began + 3700 {
            simulation.deliver_from(Queue::Assign).await;
            simulation.seconds_pass(60);
        }
        assert!(simulation.queues.of(Queue::Waiting).is_empty(), "an outage is no dry pool");

        simulation.faulty.state().outage = false;
        assert_eq!(simulation.deliver_from(Queue::Assign).await, 1);
        let dry_since = simulation.now();
        let mut tries = 0;
        while simulation.now() < dry_since + 3600 {
            let letters = simulation.faulty.cloud.queues.take(dead_letters(Queue::Assign));
            assert!(letters.is_empty(), "after {} s", simulation.now() - dry_since);
            simulation.seconds_pass(5);
            tries += simulation.deliver_from(Queue::Waiting).await;
        }
        // Each delay is drawn from 10 to 15 s, and is over at a look every five.
        assert!((240..=360).contains(&tries), "once in ten to fifteen seconds: {tries}");
        simulation.seconds_pass(15);
        simulation.deliver_from(Queue::Waiting).await;
        let letters = simulation.faulty.cloud.queues.take(dead_letters(Queue::Assign));
        let reasons: Vec<_> = letters.iter().map(|it| it.reason()).collect();
        assert_eq!(reasons, [Some("pool: had too few free numbers for an hour")]);
    });
}

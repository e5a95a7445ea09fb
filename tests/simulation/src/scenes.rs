//! Scenes in which only what the scene names goes wrong.

use std::time::Duration;

use fastrand::Rng;
use masking::Allocation;
use serde_json::Value;
use support::events::{Queue, batch};
use support::story;

use crate::faulty::Fate;
use crate::run::in_virtual_time;
use crate::schedule::{Schedule, phone};
use crate::world::World;

/// Plays a scene in a world of so many numbers, where nothing fails but what the
/// scene lets fail, and nothing may be violated.
fn play<T>(numbers: usize, scene: impl AsyncFnOnce(&mut World) -> T) -> T {
    let schedule = Schedule {
        allocation: Allocation::Exclusive,
        cooldown: 600,
        ops: Vec::new(),
        fault_rate: 0,
        ..Schedule::draw(0)
    };
    in_virtual_time().block_on(async {
        let mut world = World::new(&schedule);
        world.import(0..numbers).await;
        let result = scene(&mut world).await;
        world.verdict().expect("nothing is violated");
        result
    })
}

impl World {
    /// Tells an event and has it delivered once, while its transactions meet these
    /// fates. Returns whether it is done with, and after how many transactions.
    async fn deliver(&mut self, event: Value, fates: &[Fate]) -> (bool, usize) {
        const MORE: usize = 20;
        let fine = std::iter::repeat_n(Fate::Fine, MORE);
        self.faulty.state().script = fates.iter().copied().chain(fine).collect();
        let queue = Queue::of(&event);
        self.tell(event);
        // What was delivered before stays hidden for the length of a scene.
        let now = self.now();
        let messages = self.queues.of(queue).receive(&mut Rng::with_seed(0), now);
        let time = Duration::from_mins(1);
        let again = self.environments[0].receive(queue, batch(queue, messages), time).await;
        let left = std::mem::take(&mut self.faulty.state().script).len();
        assert!(left <= MORE, "every fate was met");
        (again.is_empty(), fates.len() + MORE - left)
    }
}

fn assigned(version: u64) -> Value {
    story::assigned("o-0", version, &[("customer", &phone(0)), ("agent", &phone(1))])
}

/// Assigns an order while its transactions meet these fates, in one delivery.
/// Returns whether it is done with, after how many transactions, and how many
/// numbers are taken.
fn assign_while(fates: &[Fate]) -> (bool, usize, usize) {
    play(10, async |world| {
        let (done, transactions) = world.deliver(assigned(1), fates).await;
        let numbers = &world.faulty.state().truth.rows.numbers;
        let taken = numbers.values().filter(|it| it.contains_key("order_id")).count();
        (done, transactions, taken)
    })
}

#[test]
fn an_order_that_holds_nothing_is_assigned_in_one_transaction() {
    assert_eq!(assign_while(&[]), (true, 1, 2));
}

#[test]
fn a_conflict_is_tried_again_in_the_same_delivery() {
    assert_eq!(assign_while(&[Fate::Conflict; 2]), (true, 3, 2));
}

#[test]
fn a_write_whose_answer_was_lost_is_found_in_the_row_and_not_repeated() {
    // The SDK tries three times; only then does the function see it.
    assert_eq!(assign_while(&[Fate::LoseAnswer; 3]), (true, 3, 2));
}

#[test]
fn a_write_that_was_lost_is_made_again() {
    assert_eq!(assign_while(&[Fate::LoseRequest; 3]), (true, 4, 2));
}

#[test]
fn throttling_is_waited_out() {
    assert_eq!(assign_while(&[Fate::Refuse("ThrottlingException"); 3]), (true, 4, 2));
}

#[test]
fn an_order_that_took_the_last_numbers_is_not_told_that_there_are_none() {
    play(4, async |world| {
        let mut first = assigned(1);
        first["lives"] = 60.into();
        world.deliver(first, &[]).await;
        world.seconds_pass(60);
        // The blind try finds the expired row; the next one is written, unheard.
        let fates = [[Fate::Fine].as_slice(), &[Fate::LoseAnswer; 3]].concat();
        assert_eq!(world.deliver(assigned(2), &fates).await, (true, 4));
    });
}

#[test]
fn what_was_just_written_is_what_a_call_and_a_duplicate_find() {
    play(2, async |world| {
        world.deliver(assigned(1), &[]).await;
        for called in [0, 1] {
            world.call(0, called).await;
        }
        let completed = story::event("completed", "o-0", 2);
        assert_eq!(world.deliver(completed.clone(), &[]).await, (true, 1));
        assert_eq!(world.deliver(completed, &[]).await, (true, 0), "a duplicate writes nothing");
    });
}

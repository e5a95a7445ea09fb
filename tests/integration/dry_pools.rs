//! How assign-numbers handles events while a pool has too few numbers.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};
use support::World;
use support::events::Queue;
use support::functions::{NUMBER_EVENTS, WAITING, dead_letters};
use support::story::unavailable;
use support::world::{Delivery, FIRST, assigned, event, number, numbers_in};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::assign_numbers::world_with_numbers;
use crate::people::{AGENT, CUSTOMER, MERCHANT, OTHER_AGENT, PAIR};

/// The seconds of the first delay of a wait. Each delay is drawn.
const FIRST_DELAY: RangeInclusive<u64> = 3..=5;

const OTHER_PAIR: [(&str, &str); 2] = [("customer", MERCHANT), ("agent", OTHER_AGENT)];

#[tokio::test]
async fn an_order_waits_for_a_dry_pool_and_says_so_once() {
    let world = world_with_numbers(2).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;

    let first = world.when_told(&assigned("o-2", 1, &OTHER_PAIR)).await;
    assert_eq!(first.announced, [unavailable("o-2", 1, "id-jkt")]);
    assert_eq!(first.again, 0, "what waits is not in flight");
    let mut waiting = first.waiting;
    for delays in [FIRST_DELAY, 6..=10, 10..=15, 10..=15] {
        assert_eq!(waiting.len(), 1);
        assert!(delays.contains(&waiting[0].delay), "{} of {delays:?}", waiting[0].delay);
        let handled = world.when_waited(&waiting).await;
        assert_eq!((handled.announced.len(), handled.again), (0, 0));
        waiting = handled.waiting;
    }
    assert!(world.log().contains(r#""message":"pool is dry""#), "the alarm listens to this");

    world.given_numbers("id-jkt", 10..12).await;
    let handled = world.when_waited(&waiting).await;
    assert_eq!(numbers_in(&handled.announced[0]).len(), 2);
    assert_eq!((handled.again, handled.waiting), (0, Vec::new()));
}

#[tokio::test]
async fn an_order_that_waited_an_hour_is_given_up() {
    let world = world_with_numbers(1).await;
    let waiting = world.when_told(&assigned("o-1", 1, &PAIR)).await.waiting;
    world.seconds_pass(3599);
    let handled = world.when_waiting_receives(&waiting, FIRST).await;
    assert_eq!((handled.announced.len(), handled.refused.len()), (0, 0));
    world.seconds_pass(1);
    let handled = world.when_waiting_receives(&handled.waiting, FIRST).await;
    assert_eq!(handled.announced, [unavailable("o-1", 1, "id-jkt")]);
    assert_eq!(handled.refused, ["pool: had too few free numbers for an hour"]);
    assert_eq!((handled.again, handled.waiting.len()), (0, 0));
    assert_eq!(world.free_numbers().await.len(), 1, "it took none of the too few");
}

#[tokio::test]
async fn the_hour_counts_from_the_first_try_that_found_the_pool_dry() {
    let world = world_with_numbers(0).await;
    let late = Delivery { count: 63, age: 3700 };
    let handled = world.when_told_again(&assigned("o-1", 1, &PAIR), late).await;
    assert_eq!((handled.refused.len(), handled.waiting.len()), (0, 1), "{handled:?}");
    // A message of the waiting queue that fails meanwhile is delivered again from there.
    world.seconds_pass(3599);
    let handled = world.when_waiting_receives(&handled.waiting, late).await;
    assert_eq!((handled.refused.len(), handled.waiting.len()), (0, 1), "{handled:?}");
}

#[tokio::test]
async fn attributes_that_a_sender_sets_do_not_count_as_a_wait() {
    let world = world_with_numbers(0).await;
    let mut waiting = world.when_told(&assigned("o-1", 1, &PAIR)).await.waiting;
    world.seconds_pass(3600);
    let on_assign_queue = world.when_assign_receives_messages(&waiting).await;
    assert_eq!(on_assign_queue.refused.len(), 0);
    assert!(FIRST_DELAY.contains(&on_assign_queue.waiting[0].delay), "it begins again");

    let attributes = &mut waiting[0].attributes;
    attributes.insert("waiting_since".to_owned(), "soon".to_owned());
    let malformed = world.when_waiting_receives(&waiting, FIRST).await;
    assert_eq!(malformed.refused.len(), 0);
    assert!(FIRST_DELAY.contains(&malformed.waiting[0].delay), "it begins again");
}

#[tokio::test]
async fn an_event_that_can_not_be_sent_to_the_waiting_queue_is_redelivered() {
    let world = world_with_numbers(0).await;
    world.cloud.queues.given_refuses(WAITING, true);
    let event = assigned("o-1", 1, &PAIR);
    let handled = world.when_told(&event).await;
    assert_eq!((handled.again, handled.waits, handled.waiting.len()), (1, vec![5], 0));
    world.cloud.queues.given_refuses(WAITING, false);
    let waiting = world.when_told_again(&event, Delivery { count: 2, age: 5 }).await.waiting;

    world.cloud.queues.given_refuses(WAITING, true);
    let handled = world.when_waiting_receives(&waiting, Delivery { count: 3, age: 15 }).await;
    assert_eq!((handled.again, handled.waits), (1, vec![20]), "by its own back-off");
    assert_eq!(world.cloud.queues.take_backed_off(), ["http://queues/assign", WAITING]);
}

#[tokio::test]
async fn an_order_that_waits_twice_gets_one_set_of_numbers() {
    let world = world_with_numbers(0).await;
    let event = assigned("o-1", 1, &PAIR);
    let mut waiting = world.when_told(&event).await.waiting;
    // The function died before its first delivery was deleted.
    waiting.extend(world.when_told_again(&event, Delivery { count: 2, age: 90 }).await.waiting);
    assert_eq!(waiting.len(), 2);
    world.given_numbers("id-jkt", 0..6).await;
    let handled = world.when_waited(&waiting).await;
    assert_eq!((handled.announced.len(), handled.waiting.len()), (2, 0));
    assert_eq!(handled.announced[0], handled.announced[1]);
    assert_eq!(world.free_numbers().await.len(), 4);
}

#[tokio::test]
async fn an_order_that_ends_while_it_waits_waits_no_longer() {
    let world = world_with_numbers(0).await;
    let waiting = world.when_told(&assigned("o-1", 1, &PAIR)).await.waiting;
    world.when_told(&event("cancelled", "o-1", 2)).await;
    world.take_bill();
    let handled = world.when_waited(&waiting).await;
    assert_eq!((handled.announced.len(), handled.refused.len(), handled.waiting.len()), (0, 0, 0));
    let bill = world.take_bill();
    assert_eq!(bill.requests.get("Query"), None, "it looks for no numbers: {bill:?}");
    assert_eq!(world.cloud.queues.take(dead_letters(Queue::Assign)).len(), 0);
}

/// How many queries and reads the tries of a hundred waiting orders cost.
async fn cost_of_tries(world: &World, waiting: &[support::cloud::Message]) -> (u64, u64) {
    world.take_bill();
    for batch in waiting.chunks(10) {
        let handled = world.when_waiting_receives(batch, FIRST).await;
        assert_eq!(handled.waiting.len(), batch.len());
    }
    let bill = world.take_bill();
    let count = |operation| bill.requests.get(operation).copied().unwrap_or(0);
    assert_eq!(count("Query") + count("GetItem"), bill.total(), "{bill:?}");
    (count("Query"), count("GetItem"))
}

#[tokio::test]
async fn orders_that_wait_for_one_pool_query_its_shards_once_a_second() {
    let pools = json!([{"id": "id-jkt", "min_free": 0, "shards": 16}]);
    let world = World::with_pools(&pools);
    world.given_numbers("id-jkt", 0..1).await;
    let mut waiting = Vec::new();
    for order in 0..100 {
        let handled = world.when_told(&assigned(&format!("o-{order}"), 1, &PAIR)).await;
        waiting.extend(handled.waiting);
    }
    world.seconds_pass(5);
    assert_eq!(cost_of_tries(&world, &waiting).await, (16, 100));
    assert_eq!(cost_of_tries(&world, &waiting).await, (0, 100), "within the same second");
    world.seconds_pass(1);
    assert_eq!(cost_of_tries(&world, &waiting).await, (16, 100));

    // The numbers that come free in the next second are seen in it.
    world.given_numbers("id-jkt", 1..2).await;
    world.seconds_pass(1);
    let handled = world.when_waiting_receives(&waiting[..10], FIRST).await;
    let kinds: Vec<&Value> = handled.announced.iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["numbers.assigned"]);
}

#[tokio::test]
async fn an_event_does_not_wait_while_another_pool_of_its_batch_is_read() {
    let pools = json!([{"id": "a", "min_free": 0}, {"id": "b", "min_free": 0, "default": true}]);
    let world = World::with_silent_index_of("a", &pools);
    world.given_numbers("b", 0..20).await;
    let mut of_a = assigned("o-a", 1, &PAIR);
    of_a["pool"] = "a".into();
    let batch = [of_a.to_string(), assigned("o-b", 1, &OTHER_PAIR).to_string()];
    let announced = async {
        loop {
            match world.cloud.queues.take_json(NUMBER_EVENTS).pop() {
                Some(announcement) => return announcement,
                None => yield_now().await,
            }
        }
    };
    tokio::select! {
        handled = world.when_assign_receives(&batch, FIRST) => panic!("pool a answered: {handled:?}"),
        announced = timeout(Duration::from_secs(10), announced) => {
            assert_eq!(announced.unwrap()["order_id"], "o-b");
        }
    }
}

#[tokio::test]
async fn a_dry_pool_delays_the_new_routes_of_an_amendment_and_not_the_ends_of_old_ones() {
    let world = world_with_numbers(2).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    let amended = assigned(
        "o-1",
        3,
        &[("customer", CUSTOMER), ("agent", OTHER_AGENT), ("merchant", MERCHANT)],
    );
    let handled = world.when_told(&amended).await;
    assert_eq!(handled.announced, [unavailable("o-1", 3, "id-jkt")]);
    assert_eq!((handled.again, handled.waiting.len()), (0, 1));
    for (caller, dialled) in [(AGENT, "customer"), (CUSTOMER, "agent"), (OTHER_AGENT, "customer")] {
        let (_, answer) = world.when_called(caller, &numbers[dialled]).await;
        assert_eq!(answer["decision"], "reject", "{caller} dials the {dialled}");
    }

    // A late event with a version in between does not bring the old agent back.
    let late = world.when_told(&assigned("o-1", 2, &PAIR)).await;
    assert_eq!(late.announced.len(), 0);
    assert_eq!(world.decision(AGENT, &numbers["customer"]).await, "ended");

    world.given_numbers("id-jkt", 10..11).await;
    let handled = world.when_waited(&handled.waiting).await;
    let after = numbers_in(&handled.announced[0]);
    assert_eq!((&after["customer"], &after["agent"]), (&numbers["customer"], &numbers["agent"]));
    assert_eq!(after["merchant"], number(10));
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, OTHER_AGENT);
}

#[tokio::test]
async fn a_dry_pool_does_not_hold_up_an_amendment_that_needs_no_number() {
    let world = world_with_numbers(2).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let replaced = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];
    let handled = world.when_told(&assigned("o-1", 2, &replaced)).await;
    assert_eq!(handled.announced[0]["type"], "numbers.assigned");
    assert_eq!((handled.again, handled.waiting.len()), (0, 0));
}

#[test]
fn the_template_lets_a_message_go_round_for_an_hour() {
    let template = include_str!("../../infra/template.yaml");
    let resource = |name: &str| {
        let (_, rest) = template.split_once(&format!("\n  {name}:\n")).unwrap();
        rest.split("\n\n").next().unwrap()
    };
    // Lambda stops a function of which it thinks that it calls itself without an end.
    assert!(resource("AssignNumbers").contains("RecursiveLoop: Allow"));
    for queue in ["AssignQueue", "WaitingQueue", "ReleaseQueue"] {
        assert!(resource(queue).contains("MessageRetentionPeriod: 1209600"), "{queue}");
    }
    assert!(
        resource("WaitingQueue").contains("deadLetterTargetArn: !GetAtt AssignDeadLetterQueue")
    );
}

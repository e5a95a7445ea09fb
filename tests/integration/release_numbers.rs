//! How release-numbers handles events, in any order and with duplicates.

use serde_json::json;
use support::World;
use support::functions::NUMBER_EVENTS;
use support::story::released;
use support::world::{Handled, assigned, event, numbers_in};

use crate::people::{CUSTOMER, MERCHANT, OTHER_AGENT, PAIR};

/// The events that end an order, with the reason in the announcement and the state of the row.
const ENDS: [(&str, &str, &str); 3] = [
    ("agent_unassigned", "unassigned", "unassigned"),
    ("completed", "completed", "closed"),
    ("cancelled", "cancelled", "closed"),
];

fn is_quiet(handled: &Handled) -> bool {
    handled.announced.is_empty() && handled.refused.is_empty() && handled.again == 0
}

/// A world with a grace of 300 s and the order `o-1`, which ends in 6000 s, and the agent's
/// number.
async fn world_with_grace() -> (World, String) {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "grace_seconds": 300}]));
    world.given_numbers("id-jkt", 0..2).await;
    let mut assignment = assigned("o-1", 1, &PAIR);
    assignment["expires_at"] = world.in_seconds(6000).into();
    let numbers = numbers_in(&world.when_told(&assignment).await.announced[0]);
    (world, numbers["agent"].clone())
}

/// A world with the order `o-1`, and the agent's number.
async fn world_with_an_order() -> (World, String) {
    let world = World::new();
    world.given_numbers("id-jkt", 0..2).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 2, &PAIR)).await.announced[0]);
    (world, numbers["agent"].clone())
}

#[tokio::test]
async fn an_order_that_ends_connects_nobody_and_its_numbers_rest_before_the_next() {
    for (kind, reason, state) in ENDS {
        let (world, agent_number) = world_with_an_order().await;
        let handled = world.when_told(&event(kind, "o-1", 3)).await;
        assert_eq!(handled.announced, [released("o-1", 3, reason)]);
        assert_eq!(world.order("o-1").await["state"], state);
        assert_eq!(world.decision(CUSTOMER, &agent_number).await, "ended");

        world.seconds_pass(599);
        assert!(world.free_numbers().await.is_empty(), "they cool down");
        assert_eq!(world.decision(CUSTOMER, &agent_number).await, "ended");
        world.seconds_pass(1);
        assert_eq!(world.free_numbers().await.len(), 2);
        assert_eq!(world.decision(CUSTOMER, &agent_number).await, "no_route");

        let others = [("customer", MERCHANT), ("agent", OTHER_AGENT)];
        world.when_told(&assigned("o-2", 1, &others)).await;
        let answer = world.when_called(CUSTOMER, &agent_number).await.1;
        assert_eq!(answer["decision"], "reject", "never the next order's people");
    }
}

#[tokio::test]
async fn a_duplicate_of_an_end_is_announced_again() {
    for (kind, reason, _) in ENDS {
        let (world, _) = world_with_an_order().await;
        for _ in 0..2 {
            let handled = world.when_told(&event(kind, "o-1", 3)).await;
            assert_eq!(handled.announced, [released("o-1", 3, reason)]);
        }
    }
}

#[tokio::test]
async fn an_end_of_an_order_that_held_nothing_is_announced_and_remembered() {
    for (kind, reason, state) in ENDS {
        let world = World::new();
        let handled = world.when_told(&event(kind, "o-1", 3)).await;
        assert_eq!(handled.announced, [released("o-1", 3, reason)]);
        assert_eq!(world.order("o-1").await["state"], state);
        assert_eq!(world.order("o-1").await["version"], "3");
    }
}

#[tokio::test]
async fn a_later_unassignment_of_an_unassigned_order_is_remembered() {
    let world = World::new();
    world.when_told(&event("agent_unassigned", "o-1", 3)).await;
    let handled = world.when_told(&event("agent_unassigned", "o-1", 5)).await;
    assert_eq!(handled.announced, [released("o-1", 5, "unassigned")]);
    let handled = world.when_told(&assigned("o-1", 4, &PAIR)).await;
    assert!(is_quiet(&handled), "{handled:?}");
}

#[tokio::test]
async fn an_unassignment_of_an_expired_order_is_remembered() {
    let (world, _) = world_with_an_order().await;
    world.seconds_pass(86_400);
    let handled = world.when_told(&event("agent_unassigned", "o-1", 3)).await;
    assert_eq!(handled.announced, [released("o-1", 3, "unassigned")]);
    assert_eq!(world.order("o-1").await["state"], "unassigned");
}

#[tokio::test]
async fn an_unassignment_that_comes_too_late_is_ignored() {
    let (world, agent_number) = world_with_an_order().await;
    for version in [1, 2] {
        let handled = world.when_told(&event("agent_unassigned", "o-1", version)).await;
        assert!(is_quiet(&handled), "{handled:?}");
    }
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.1["decision"], "connect");
    let log = world.log();
    assert!(log.contains(r#""outcome":"stale""#), "{log}");
    assert!(log.contains(r#""outcome":"same_version""#), "{log}");
}

#[tokio::test]
async fn an_unassignment_of_a_closed_order_is_ignored() {
    let (world, _) = world_with_an_order().await;
    world.when_told(&event("completed", "o-1", 3)).await;
    let handled = world.when_told(&event("agent_unassigned", "o-1", 4)).await;
    assert!(is_quiet(&handled), "{handled:?}");
    assert_eq!(world.order("o-1").await["state"], "closed");
}

#[tokio::test]
async fn closing_is_final_whatever_its_version() {
    for version in [1, 2, 3] {
        let (world, agent_number) = world_with_an_order().await;
        let handled = world.when_told(&event("cancelled", "o-1", version)).await;
        let stored = version.max(2);
        assert_eq!(handled.announced, [released("o-1", stored, "cancelled")]);
        assert_eq!(world.decision(CUSTOMER, &agent_number).await, "ended");
        assert!(is_quiet(&world.when_told(&assigned("o-1", 9, &PAIR)).await));

        let handled = world.when_told(&event("completed", "o-1", 8)).await;
        assert_eq!(handled.announced, [released("o-1", stored, "cancelled")], "what the row says");
    }
}

#[tokio::test]
async fn a_completed_order_connects_through_its_grace() {
    let (world, agent_number) = world_with_grace().await;
    world.when_told(&event("completed", "o-1", 2)).await;
    world.seconds_pass(299);
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.1["decision"], "connect");
    world.seconds_pass(1);
    assert_eq!(world.decision(CUSTOMER, &agent_number).await, "ended");
    world.seconds_pass(599);
    assert!(world.free_numbers().await.is_empty());
    world.seconds_pass(1);
    assert_eq!(world.free_numbers().await.len(), 2);
}

#[tokio::test]
async fn grace_does_not_outlast_the_orders_own_end() {
    let (world, agent_number) = world_with_grace().await;
    world.seconds_pass(5900);
    world.when_told(&event("completed", "o-1", 2)).await;
    world.seconds_pass(100);
    assert_eq!(world.decision(CUSTOMER, &agent_number).await, "ended");
}

#[tokio::test]
async fn a_cancelled_order_has_no_grace() {
    let (world, agent_number) = world_with_grace().await;
    world.when_told(&event("cancelled", "o-1", 2)).await;
    assert_eq!(world.decision(CUSTOMER, &agent_number).await, "ended");
}

#[tokio::test]
async fn a_close_that_comes_after_others_took_the_numbers_touches_nothing_of_theirs() {
    let (world, _) = world_with_an_order().await;
    world.seconds_pass(86_400 + 600);
    let others = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];
    let numbers = numbers_in(&world.when_told(&assigned("o-2", 1, &others)).await.announced[0]);

    let handled = world.when_told(&event("completed", "o-1", 3)).await;
    assert_eq!(handled.announced, [released("o-1", 3, "completed")]);
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, OTHER_AGENT);
    assert!(world.free_numbers().await.is_empty());
}

#[tokio::test]
async fn a_close_that_finds_a_route_of_its_own_to_be_another_orders_ends_the_rest() {
    let (world, agent_number) = world_with_an_order().await;
    world.seconds_pass(86_400 + 600);
    // Make the customer dial the same number again, whichever number each person got.
    let others = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];
    let numbers = numbers_in(&world.when_told(&assigned("o-2", 1, &others)).await.announced[0]);
    if numbers["agent"] != agent_number {
        let swapped = [("customer", OTHER_AGENT), ("agent", CUSTOMER)];
        world.when_told(&assigned("o-2", 2, &swapped)).await;
    }
    let handled = world.when_told(&event("completed", "o-1", 3)).await;
    assert_eq!((handled.announced, handled.again), (vec![released("o-1", 3, "completed")], 0));
    assert_eq!(world.decision(CUSTOMER, &agent_number).await, OTHER_AGENT);
}

#[tokio::test]
async fn an_ended_route_holds_no_phone() {
    for (kind, late) in
        [("agent_unassigned", 0), ("completed", 0), ("cancelled", 0), ("completed", 90_000)]
    {
        let (world, _) = world_with_an_order().await;
        world.seconds_pass(late);
        world.when_told(&event(kind, "o-1", 3)).await;
        let rows = world.rows("RoutesTable").await;
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| !row.contains_key("connect_to")), "{kind} after {late} s");
    }
}

#[tokio::test]
async fn rows_are_kept_as_long_as_late_events_may_come() {
    let (world, _) = world_with_an_order().await;
    let ttl = |rows: &[support::rows::Row]| -> Vec<u64> {
        rows.iter().map(|row| support::rows::text(row, "ttl").unwrap().parse().unwrap()).collect()
    };
    let day = 86_400;
    let end = world.now() + day;
    assert_eq!(ttl(&world.rows("OrdersTable").await), [end + 30 * day]);
    assert_eq!(ttl(&world.rows("RoutesTable").await), [end + 600 + day; 2]);
    world.when_told(&event("completed", "o-1", 3)).await;
    assert_eq!(ttl(&world.rows("OrdersTable").await), [world.now() + 30 * day]);
    assert_eq!(ttl(&world.rows("RoutesTable").await), [world.now() + 600 + day; 2]);
}

#[tokio::test]
async fn a_bad_record_is_refused_by_its_field() {
    let world = World::new();
    for (body, reason) in [
        ("no JSON".to_owned(), "body: must be JSON"),
        (String::new(), "body: must be JSON"),
        (assigned("o-1", 1, &PAIR).to_string(), "type: belongs on the assign queue"),
        (event("created", "o-1", 1).to_string(), "type: belongs on the assign queue"),
        (
            event("completed", "", 1).to_string(),
            "order_id: must be 1 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'",
        ),
    ] {
        let handled = world.when_release_receives(&[body], support::world::FIRST).await;
        assert_eq!((handled.refused, handled.again), (vec![reason.to_owned()], 0));
    }
}

#[tokio::test]
async fn an_event_is_redelivered_while_the_tables_do_not_answer() {
    let world = World::without_tables();
    let handled = world.when_told(&event("completed", "o-1", 1)).await;
    assert_eq!((handled.announced.len(), handled.again, handled.waits), (0, 1, vec![5]));
}

#[tokio::test]
async fn an_announcement_that_can_not_be_sent_is_sent_with_the_next_delivery() {
    let (world, _) = world_with_an_order().await;
    world.cloud.queues.given_refuses(NUMBER_EVENTS, true);
    assert_eq!(world.when_told(&event("completed", "o-1", 3)).await.again, 1);
    world.cloud.queues.given_refuses(NUMBER_EVENTS, false);
    let handled = world.when_told(&event("completed", "o-1", 3)).await;
    assert_eq!(handled.announced, [released("o-1", 3, "completed")]);
}

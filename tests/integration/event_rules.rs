//! What an order event may say, and what a refused one gets.

use serde_json::{Value, json};
use support::World;
use support::world::{assigned, event, numbers_in};

use crate::people::{AGENT, CUSTOMER, OTHER_AGENT, PAIR};

const REPLACED: [(&str, &str); 2] = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];

/// Two pools, and which of them is the default.
fn pools(default: &str) -> Value {
    json!(["a", "b"].map(|id| {
        json!({"id": id, "default": id == default, "min_free": 0, "shards": 1, "cooldown_seconds": 0})
    }))
}

#[tokio::test]
async fn an_event_without_a_pool_stays_in_the_pool_of_its_order_when_the_default_changes() {
    let mut world = World::with_pools(&pools("a"));
    world.given_numbers("a", 0..2).await;
    world.given_numbers("b", 10..12).await;
    let before = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    world.given_pools(&pools("b"));

    let handled = world.when_told(&assigned("o-1", 2, &REPLACED)).await;
    assert_eq!(handled.refused, [""; 0]);
    assert_eq!(handled.announced[0]["pool"], "a");
    assert_eq!(numbers_in(&handled.announced[0]), before);
    assert_eq!(world.decision(AGENT, &before["customer"]).await, "no_route", "who was replaced");
    assert_eq!(world.decision(CUSTOMER, &before["agent"]).await, OTHER_AGENT);

    // Nor does it leave its pool when it holds nothing for a while.
    world.when_told(&event("agent_unassigned", "o-1", 3)).await;
    let handled = world.when_told(&assigned("o-1", 4, &PAIR)).await;
    assert_eq!(handled.announced[0]["pool"], "a");
    let handled = world.when_told(&assigned("o-2", 1, &REPLACED)).await;
    assert_eq!(handled.announced[0]["pool"], "b", "a new order");
}

#[tokio::test]
async fn an_order_waits_for_its_own_pool_however_full_the_default_is() {
    let mut world = World::with_pools(&pools("a"));
    world.given_numbers("a", 0..2).await;
    world.given_numbers("b", 10..20).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    world.given_pools(&pools("b"));
    let trio = [PAIR[0], PAIR[1], ("helper", OTHER_AGENT)];
    let handled = world.when_told(&assigned("o-1", 2, &trio)).await;
    assert_eq!(handled.announced[0]["pool"], "a");
    assert_eq!(
        (handled.announced[0]["type"].as_str(), handled.waiting.len()),
        (Some("numbers.unavailable"), 1)
    );
    world.given_numbers("a", 2..3).await;
    let handled = world.when_waited(&handled.waiting).await;
    assert_eq!(handled.announced[0]["type"], "numbers.assigned");
    assert_eq!(world.free_numbers().await.len(), 10, "none of the default pool's was taken");
}

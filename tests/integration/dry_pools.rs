//! How assign-numbers handles events while a pool has too few numbers.

use support::story::unavailable;
use support::world::{Delivery, assigned, number, numbers_in};

use crate::assign_numbers::world_with_numbers;
use crate::people::{AGENT, CUSTOMER, MERCHANT, OTHER_AGENT, PAIR};

#[tokio::test]
async fn an_order_waits_for_a_dry_pool_and_says_so_once() {
    let world = world_with_numbers(2).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let waiting = assigned("o-2", 1, &[("customer", MERCHANT), ("agent", OTHER_AGENT)]);
    let unavailable = unavailable("o-2", 1, "id-jkt");

    let handled = world.when_told(&waiting).await;
    assert_eq!(
        (handled.announced, handled.again, handled.waits),
        (vec![unavailable.clone()], 1, vec![5])
    );
    let handled = world.when_told_again(&waiting, Delivery { count: 3, age: 15 }).await;
    assert_eq!((handled.announced.len(), handled.again, handled.waits), (0, 1, vec![20]));
    assert!(world.log().contains(r#""message":"pool is dry""#), "the alarm listens to this");

    world.given_numbers("id-jkt", 10..12).await;
    let handled = world.when_told_again(&waiting, Delivery { count: 4, age: 35 }).await;
    assert_eq!((numbers_in(&handled.announced[0]).len(), handled.again), (2, 0));
}

#[tokio::test]
async fn an_order_that_waited_an_hour_is_given_up() {
    let world = world_with_numbers(1).await;
    let waiting = assigned("o-1", 1, &PAIR);
    world.when_told(&waiting).await;
    let handled = world.when_told_again(&waiting, Delivery { count: 60, age: 3599 }).await;
    assert_eq!((handled.announced.len(), handled.refused.len(), handled.again), (0, 0, 1));
    let handled = world.when_told_again(&waiting, Delivery { count: 61, age: 3600 }).await;
    assert_eq!(handled.announced[0]["type"], "numbers.unavailable");
    assert_eq!(handled.refused, ["pool: had too few free numbers for an hour"]);
    assert_eq!(handled.again, 0);
    assert_eq!(world.free_numbers().await.len(), 1, "it took none of the too few");
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
    assert_eq!(
        (handled.announced[0]["type"].as_str(), handled.again),
        (Some("numbers.unavailable"), 1)
    );
    assert_eq!(handled.announced[0]["version"], 3);
    for (caller, dialled) in [(AGENT, "customer"), (CUSTOMER, "agent"), (OTHER_AGENT, "customer")] {
        let (_, answer) = world.when_called(caller, &numbers[dialled]).await;
        assert_eq!(answer["decision"], "reject", "{caller} dials the {dialled}");
    }

    // A late event with a version in between does not bring the old agent back.
    let handled = world.when_told(&assigned("o-1", 2, &PAIR)).await;
    assert_eq!(handled.announced.len(), 0);
    assert_eq!(world.decision(AGENT, &numbers["customer"]).await, "ended");

    world.given_numbers("id-jkt", 10..11).await;
    let handled = world.when_told_again(&amended, Delivery { count: 2, age: 5 }).await;
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
    assert_eq!(
        (handled.announced[0]["type"].as_str(), handled.again),
        (Some("numbers.assigned"), 0)
    );
}

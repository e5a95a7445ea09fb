//! Shared pools: a number serves many orders at once, but only one for each caller.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::World;
use support::rows::text;
use support::world::{Delivery, FIRST, assigned, event, number, numbers_in};

use crate::people::{AGENT, CUSTOMER, MERCHANT, OTHER_AGENT, PAIR, STRANGER};

fn pools(allocation: &str) -> Value {
    json!([{"id": "id-jkt", "allocation": allocation, "min_free": 0, "shards": 2}])
}

async fn world_with_numbers(count: u32) -> World {
    let world = World::with_pools(&pools("shared"));
    world.given_numbers("id-jkt", 0..count).await;
    world
}

fn phone(index: usize) -> String {
    format!("+62812000{index:05}")
}

/// Assigns an order and returns its numbers.
async fn assign(
    world: &World,
    order_id: &str,
    people: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let handled = world.when_told(&assigned(order_id, 1, people)).await;
    assert_eq!(handled.announced.first().map(|it| &it["type"]), Some(&json!("numbers.assigned")));
    numbers_in(&handled.announced[0])
}

#[tokio::test]
async fn two_numbers_serve_any_number_of_orders_whose_people_differ() {
    let world = world_with_numbers(2).await;
    for order in 0..20 {
        let (customer, agent) = (phone(2 * order), phone(2 * order + 1));
        let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
        let numbers = assign(&world, &format!("o-{order}"), &people).await;
        assert_ne!(numbers["customer"], numbers["agent"]);
        assert_eq!(world.decision(&customer, &numbers["agent"]).await, agent);
        assert_eq!(world.decision(&agent, &numbers["customer"]).await, customer);
    }
    assert_eq!(world.free_numbers().await.len(), 2, "the rows of numbers are left alone");
}

#[tokio::test]
async fn an_agent_with_several_orders_dials_another_number_for_each() {
    let world = world_with_numbers(6).await;
    let mut dialled = BTreeSet::new();
    for order in 0..5 {
        let customer = phone(order);
        let people = [("customer", customer.as_str()), ("agent", AGENT)];
        let numbers = assign(&world, &format!("o-{order}"), &people).await;
        assert!(dialled.insert(numbers["customer"].clone()));
        assert_eq!(world.decision(AGENT, &numbers["customer"]).await, customer);
    }
}

#[tokio::test]
async fn orders_of_one_crowd_that_come_at_once_share_no_number_for_anybody() {
    let world = world_with_numbers(12).await;
    let events: Vec<String> = (0..120)
        .map(|order| {
            let (customer, agent) = (phone(order), phone(1000 + order % 40));
            let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
            assigned(&format!("o-{order}"), 1, &people).to_string()
        })
        .collect();
    let batches = events.chunks(10).map(|batch| world.when_assign_receives(batch, FIRST));
    let handled = join_all(batches).await;
    let announced = handled.iter().flat_map(|it| &it.announced);
    let assigned = announced.filter(|it| it["type"] == "numbers.assigned").count();
    assert_eq!(assigned, 120);
    // Each of 240 people, of whom 40 are on three orders, has a route for every order.
    assert_eq!(world.rows("RoutesTable").await.len(), 240);
}

#[tokio::test]
async fn a_person_who_dials_an_old_number_hears_that_it_ended_and_never_the_next_order() {
    let world = world_with_numbers(2).await;
    let numbers = assign(&world, "o-1", &PAIR).await;
    world.when_told(&event("completed", "o-1", 2)).await;
    // Other people get the numbers at once. The people of the first order must wait.
    let others = [("customer", MERCHANT), ("agent", OTHER_AGENT)];
    let next = assign(&world, "o-2", &others).await;
    assert_eq!(numbers.values().collect::<BTreeSet<_>>(), next.values().collect());
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, "ended");
    assert_eq!(world.decision(AGENT, &numbers["customer"]).await, "ended");
    // But each may dial the number that the other one dialled before.
    let again = assign(&world, "o-3", &PAIR).await;
    assert_eq!(again["agent"], numbers["customer"]);
    assert_eq!(world.decision(CUSTOMER, &again["agent"]).await, AGENT);
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, "ended");

    world.seconds_pass(600);
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, "no_route");
}

#[tokio::test]
async fn a_pool_in_which_somebody_has_every_number_is_dry_for_them_alone() {
    let world = world_with_numbers(2).await;
    assign(&world, "o-1", &[("customer", STRANGER), ("agent", AGENT)]).await;
    assign(&world, "o-2", &[("customer", MERCHANT), ("agent", AGENT)]).await;
    let third = assigned("o-3", 1, &PAIR);
    let handled = world.when_told(&third).await;
    assert_eq!(
        (handled.announced[0]["type"].as_str(), handled.waiting.len()),
        (Some("numbers.unavailable"), 1)
    );
    assert_eq!(world.take_signals().len(), 1, "and a refill is asked for");
    assign(&world, "o-4", &[("customer", &phone(7)), ("agent", OTHER_AGENT)]).await;

    world.when_told(&event("cancelled", "o-1", 2)).await;
    world.seconds_pass(600);
    let handled = world.when_waited(&handled.waiting).await;
    assert_eq!(numbers_in(&handled.announced[0]).len(), 2);
}

#[tokio::test]
async fn a_number_is_exchanged_when_somebody_joins_who_has_a_route_on_it() {
    // The draw of numbers is random: repeat until both cases came up.
    let (mut had_a_route, mut had_none) = (false, false);
    for _ in 0..100 {
        if had_a_route && had_none {
            return;
        }
        let world = world_with_numbers(3).await;
        // The merchant already dials a number, which may be one of the second order's.
        let first = assign(&world, "o-1", &[("customer", MERCHANT), ("agent", STRANGER)]).await;
        let before = assign(&world, "o-2", &PAIR).await;
        let joined = [("customer", CUSTOMER), ("agent", MERCHANT)];
        let handled = world.when_told(&assigned("o-2", 2, &joined)).await;
        let after = numbers_in(&handled.announced[0]);

        assert_eq!(after["agent"], before["agent"]);
        if first["agent"] == before["customer"] {
            had_a_route = true;
            assert_ne!(after["customer"], before["customer"]);
            assert_eq!(world.decision(CUSTOMER, &before["customer"]).await, "no_route");
        } else {
            had_none = true;
            assert_eq!(after, before, "where they have none, the number stays");
        }
        assert_eq!(world.decision(MERCHANT, &after["customer"]).await, CUSTOMER);
        assert_eq!(world.decision(MERCHANT, &first["agent"]).await, STRANGER);
        assert_eq!(world.decision(CUSTOMER, &after["agent"]).await, MERCHANT);
        assert_eq!(world.decision(AGENT, &before["customer"]).await, "ended");
    }
    panic!("one of the cases never came up");
}

#[tokio::test]
async fn an_amendment_extends_replaces_and_drops_as_in_any_pool() {
    let world = world_with_numbers(4).await;
    let three = [PAIR[0], PAIR[1], ("merchant", MERCHANT)];
    let mut assignment = assigned("o-1", 1, &three);
    assignment["expires_at"] = world.in_seconds(60).into();
    let had = numbers_in(&world.when_told(&assignment).await.announced[0]);
    let mut amendment = assigned("o-1", 2, &[("customer", CUSTOMER), ("agent", OTHER_AGENT)]);
    amendment["expires_at"] = world.in_seconds(120).into();
    let has = numbers_in(&world.when_told(&amendment).await.announced[0]);
    assert_eq!((&has["customer"], &has["agent"]), (&had["customer"], &had["agent"]));
    assert_eq!(world.decision(AGENT, &has["customer"]).await, "ended");
    assert_eq!(world.decision(MERCHANT, &has["agent"]).await, "ended");
    world.seconds_pass(119);
    assert_eq!(world.decision(CUSTOMER, &has["agent"]).await, OTHER_AGENT);
    world.seconds_pass(1);
    assert_eq!(world.decision(CUSTOMER, &has["agent"]).await, "ended");
    world.seconds_pass(600);
    assert_eq!(world.decision(CUSTOMER, &has["agent"]).await, "no_route");
}

#[tokio::test]
async fn a_withdrawn_number_is_not_handed_out_once_the_cached_list_is_old() {
    let world = world_with_numbers(3).await;
    assign(&world, "o-0", &[("customer", STRANGER), ("agent", OTHER_AGENT)]).await;
    let withdrawal = json!({"type": "pool.withdraw", "pool": "id-jkt", "numbers": [number(0)]});
    world.when_pool_told(&withdrawal).await;
    world.seconds_pass(10);
    for order in 1..20 {
        let (customer, agent) = (phone(2 * order), phone(2 * order + 1));
        let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
        let numbers = assign(&world, &format!("o-{order}"), &people).await;
        assert!(numbers.values().all(|it| *it != number(0)), "{numbers:?}");
    }
}

#[tokio::test]
async fn a_waiting_order_gets_an_imported_number() {
    let world = world_with_numbers(1).await;
    let waiting = assigned("o-1", 1, &PAIR);
    assert_eq!(world.when_told(&waiting).await.announced[0]["type"], "numbers.unavailable");
    world.given_numbers("id-jkt", 1..2).await;
    world.seconds_pass(5);
    let handled = world.when_told_again(&waiting, Delivery { count: 2, age: 5 }).await;
    assert_eq!(handled.announced[0]["type"], "numbers.assigned");
}

#[tokio::test]
async fn a_created_order_asks_for_a_refill_of_a_pool_that_is_too_small() {
    let pools = json!([{"id": "id-jkt", "allocation": "shared", "min_free": 6, "shards": 2}]);
    for (numbers, signals) in [(5, 1), (6, 0)] {
        let world = World::with_pools(&pools);
        world.given_numbers("id-jkt", 0..numbers).await;
        world.when_told(&event("created", "o-1", 1)).await;
        assert_eq!(world.take_signals().len(), signals, "{numbers} numbers");
    }
}

#[tokio::test]
async fn a_pool_is_moved_to_shared_and_back_while_orders_live() {
    let mut world = World::with_pools(&pools("exclusive"));
    world.given_numbers("id-jkt", 0..2).await;
    let old = assign(&world, "o-1", &PAIR).await;

    world.given_pools(&pools("shared"));
    // Both numbers are held, and serve other people nevertheless.
    let shared = assign(&world, "o-2", &[("customer", MERCHANT), ("agent", OTHER_AGENT)]).await;
    assert_eq!(world.decision(CUSTOMER, &old["agent"]).await, AGENT);
    assert_eq!(world.decision(MERCHANT, &shared["agent"]).await, OTHER_AGENT);
    // The older order keeps the rules of its claim: its numbers are released.
    world.when_told(&event("completed", "o-1", 2)).await;
    let holders = |rows: Vec<support::rows::Row>| {
        rows.iter().filter(|row| text(row, "order_id").is_some()).count()
    };
    assert_eq!(holders(world.rows("NumbersTable").await), 0);
    world.seconds_pass(600);

    world.given_pools(&pools("exclusive"));
    // The merchant must not dial a number on which they have a route of the shared order.
    let again = assign(&world, "o-3", &[("customer", MERCHANT), ("agent", OTHER_AGENT)]).await;
    assert_eq!(again["agent"], shared["customer"]);
    assert_eq!(world.decision(MERCHANT, &shared["agent"]).await, OTHER_AGENT);
    let amended = [("customer", MERCHANT), ("agent", STRANGER)];
    let handled = world.when_told(&assigned("o-2", 2, &amended)).await;
    assert_eq!(numbers_in(&handled.announced[0]), shared, "the order stays shared");
}

#[tokio::test]
async fn an_order_with_many_lost_claims_asks_for_a_refill() {
    // Claims fail at random, and more often the more of the 13 numbers the agent has.
    for _ in 0..20 {
        let world = world_with_numbers(13).await;
        for order in 0..12 {
            let customer = phone(order);
            let people = [("customer", customer.as_str()), ("agent", AGENT)];
            world.when_told(&assigned(&format!("o-{order}"), 1, &people)).await;
        }
        if !world.take_signals().is_empty() {
            return;
        }
    }
    panic!("no claim was lost often enough");
}

#[tokio::test]
async fn a_claim_that_succeeds_at_once_asks_for_none() {
    let world = world_with_numbers(50).await;
    for order in 0..20 {
        let (customer, agent) = (phone(2 * order), phone(2 * order + 1));
        assign(&world, &format!("o-{order}"), &[("customer", &customer), ("agent", &agent)]).await;
    }
    assert_eq!(world.take_signals().len(), 0);
}

#[tokio::test]
async fn an_order_that_loses_too_many_claims_waits() {
    let world = world_with_numbers(20).await;
    // The agent gets a route on each number, some after several deliveries.
    for order in 0..20 {
        let customer = phone(order);
        let people = [("customer", customer.as_str()), ("agent", AGENT)];
        let event = assigned(&format!("o-{order}"), 1, &people);
        let mut handled = world.when_told(&event).await;
        while handled.again + handled.waiting.len() != 0 {
            handled = world.when_told(&event).await;
        }
    }
    let handled = world.when_told(&assigned("o-20", 1, &PAIR)).await;
    assert_eq!(
        (handled.announced[0]["type"].as_str(), handled.waiting.len()),
        (Some("numbers.unavailable"), 1)
    );
}

#[tokio::test]
async fn a_check_counts_all_numbers_of_a_shared_pool() {
    let mut world = World::with_pools(&pools("exclusive"));
    world.given_numbers("id-jkt", 0..4).await;
    assign(&world, "o-1", &PAIR).await;
    world.given_pools(&pools("shared"));
    world.when_pool_told(&json!({"type": "pool.check", "pool": "id-jkt"})).await;
    assert!(world.log().contains(r#""NumbersFree":4"#), "{}", world.log());
}

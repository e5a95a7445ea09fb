//! Pools whose numbers serve many orders at once, but for each caller only one.

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
    let told = world.when_told(&assigned(order_id, 1, people)).await;
    assert_eq!(told.announced.first().map(|it| &it["type"]), Some(&json!("numbers.assigned")));
    numbers_in(&told.announced[0])
}

async fn decision(world: &World, caller: &str, called: &str) -> String {
    let (_, answer) = world.when_called(caller, called).await;
    answer["connect_to"].as_str().or(answer["reason"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn two_numbers_serve_any_number_of_orders_whose_people_differ() {
    let world = world_with_numbers(2).await;
    for order in 0..20 {
        let (customer, agent) = (phone(2 * order), phone(2 * order + 1));
        let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
        let numbers = assign(&world, &format!("o-{order}"), &people).await;
        assert_ne!(numbers["customer"], numbers["agent"]);
        assert_eq!(decision(&world, &customer, &numbers["agent"]).await, agent);
        assert_eq!(decision(&world, &agent, &numbers["customer"]).await, customer);
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
        assert_eq!(decision(&world, AGENT, &numbers["customer"]).await, customer);
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
    let told = join_all(batches).await;
    let announced = told.iter().flat_map(|it| &it.announced);
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
    // The other people of the next order need not wait; whoever was on the first must.
    let others = [("customer", MERCHANT), ("agent", OTHER_AGENT)];
    let next = assign(&world, "o-2", &others).await;
    assert_eq!(numbers.values().collect::<BTreeSet<_>>(), next.values().collect());
    assert_eq!(decision(&world, CUSTOMER, &numbers["agent"]).await, "ended");
    assert_eq!(decision(&world, AGENT, &numbers["customer"]).await, "ended");
    // Each may dial the number that the other one had to dial.
    let again = assign(&world, "o-3", &PAIR).await;
    assert_eq!(again["agent"], numbers["customer"]);
    assert_eq!(decision(&world, CUSTOMER, &again["agent"]).await, AGENT);
    assert_eq!(decision(&world, CUSTOMER, &numbers["agent"]).await, "ended");

    world.seconds_pass(600);
    assert_eq!(decision(&world, CUSTOMER, &numbers["agent"]).await, "no_route");
}

#[tokio::test]
async fn a_pool_in_which_somebody_has_every_number_is_dry_for_them_alone() {
    let world = world_with_numbers(2).await;
    assign(&world, "o-1", &[("customer", STRANGER), ("agent", AGENT)]).await;
    assign(&world, "o-2", &[("customer", MERCHANT), ("agent", AGENT)]).await;
    let third = assigned("o-3", 1, &PAIR);
    let told = world.when_told(&third).await;
    assert_eq!((told.announced[0]["type"].as_str(), told.again), (Some("numbers.unavailable"), 1));
    assert_eq!(world.take_signals().len(), 1, "and a refill is asked for");
    assign(&world, "o-4", &[("customer", &phone(7)), ("agent", OTHER_AGENT)]).await;

    world.when_told(&event("cancelled", "o-1", 2)).await;
    world.seconds_pass(600);
    let told = world.when_told_again(&third, Delivery { count: 2, age: 600 }).await;
    assert_eq!(numbers_in(&told.announced[0]).len(), 2);
}

#[tokio::test]
async fn somebody_who_joins_with_a_route_on_a_number_of_the_order_has_it_exchanged() {
    // Which numbers are drawn is chance: until both cases came up.
    let (mut had_a_route, mut had_none) = (false, false);
    for _ in 0..100 {
        if had_a_route && had_none {
            return;
        }
        let world = world_with_numbers(3).await;
        // The merchant dials a number of theirs, which may be one of the order's.
        let first = assign(&world, "o-1", &[("customer", MERCHANT), ("agent", STRANGER)]).await;
        let before = assign(&world, "o-2", &PAIR).await;
        let joined = [("customer", CUSTOMER), ("agent", MERCHANT)];
        let told = world.when_told(&assigned("o-2", 2, &joined)).await;
        let after = numbers_in(&told.announced[0]);

        assert_eq!(after["agent"], before["agent"]);
        if first["agent"] == before["customer"] {
            had_a_route = true;
            assert_ne!(after["customer"], before["customer"]);
            assert_eq!(decision(&world, CUSTOMER, &before["customer"]).await, "no_route");
        } else {
            had_none = true;
            assert_eq!(after, before, "where they have none, the number stays");
        }
        assert_eq!(decision(&world, MERCHANT, &after["customer"]).await, CUSTOMER);
        assert_eq!(decision(&world, MERCHANT, &first["agent"]).await, STRANGER);
        assert_eq!(decision(&world, CUSTOMER, &after["agent"]).await, MERCHANT);
        assert_eq!(decision(&world, AGENT, &before["customer"]).await, "ended");
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
    assert_eq!(decision(&world, AGENT, &has["customer"]).await, "ended");
    assert_eq!(decision(&world, MERCHANT, &has["agent"]).await, "ended");
    world.seconds_pass(119);
    assert_eq!(decision(&world, CUSTOMER, &has["agent"]).await, OTHER_AGENT);
    world.seconds_pass(1);
    assert_eq!(decision(&world, CUSTOMER, &has["agent"]).await, "ended");
    world.seconds_pass(600);
    assert_eq!(decision(&world, CUSTOMER, &has["agent"]).await, "no_route");
}

#[tokio::test]
async fn a_withdrawn_number_is_handed_out_no_longer_than_the_list_is_kept() {
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
async fn an_import_is_found_by_an_order_that_waits() {
    let world = world_with_numbers(1).await;
    let waiting = assigned("o-1", 1, &PAIR);
    assert_eq!(world.when_told(&waiting).await.announced[0]["type"], "numbers.unavailable");
    world.given_numbers("id-jkt", 1..2).await;
    world.seconds_pass(5);
    let told = world.when_told_again(&waiting, Delivery { count: 2, age: 5 }).await;
    assert_eq!(told.announced[0]["type"], "numbers.assigned");
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
    // Both numbers are held, and serve other people all the same.
    let shared = assign(&world, "o-2", &[("customer", MERCHANT), ("agent", OTHER_AGENT)]).await;
    assert_eq!(decision(&world, CUSTOMER, &old["agent"]).await, AGENT);
    assert_eq!(decision(&world, MERCHANT, &shared["agent"]).await, OTHER_AGENT);
    // The older order goes by the rules of its claim: its numbers are released.
    world.when_told(&event("completed", "o-1", 2)).await;
    let holders = |rows: Vec<support::rows::Row>| {
        rows.iter().filter(|row| text(row, "order_id").is_some()).count()
    };
    assert_eq!(holders(world.rows("NumbersTable").await), 0);
    world.seconds_pass(600);

    world.given_pools(&pools("exclusive"));
    // Nobody may dial where they have a route of the shared order.
    let again = assign(&world, "o-3", &[("customer", MERCHANT), ("agent", OTHER_AGENT)]).await;
    assert_eq!(again["agent"], shared["customer"]);
    assert_eq!(decision(&world, MERCHANT, &shared["agent"]).await, OTHER_AGENT);
    let amended = [("customer", MERCHANT), ("agent", STRANGER)];
    let told = world.when_told(&assigned("o-2", 2, &amended)).await;
    assert_eq!(numbers_in(&told.announced[0]), shared, "the order stays shared");
}

#[tokio::test]
async fn a_claim_that_is_lost_again_and_again_asks_for_a_refill() {
    // How often it is lost is chance: the more of 13 numbers an agent has, the more.
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
async fn an_order_whose_claims_are_lost_again_and_again_waits() {
    let world = world_with_numbers(20).await;
    // An agent who has all numbers, each found after some deliveries.
    for order in 0..20 {
        let customer = phone(order);
        let people = [("customer", customer.as_str()), ("agent", AGENT)];
        let event = assigned(&format!("o-{order}"), 1, &people);
        while world.when_told(&event).await.again != 0 {}
    }
    let told = world.when_told(&assigned("o-20", 1, &PAIR)).await;
    assert_eq!((told.announced[0]["type"].as_str(), told.again), (Some("numbers.unavailable"), 1));
}

#[tokio::test]
async fn a_check_counts_all_numbers_of_a_shared_pool() {
    let mut world = World::with_pools(&pools("exclusive"));
    world.given_numbers("id-jkt", 0..4).await;
    assign(&world, "o-1", &PAIR).await;
    world.given_pools(&pools("shared"));
    world.when_pool_told(&json!({"type": "pool.check", "pool": "id-jkt"})).await;
    assert!(world.log().contains(r#""free":4"#), "{}", world.log());
}

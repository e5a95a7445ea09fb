//! The requests and units of each step: what users pay DynamoDB for. A change that raises them
//! fails here.

use std::collections::BTreeMap;

use serde_json::json;
use support::World;
use support::cloud::Bill;
use support::world::{EXOTEL_TOKEN, FIRST, SWITCH_TOKEN, assigned, event, number, numbers_in};

use crate::people::{CUSTOMER, PAIR, STRANGER};

/// A world whose pool has one shard, so that one query finds all numbers.
async fn world_with_numbers(count: u32) -> World {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 1}]));
    world.given_numbers("id-jkt", 0..count).await;
    world.take_bill();
    world
}

fn bill(requests: &[(&str, u64)], read_units: f64, write_units: f64) -> Bill {
    let requests: BTreeMap<_, _> =
        requests.iter().map(|(operation, count)| ((*operation).to_owned(), *count)).collect();
    Bill { requests, read_units, write_units, refused: 0 }
}

/// Ten orders, whose people differ.
fn ten_orders() -> Vec<String> {
    let order = |n: u32| {
        let (customer, agent) = (format!("+6281100000{n:02}"), format!("+6281200000{n:02}"));
        let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
        assigned(&format!("o-{n}"), 1, &people).to_string()
    };
    (0..10).map(order).collect()
}

#[tokio::test]
async fn an_order_is_assigned_by_one_query_and_one_transaction_of_fourteen_units() {
    let world = world_with_numbers(4).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    assert_eq!(world.take_bill(), bill(&[("Query", 1), ("TransactWriteItems", 1)], 0.5, 14.0));
}

#[tokio::test]
async fn a_batch_shares_one_query() {
    let world = world_with_numbers(200).await;
    let handled = world.when_assign_receives(&ten_orders(), FIRST).await;
    assert_eq!(handled.announced.len(), 10);
    let batch = world.take_bill();
    // A page of two hundred numbers: less than half a unit for each order.
    assert_eq!(batch, bill(&[("Query", 1), ("TransactWriteItems", 10)], 1.5, 140.0));
}

#[tokio::test]
async fn an_assignment_costs_the_same_however_many_numbers_the_pool_has() {
    let mut bills = Vec::new();
    for numbers in [200, 1000] {
        let world = world_with_numbers(numbers).await;
        world.when_told(&assigned("o-1", 1, &PAIR)).await;
        bills.push(world.take_bill());
    }
    assert_eq!(bills[0], bills[1]);
}

#[tokio::test]
async fn an_order_is_released_by_one_read_and_one_transaction_of_fourteen_units() {
    for kind in ["agent_unassigned", "completed", "cancelled"] {
        let world = world_with_numbers(4).await;
        world.when_told(&assigned("o-1", 1, &PAIR)).await;
        world.take_bill();
        world.when_told(&event(kind, "o-1", 2)).await;
        let released = bill(&[("GetItem", 1), ("TransactWriteItems", 1)], 1.0, 14.0);
        assert_eq!(world.take_bill(), released, "{kind}");
    }
}

#[tokio::test]
async fn an_assignment_that_comes_again_costs_one_refused_transaction() {
    let world = world_with_numbers(4).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    world.take_bill();
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let again = world.take_bill();
    assert_eq!((again.total(), again.refused), (2, 1), "{again:?}");
}

#[tokio::test]
async fn a_call_costs_one_read_unit_and_writes_nothing() {
    let world = world_with_numbers(4).await;
    let handled = world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let agent_number = &numbers_in(&handled.announced[0])["agent"];
    world.take_bill();
    let one_read = bill(&[("GetItem", 1)], 1.0, 0.0);
    let national = |number: &str| number.replacen("+62", "0", 1);

    for (caller, called) in
        [(CUSTOMER, agent_number.clone()), (STRANGER, agent_number.clone()), (CUSTOMER, number(99))]
    {
        world.when_called(caller, &called).await;
        assert_eq!(world.take_bill(), one_read, "a switch");
        world.when_twilio_calls(&[("From", caller), ("To", &called)]).await;
        assert_eq!(world.take_bill(), one_read, "Twilio");
        let (caller, called) = (national(caller), national(&called));
        let query = [("CallFrom", caller.as_str()), ("CallTo", called.as_str())];
        world.when_exotel_calls(EXOTEL_TOKEN, &query).await;
        assert_eq!(world.take_bill(), one_read, "Exotel");
    }
}

#[tokio::test]
async fn who_is_not_admitted_costs_nothing() {
    let world = world_with_numbers(4).await;
    let body = json!({"caller": CUSTOMER, "called": number(0)}).to_string();
    world.when_switch_asks(&body, &format!("Bearer {SWITCH_TOKEN}x")).await;
    world.when_twilio_sends(&[("From", CUSTOMER), ("To", &number(0))], "AAAA").await;
    world.when_exotel_calls("x", &[("CallFrom", CUSTOMER), ("CallTo", &number(0))]).await;
    assert_eq!(world.take_bill(), Bill::default());
}

#[tokio::test]
async fn an_order_of_a_shared_pool_writes_six_units_to_assign_and_six_to_release() {
    let pools = json!([{"id": "id-jkt", "allocation": "shared", "min_free": 0, "shards": 1}]);
    let world = World::with_pools(&pools);
    world.given_numbers("id-jkt", 0..200).await;
    world.take_bill();
    world.when_assign_receives(&ten_orders(), FIRST).await;
    // The query lists the pool's numbers. Later batches use the cached list.
    assert_eq!(world.take_bill(), bill(&[("Query", 1), ("TransactWriteItems", 10)], 1.5, 60.0));
    world.when_told(&assigned("o-10", 1, &PAIR)).await;
    assert_eq!(world.take_bill(), bill(&[("TransactWriteItems", 1)], 0.0, 6.0));
    world.when_told(&event("completed", "o-10", 2)).await;
    let released = bill(&[("GetItem", 1), ("TransactWriteItems", 1)], 1.0, 6.0);
    assert_eq!(world.take_bill(), released);
}

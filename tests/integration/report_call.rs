//! Calls that ended: what the order system is told of them, and what is not believed.

use serde_json::{Value, json};
use support::World;
use support::events::{exotel_report, national, switch_report, twilio_form, twilio_report};
use support::twilio;
use support::world::{
    EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN, assigned, event, numbers_in, provider_secret,
};

use crate::assign_numbers::world_with_numbers;
use crate::people::{AGENT, CUSTOMER, OTHER_AGENT, PAIR, STRANGER};

/// A world with the order `o-1`, and the numbers of its customer and its agent.
async fn world_with_an_order() -> (World, String, String) {
    let world = world_with_numbers(4).await;
    let announced = world.when_told(&assigned("o-1", 1, &PAIR)).await.announced;
    let numbers = numbers_in(&announced[0]);
    (world, numbers["customer"].clone(), numbers["agent"].clone())
}

fn report_of_a_switch(caller: &str, called: &str, call_id: &str) -> Value {
    let body = json!({
        "caller": caller, "called": called, "call_id": call_id, "outcome": "completed",
        "talk_seconds": 73,
    });
    switch_report(&format!("Bearer {SWITCH_TOKEN}"), &body.to_string())
}

fn report_of_twilio(from: &str, to: &str, order: &str, token: &str) -> Value {
    let form = [
        ("CallSid", "CA00000000000000000000000000000002"),
        ("ParentCallSid", "CA00000000000000000000000000000001"),
        ("From", from),
        ("To", to),
        ("CallStatus", "no-answer"),
    ];
    let url = format!("https://calls.example.com/calls/twilio/ended?order={order}");
    twilio_report(&form, order, &twilio::signature(token, &url, &form))
}

fn outcomes(world: &World) -> Vec<Value> {
    let log = world.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["line"] == "report").map(|line| line["outcome"].clone()).collect()
}

#[tokio::test]
async fn the_order_system_is_told_who_called_whom_and_what_became_of_it() {
    let (world, _, agent_number) = world_with_an_order().await;
    let report = report_of_a_switch(CUSTOMER, &agent_number, "call-1");
    assert_eq!(world.when_reported(&report).await, (200, String::new()));
    let expected = json!({
        "type": "call.ended", "order_id": "o-1", "call_id": "call-1", "from": "customer",
        "to": "agent", "outcome": "completed", "talk_seconds": 73, "at": world.in_seconds(0),
    });
    assert_eq!(world.take_call_events(), [expected]);
    assert_eq!(outcomes(&world), ["completed"]);
}

#[tokio::test]
async fn twilio_reports_the_leg_that_it_was_asked_to_ring_with_the_order_in_the_address() {
    let (world, customer_number, agent_number) = world_with_an_order().await;
    let (_, twiml) = world.when_twilio_calls(&twilio_form(CUSTOMER, &agent_number)).await;
    let address = "statusCallback=\"https://calls.example.com/calls/twilio/ended?order=o-1\"";
    assert!(twiml.contains(address), "{twiml}");

    let report = report_of_twilio(&customer_number, AGENT, "o-1", TWILIO_TOKEN);
    assert_eq!(world.when_reported(&report).await.0, 200);
    let told = world.take_call_events();
    assert_eq!(told.len(), 1);
    let fields = ["order_id", "call_id", "from", "to", "outcome", "talk_seconds"];
    let call_id = "CA00000000000000000000000000000001";
    let expected = json!(["o-1", call_id, "customer", "agent", "no_answer", 0]);
    assert_eq!(json!(fields.map(|field| &told[0][field])), expected);

    let of_another = report_of_twilio(&customer_number, AGENT, "o-2", TWILIO_TOKEN);
    assert_eq!(world.when_reported(&of_another).await.0, 200);
    assert_eq!(world.take_call_events(), [Value::Null; 0], "the route is another order's");
}

#[tokio::test]
async fn exotel_reports_in_national_form() {
    let (world, _, agent_number) = world_with_an_order().await;
    let mut secret = provider_secret();
    secret["exotel"]["country"] = "ID".into();
    world.given_provider_secret(Some(&secret));
    let (caller, called) = (national("+62", CUSTOMER), national("+62", &agent_number));
    let query = [
        ("CallSid", "9953aa22bb33cc44dd55ee66ff778899"),
        ("CallFrom", caller.as_str()),
        ("CallTo", called.as_str()),
        ("DialCallStatus", "busy"),
    ];
    assert_eq!(world.when_reported(&exotel_report(EXOTEL_TOKEN, &query)).await.0, 200);
    let told = world.take_call_events();
    assert_eq!((&told[0]["outcome"], &told[0]["from"]), (&json!("busy"), &json!("customer")));
    assert_eq!(world.when_reported(&exotel_report("another-path-token", &query)).await.0, 403);
}

#[tokio::test]
async fn a_call_that_outlasts_its_order_is_told_until_the_route_may_be_anothers() {
    let (world, _, agent_number) = world_with_an_order().await;
    let report = report_of_a_switch(CUSTOMER, &agent_number, "call-1");
    world.when_told(&event("completed", "o-1", 2)).await;
    world.seconds_pass(599);
    world.when_reported(&report).await;
    assert_eq!(world.take_call_events().len(), 1);
    world.seconds_pass(1);
    assert_eq!(world.when_reported(&report).await.0, 200);
    assert_eq!(world.take_call_events(), [Value::Null; 0]);
    assert_eq!(outcomes(&world), ["completed", "unknown_call"]);
}

#[tokio::test]
async fn who_was_replaced_keeps_the_role_of_the_call() {
    let (world, _, agent_number) = world_with_an_order().await;
    world.when_told(&assigned("o-1", 2, &[("customer", CUSTOMER), ("agent", OTHER_AGENT)])).await;
    world.when_reported(&report_of_a_switch(CUSTOMER, &agent_number, "call-1")).await;
    assert_eq!(world.take_call_events()[0]["to"], "agent");
}

#[tokio::test]
async fn a_report_without_a_route_is_counted_and_dropped() {
    let (world, _, agent_number) = world_with_an_order().await;
    let report = report_of_a_switch(STRANGER, &agent_number, "call-1");
    assert_eq!(world.when_reported(&report).await.0, 200);
    assert_eq!(world.take_call_events(), [Value::Null; 0]);
    assert_eq!(outcomes(&world), ["unknown_call"]);
}

#[tokio::test]
async fn a_report_that_comes_twice_is_told_twice_with_the_same_call_id() {
    let (world, _, agent_number) = world_with_an_order().await;
    for _ in 0..2 {
        world.when_reported(&report_of_a_switch(CUSTOMER, &agent_number, "call-1")).await;
    }
    let told = world.take_call_events();
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_call_id_that_could_be_a_phone_is_told_as_a_hash() {
    let (world, _, agent_number) = world_with_an_order().await;
    world.when_reported(&report_of_a_switch(CUSTOMER, &agent_number, "628-1211-112222")).await;
    let told = world.take_call_events();
    assert!(told[0]["call_id"].as_str().unwrap().starts_with("hash:"), "{told:?}");
    assert!(!world.log().contains("112222"));
}

#[tokio::test]
async fn a_report_that_proves_nothing_is_refused_and_so_is_one_with_a_wrong_field() {
    let (world, customer_number, agent_number) = world_with_an_order().await;
    let body = json!({"caller": CUSTOMER, "called": agent_number}).to_string();
    for (report, status) in [
        (switch_report("", &body), 403),
        (switch_report("Bearer another-token-of-sixteen", &body), 403),
        (switch_report(&format!("Bearer {SWITCH_TOKEN}"), &body), 400),
        (report_of_twilio(&customer_number, AGENT, "o-1", "another-token-of-twilio"), 403),
    ] {
        let (got, body) = world.when_reported(&report).await;
        assert_eq!(got, status, "{body}");
        assert!(!body.contains("628"), "{body}");
    }
    let mut tampered = report_of_twilio(&customer_number, AGENT, "o-1", TWILIO_TOKEN);
    tampered["rawQueryString"] = "order=o-2".into();
    assert_eq!(world.when_reported(&tampered).await.0, 403, "the order is signed too");
    assert_eq!(world.take_call_events(), [Value::Null; 0]);
}

#[tokio::test]
async fn a_caller_who_was_hidden_is_no_reason_for_an_alarm() {
    let (world, _, agent_number) = world_with_an_order().await;
    assert_eq!(
        world.when_reported(&report_of_a_switch("anonymous", &agent_number, "c")).await.0,
        200
    );
    assert_eq!(outcomes(&world), ["unknown_call"]);
    assert!(!world.log().contains("refused a request"));
}

#[tokio::test]
async fn a_switch_that_names_the_order_is_told_of_after_the_cool_down_too() {
    let (world, _, agent_number) = world_with_an_order().await;
    world.when_told(&event("completed", "o-1", 2)).await;
    world.seconds_pass(700);
    for (order, told) in [("o-1", 1), ("o-2", 0)] {
        let body = json!({
            "caller": CUSTOMER, "called": agent_number, "call_id": "c", "outcome": "busy",
            "talk_seconds": 0, "order_id": order,
        });
        let report = switch_report(&format!("Bearer {SWITCH_TOKEN}"), &body.to_string());
        assert_eq!(world.when_reported(&report).await.0, 200);
        assert_eq!(world.take_call_events().len(), told, "{order}");
    }
}

#[tokio::test]
async fn a_report_that_can_not_be_passed_on_may_be_sent_again() {
    let world = World::without_tables();
    let report = report_of_a_switch(CUSTOMER, "+622150001", "call-1");
    assert_eq!(world.when_reported(&report).await.0, 503);
    let log = world.log();
    assert!(log.contains("a report of a call could not be passed on"), "{log}");
}

#[tokio::test]
async fn a_report_costs_one_read_and_no_write() {
    let (world, _, agent_number) = world_with_an_order().await;
    world.take_bill();
    world.when_reported(&report_of_a_switch(CUSTOMER, &agent_number, "call-1")).await;
    let bill = world.take_bill();
    assert_eq!(bill.requests.into_iter().collect::<Vec<_>>(), [("GetItem".to_owned(), 1)]);
}

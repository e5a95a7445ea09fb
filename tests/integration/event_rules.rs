//! What an order event may say, and what a refused one gets.

use serde_json::{Value, json};
use support::World;
use support::events::Queue;
use support::functions::NUMBER_EVENTS;
use support::world::{Delivery, FIRST, assigned, event, number, numbers_in};

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

#[tokio::test]
async fn no_order_gets_a_number_that_is_the_phone_of_one_of_its_people() {
    for allocation in ["exclusive", "shared"] {
        let world = World::with_pools(&json!([
            {"id": "id-jkt", "min_free": 0, "shards": 1, "allocation": allocation},
        ]));
        world.given_numbers("id-jkt", 0..3).await;
        let typed = number(0);
        for order in 0..3 {
            // Candidates are drawn at random.
            let (order_id, people) = (format!("o-{order}"), [PAIR[0], ("agent", typed.as_str())]);
            let handled = world.when_told(&assigned(&order_id, 1, &people)).await;
            let numbers = numbers_in(&handled.announced[0]);
            assert!(!numbers.values().any(|it| *it == typed), "{allocation}: {numbers:?}");
            world.when_told(&event("cancelled", &order_id, 2)).await;
            world.seconds_pass(600);
        }

        let before = numbers_in(&world.when_told(&assigned("o-9", 1, &PAIR)).await.announced[0]);
        world.given_numbers("id-jkt", 3..5).await;
        world.seconds_pass(10);
        let trio = [PAIR[0], PAIR[1], ("helper", before["customer"].as_str())];
        let handled = world.when_told(&assigned("o-9", 2, &trio)).await;
        let after = numbers_in(&handled.announced[0]);
        assert!(!after.values().any(|it| *it == before["customer"]), "{allocation}: {after:?}");
        assert_eq!(after["agent"], before["agent"], "the other role keeps its number");
        assert_eq!(world.decision(CUSTOMER, &after["agent"]).await, PAIR[1].1);
    }
}

#[tokio::test]
async fn a_phone_that_the_pool_may_not_ring_is_refused_like_any_wrong_field() {
    let pools = |default: &str| {
        let mut pools = pools(default);
        pools[0]["dial_prefixes"] = json!(["+62"]);
        pools
    };
    let mut world = World::with_pools(&pools("a"));
    world.given_numbers("a", 0..2).await;
    world.given_numbers("b", 10..12).await;
    let satellite = [PAIR[0], ("agent", "+8821611112222")];
    let reason = "must begin with one of the pool's dial_prefixes";
    let refused = refused("o-1", 1, "participants[1].phone", reason);
    for event in [assigned("o-1", 1, &satellite), with_pool(assigned("o-1", 1, &satellite), "a")] {
        let handled = world.when_told(&event).await;
        assert_eq!(handled.refused, [format!("participants[1].phone: {reason}")]);
        assert_eq!(handled.announced, std::slice::from_ref(&refused));
    }
    assert_eq!(world.rows("OrdersTable").await.len(), 0, "nothing is done");

    // The order's own pool decides, whatever the default is by then.
    world.when_told(&assigned("o-2", 1, &PAIR)).await;
    world.given_pools(&pools("b"));
    let handled = world.when_told(&assigned("o-2", 2, &satellite)).await;
    assert_eq!(handled.refused, [format!("participants[1].phone: {reason}")]);
    let handled = world.when_told(&assigned("o-3", 1, &satellite)).await;
    assert_eq!(handled.announced[0]["type"], "numbers.assigned", "by the other pool");
}

#[tokio::test]
async fn a_refused_event_is_announced_to_its_sender_on_either_queue() {
    let world = World::new();
    let mut wrong = assigned("o-1", 2, &PAIR);
    wrong["participants"][1]["phone"] = "0812".into();
    let reason = "must be a phone number in E.164 form: `+`, then 8 to 15 digits";
    let handled = world.when_told(&wrong).await;
    assert_eq!(handled.announced, [refused("o-1", 2, "participants[1].phone", reason)]);
    let log = world.log();
    assert!(log.contains(r#""order.id":"o-1","field":"participants[1].phone""#), "{log}");

    let strays = [event("completed", "o-2", 3).to_string()];
    let handled = world.when_assign_receives(&strays, FIRST).await;
    let reason = "belongs on the release queue";
    assert_eq!(handled.announced, [refused("o-2", 3, "type", reason)]);
    let strays = [assigned("o-3", 4, &PAIR).to_string()];
    let handled = world.when_release_receives(&strays, FIRST).await;
    assert_eq!(handled.announced, [refused("o-3", 4, "type", "belongs on the assign queue")]);

    for field in ["order_id", "version"] {
        let mut unknown = wrong.clone();
        unknown[field] = Value::Null;
        let handled = world.when_told(&unknown).await;
        assert_eq!((handled.refused.len(), handled.announced.len()), (1, 0), "without {field}");
    }
}

#[tokio::test]
async fn a_refused_event_that_can_not_be_announced_is_redelivered() {
    let world = World::new();
    world.cloud.queues.given_refuses(NUMBER_EVENTS, true);
    let wrong = with_pool(assigned("o-1", 1, &PAIR), "elsewhere");
    let handled = world.when_told(&wrong).await;
    assert_eq!((handled.refused.len(), handled.again, handled.waits), (0, 1, vec![5]));
    world.cloud.queues.given_refuses(NUMBER_EVENTS, false);
    let handled = world.when_told_again(&wrong, Delivery { count: 2, age: 5 }).await;
    let reason = "must be the id of a pool of this stack";
    assert_eq!(handled.announced, [refused("o-1", 1, "pool", reason)]);
    assert_eq!((handled.refused.len(), handled.again), (1, 0));
}

#[tokio::test]
async fn a_message_in_an_envelope_is_refused_with_what_to_do_about_it() {
    let world = World::new();
    let message = assigned("o-1", 1, &PAIR);
    let sns = json!({
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:orders",
        "Message": message.to_string(),
    });
    let event_bridge = json!({
        "version": "0", "id": "1", "detail-type": "order", "source": "shop", "detail": message,
    });
    let handled =
        world.when_assign_receives(&[sns.to_string(), event_bridge.to_string()], FIRST).await;
    let mut refused = handled.refused;
    refused.sort();
    let [by_event_bridge, by_sns] = [
        "body: is an EventBridge event: set the InputPath of the target to $.detail",
        "body: is an SNS notification: turn on raw message delivery for the subscription",
    ];
    assert_eq!(refused, [by_event_bridge, by_sns]);
    assert_eq!(world.when_refill_receives(&sns.to_string()).await.refused, [by_sns]);
}

#[tokio::test]
async fn a_pool_message_in_the_group_of_another_pool_is_refused() {
    let world = World::with_pools(&pools("a"));
    let reason = "MessageGroupId: must be the pool of the message, or `all` for a check of all";
    let import = json!({"type": "pool.import", "pool": "a", "numbers": [number(0)]});
    let check = json!({"type": "pool.check", "pool": "a"});
    let check_all = json!({"type": "pool.check"});
    for (message, group, fits) in [
        (&import, "b", false),
        (&check, "all", false),
        (&check_all, "a", false),
        (&import, "a", true),
        (&check, "a", true),
        (&check_all, "all", true),
    ] {
        let handled = world.when_group_receives(Queue::Refill, group, &message.to_string()).await;
        let expected: &[&str] = if fits { &[] } else { &[reason] };
        assert_eq!(handled.refused, expected, "{message} in {group}");
        let imported = world.rows("NumbersTable").await.len();
        assert_eq!(imported, usize::from(fits), "a refused import adds nothing");
    }
}

fn refused(order_id: &str, version: u64, field: &str, reason: &str) -> Value {
    json!({
        "type": "numbers.refused", "order_id": order_id, "version": version,
        "field": field, "reason": reason,
    })
}

fn with_pool(mut event: Value, pool: &str) -> Value {
    event["pool"] = pool.into();
    event
}

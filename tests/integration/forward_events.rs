//! How forward-events puts a topic's records on the order queues.

use serde_json::{Value, json};
use support::World;
use support::cloud::{EntryFault, Message};
use support::events::{Queue, records};
use support::functions::{FORWARD_DEAD_LETTERS, url};
use support::world::{FIRST, assigned, event, numbers_in};

use crate::assign_numbers::world_with_numbers;
use crate::people::{CUSTOMER, PAIR};

/// A batch of records whose values are these events.
fn batch(events: &[Value]) -> Value {
    let values: Vec<String> = events.iter().map(Value::to_string).collect();
    records(values.iter().map(|value| Some(value.as_bytes())))
}

fn bodies(messages: Vec<Message>) -> Vec<String> {
    messages.into_iter().map(|message| message.body).collect()
}

fn positions(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.attributes["position"].as_str()).collect()
}

fn fault(text: &str, code: &str, sender_fault: bool) -> EntryFault {
    EntryFault { text: text.to_owned(), code: code.to_owned(), sender_fault }
}

#[tokio::test]
async fn an_order_comes_from_a_topic_and_ends_by_it() {
    let world = world_with_numbers(2).await;
    let events = [assigned("o-1", 1, &PAIR), event("completed", "o-1", 2)];
    world.when_topic_has(&batch(&events)).await.unwrap();

    let assign = bodies(world.cloud.queues.take(url(Queue::Assign)));
    assert_eq!(assign, [events[0].to_string()], "the text as it came");
    let handled = world.when_assign_receives(&assign, FIRST).await;
    assert_eq!(numbers_in(&handled.announced[0]).len(), 2);
    let release = bodies(world.cloud.queues.take(url(Queue::Release)));
    let handled = world.when_release_receives(&release, FIRST).await;
    assert_eq!(handled.announced[0]["type"], "numbers.released");
}

#[tokio::test]
async fn a_large_batch_is_on_both_queues_in_its_order() {
    let world = World::new();
    let events: Vec<Value> = (0..100)
        .map(|version| match version % 3 {
            0 => event("completed", "o-1", version),
            _ => event("created", "o-1", version),
        })
        .collect();
    world.when_topic_has(&batch(&events)).await.unwrap();
    for (queue, name) in [(Queue::Assign, "order.created"), (Queue::Release, "order.completed")] {
        let expected = events.iter().filter(|event| event["type"] == name).map(Value::to_string);
        let sent = bodies(world.cloud.queues.take(url(queue)));
        assert_eq!(sent, expected.collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn records_that_fill_a_request_by_their_size_are_all_sent() {
    let world = World::new();
    let large = "x".repeat(400_000);
    world.when_topic_has(&records([Some(large.as_bytes()); 7])).await.unwrap();
    assert_eq!(world.cloud.queues.take(url(Queue::Assign)).len(), 7);
}

#[tokio::test]
async fn what_is_no_known_event_is_refused_with_a_reason_where_others_are() {
    let world = World::new();
    let unknown = json!({"type": "order.paused", "order_id": "o-1", "version": 1}).to_string();
    let values = [unknown.as_bytes(), b"no JSON"].map(Some);
    world.when_topic_has(&records(values)).await.unwrap();
    let bodies = bodies(world.cloud.queues.take(url(Queue::Assign)));
    let mut refused = world.when_assign_receives(&bodies, FIRST).await.refused;
    refused.sort();
    assert_eq!(refused, ["body: must be JSON", "type: is not a known type of event"]);
}

#[tokio::test]
async fn what_sqs_can_not_carry_is_a_dead_letter_with_reason_and_position() {
    let world = World::new();
    let event = event("completed", "o-1", 1).to_string();
    let larger = "x".repeat((1 << 20) + 1);
    let values = [
        None,
        Some(event.as_bytes()),
        Some(&b""[..]),
        Some(&[0xc3, 0x28]),
        Some(b"\0"),
        Some(larger.as_bytes()),
    ];
    world.when_topic_has(&records(values)).await.unwrap();

    assert_eq!(bodies(world.cloud.queues.take(url(Queue::Release))), [event]);
    assert_eq!(world.cloud.queues.take(url(Queue::Assign)), []);
    let letters = world.cloud.queues.take(FORWARD_DEAD_LETTERS);
    assert_eq!(
        positions(&letters),
        [0, 2, 3, 4, 5].map(|offset| format!("order-events-0:{offset}"))
    );
    let reasons: Vec<_> = letters.iter().filter_map(Message::reason).collect();
    assert_eq!(
        reasons,
        [
            "value: is missing, as in a tombstone",
            "value: is empty",
            "value: must be UTF-8",
            "value: has a control character that SQS does not allow",
            "value: is larger than 1 MiB",
        ]
    );
    let values = [r#"{"value":null}"#, r#"{"value":""}"#, r#"{"value":"wyg="}"#];
    assert_eq!(&bodies(letters)[..3], values);
}

#[tokio::test]
async fn a_record_that_sqs_refuses_for_what_it_is_is_a_dead_letter() {
    let world = World::new();
    world.cloud.queues.given_fails_entries(Some(fault("o-2", "InvalidMessageContents", true)));
    let events = ["o-1", "o-2", "o-3"].map(|order| event("completed", order, 1));
    // The dead letter's body is base64, in which the fault does not find its text.
    world.when_topic_has(&batch(&events)).await.unwrap();
    let sent = bodies(world.cloud.queues.take(url(Queue::Release)));
    assert_eq!(sent, [events[0].to_string(), events[2].to_string()]);
    let letters = world.cloud.queues.take(FORWARD_DEAD_LETTERS);
    assert_eq!(positions(&letters), ["order-events-0:1"]);
    assert_eq!(letters[0].reason(), Some("value: SQS refuses it: InvalidMessageContents"));
}

#[tokio::test]
async fn a_batch_comes_again_until_sqs_has_taken_all_of_it() {
    let events = ["o-1", "o-2"].map(|order| event("completed", order, 1));
    for passing in [
        fault("o-2", "InternalError", false),
        fault("o-2", "RequestThrottled", true),
        fault("o-2", "KMS.ThrottlingException", true),
        fault("o-2", "AccessDenied", true),
    ] {
        let world = World::new();
        world.cloud.queues.given_fails_entries(Some(passing.clone()));
        let error = world.when_topic_has(&batch(&events)).await.unwrap_err().to_string();
        assert_eq!(error, format!("SendMessageBatch left a message out: {}", passing.code));
        assert_eq!(world.cloud.queues.take(FORWARD_DEAD_LETTERS), []);
        world.cloud.queues.given_fails_entries(None);
        world.when_topic_has(&batch(&events)).await.unwrap();
        let sent = bodies(world.cloud.queues.take(url(Queue::Release)));
        assert_eq!(sent[1..], events.clone().map(|event| event.to_string()));
    }
}

#[tokio::test]
async fn a_batch_fails_while_any_of_its_queues_refuses_all() {
    let event = event("completed", "o-1", 1).to_string();
    let values = [Some(event.as_bytes()), Some(b"no JSON"), None];
    for queue in [url(Queue::Assign), url(Queue::Release), FORWARD_DEAD_LETTERS] {
        let world = World::new();
        world.cloud.queues.given_refuses(queue, true);
        let error = world.when_topic_has(&records(values)).await.unwrap_err().to_string();
        assert_eq!(error, "SendMessageBatch failed: RequestThrottled");
        world.cloud.queues.given_refuses(queue, false);
        world.when_topic_has(&records(values)).await.unwrap();
        assert!(!world.cloud.queues.take(queue).is_empty());
    }
}

#[tokio::test]
async fn a_dead_letter_that_sqs_refuses_fails_the_batch() {
    let world = World::new();
    world.cloud.queues.given_fails_entries(Some(fault("value", "InvalidMessageContents", true)));
    assert!(world.when_topic_has(&records([None])).await.is_err());
}

#[tokio::test]
async fn a_record_is_read_whatever_else_it_has_or_lacks() {
    let world = World::new();
    let value = records([Some(&b"{}"[..])])["records"]["order-events-0"][0]["value"].take();
    let event = json!({"records": {"a-0": [
        {"offset": 1, "value": value},
        {"offset": 2, "value": value, "headers": null, "key": 7, "partition": "0", "new": {}},
        {"offset": 3},
        {"offset": 4, "value": {"type": "order.completed"}},
    ]}});
    world.when_topic_has(&event).await.unwrap();
    assert_eq!(world.cloud.queues.take(url(Queue::Assign)).len(), 2);
    assert_eq!(positions(&world.cloud.queues.take(FORWARD_DEAD_LETTERS)), ["a-0:3", "a-0:4"]);
}

#[tokio::test]
async fn no_phone_of_a_record_is_logged() {
    let world = World::new();
    let phone = [CUSTOMER.as_bytes(), b"\0"].concat();
    world.when_topic_has(&records([Some(&phone[..]), None])).await.unwrap();
    let log = world.log();
    assert!(log.contains("refused a record") && log.contains("order-events-0:0"), "{log}");
    assert!(!log.contains(&CUSTOMER[1..]), "{log}");
}

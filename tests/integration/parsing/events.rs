//! Order events, and the attributes of their messages.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use lambda_support::sqs::SourceQueue;
use masking::{
    Announcement, Assignment, EventKind, OrderEvent, OrderId, Participant, Role, Timestamp,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use support::World;
use support::cloud::{Cloud, Tables};
use support::wire::Clients;
use support::world::{FIRST, assigned, event};

use super::cases::{Stage, assert_no_phone, check, is_field};
use super::inputs::{any_json, anything_or, key, like, mutated, paths, phone, text};
use super::numbers::{is_e164, moment};
use crate::people::{AGENT, CUSTOMER};

fn people() -> impl Strategy<Value = Vec<(String, String)>> {
    btree_map(phone(), like("[a-z][a-z0-9_]{0,31}"), 2..=5)
        .prop_map(|people| people.into_iter().map(|(phone, role)| (role, phone)).collect())
        .prop_filter("roles differ", |people: &Vec<(String, String)>| {
            people.iter().map(|(role, _)| role).collect::<BTreeSet<_>>().len() == people.len()
        })
}

/// A valid event: its JSON, and its parsed form.
fn right_event() -> impl Strategy<Value = (Value, OrderEvent)> {
    let kind = prop_oneof![
        1 => proptest::option::of(like("[a-z0-9-]{1,32}")).prop_map(|pool| {
            (json!({"type": "order.created", "pool": pool}), EventKind::Created { pool })
        }),
        4 => (proptest::option::of(like("[a-z0-9-]{1,32}")), proptest::option::of(moment()), people())
            .prop_map(assignment),
        1 => Just((json!({"type": "order.agent_unassigned"}), EventKind::AgentUnassigned)),
        1 => Just((json!({"type": "order.completed"}), EventKind::Completed)),
        1 => Just((json!({"type": "order.cancelled"}), EventKind::Cancelled)),
    ];
    let version = prop_oneof![any::<u64>(), 0_u64..5, Just(u64::MAX)];
    (like("[A-Za-z0-9._:-]{1,128}"), version, kind).prop_map(|(id, version, (mut event, kind))| {
        event["order_id"] = id.as_str().into();
        event["version"] = version.into();
        (event, OrderEvent { order_id: OrderId::parse(&id).unwrap(), version, kind })
    })
}

type People = Vec<(String, String)>;

fn assignment(
    (pool, expires_at, people): (Option<String>, Option<(String, Timestamp)>, People),
) -> (Value, EventKind) {
    let written: Vec<Value> =
        people.iter().map(|(role, phone)| json!({"role": role, "phone": phone})).collect();
    let event = json!({
        "type": "order.agent_assigned", "pool": pool, "participants": written,
        "expires_at": expires_at.as_ref().map(|(text, _)| text),
    });
    let participants = people.iter().map(|(role, phone)| Participant {
        role: Role::parse(role).unwrap(),
        phone: phone.parse().unwrap(),
    });
    let expires_at = expires_at.map(|(_, moment)| moment);
    let participants = participants.collect();
    (event, EventKind::AgentAssigned(Assignment { pool, expires_at, participants }))
}

/// An event with one to three mutations.
fn nearly_right_event() -> impl Strategy<Value = String> {
    mutated(right_event().prop_map(|(event, _)| event), 1..=3)
}

const EVENT_FIELDS: [&str; 10] = [
    "body",
    "type",
    "order_id",
    "version",
    "pool",
    "expires_at",
    "participants",
    "participants[]",
    "participants[].role",
    "participants[].phone",
];

#[test]
fn an_event_is_read_as_it_was_written() {
    check(200, right_event(), |(written, event)| {
        assert_eq!(OrderEvent::parse(&written.to_string()), Ok(event));
    });
}

#[test]
fn an_event_may_be_written_in_any_way_and_hold_more_than_is_known() {
    let more = (key(), any_json(), any::<bool>());
    check(150, (right_event(), more), |((mut written, event), (key, value, nulls))| {
        // Escape every character, also those of names.
        let pretty = serde_json::to_string_pretty(&written).unwrap();
        let escaped = escape_strings(&pretty);
        assert_eq!(OrderEvent::parse(&escaped).as_ref(), Ok(&event), "{escaped}");

        for path in paths(&written) {
            if let Some(fields) = written.pointer_mut(&path).and_then(Value::as_object_mut) {
                if !fields.contains_key(&key) && !known_in_event(&key) {
                    fields.insert(key.clone(), value.clone());
                }
                if !nulls {
                    fields.retain(|_, value| !value.is_null());
                }
            }
        }
        assert_eq!(OrderEvent::parse(&written.to_string()), Ok(event));
    });
}

fn known_in_event(key: &str) -> bool {
    EVENT_FIELDS.contains(&key) || ["role", "phone"].contains(&key)
}

/// Writes every character of every string as `\uXXXX`.
fn escape_strings(text: &str) -> String {
    let mut escaped = String::new();
    let mut inside = false;
    for char in text.chars() {
        match char {
            '"' => {
                inside = !inside;
                escaped.push(char);
            }
            _ if inside => write!(escaped, "\\u{:04x}", u32::from(char)).unwrap(),
            _ => escaped.push(char),
        }
    }
    escaped
}

#[test]
fn any_event_is_read_or_refused_by_a_field_without_a_value() {
    check(200, anything_or(nearly_right_event()), |body| match OrderEvent::parse(&body) {
        Ok(event) => assert_is_within_the_rules(&event),
        Err(why) => {
            assert!(is_field(&why.invalid.field, &EVENT_FIELDS), "{why}");
            assert_no_phone(&body, &why.to_string());
        }
    });
}

fn assert_is_within_the_rules(event: &OrderEvent) {
    assert!(OrderId::parse(event.order_id.as_str()).is_some());
    if let EventKind::AgentAssigned(assignment) = &event.kind {
        let people = &assignment.participants;
        assert!((2..=5).contains(&people.len()));
        let roles: BTreeSet<&str> = people.iter().map(|it| it.role.as_str()).collect();
        let phones: BTreeSet<&str> = people.iter().map(|it| it.phone.reveal()).collect();
        assert_eq!((roles.len(), phones.len()), (people.len(), people.len()));
        assert!(phones.iter().all(|phone| is_e164(phone)));
    }
}

#[test]
fn a_field_that_breaks_its_rule_is_the_one_that_is_named() {
    let assigned = right_event()
        .prop_filter("has people", |(_, event)| matches!(event.kind, EventKind::AgentAssigned(_)));
    let no_text = any_json().prop_filter("no text", |it| !it.is_string() && !it.is_null()).boxed();
    let breaks = prop_oneof![
        no_text.clone().prop_map(|value| ("/order_id", value)),
        like("[A-Za-z0-9._:-]{129,200}|[a-z]{0,9}[^A-Za-z0-9._:-][a-z]{0,9}")
            .prop_map(|text| ("/order_id", text.into())),
        any_json()
            .prop_filter("no version", |it| !it.is_u64() && !it.is_null())
            .prop_map(|value| ("/version", value)),
        no_text.clone().prop_map(|value| ("/type", value)),
        text().prop_map(|text| ("/type", format!("order.{text}!").into())),
        no_text.clone().prop_map(|value| ("/pool", value)),
        no_text.clone().prop_map(|value| ("/expires_at", value)),
        text()
            .prop_filter("no moment", |it| Timestamp::parse(it).is_none())
            .prop_map(|text| ("/expires_at", text.into())),
        no_text.clone().prop_map(|value| ("/participants/1/role", value)),
        like("[a-z][a-z0-9_]{32,40}|[A-Z0-9_é -].{0,9}|[a-z]{1,9}[^a-z0-9_]{1,3}")
            .prop_map(|text| ("/participants/1/role", text.into())),
        no_text.prop_map(|value| ("/participants/1/phone", value)),
        text()
            .prop_filter("no phone", |it| !is_e164(it))
            .prop_map(|text| ("/participants/1/phone", text.into())),
    ];
    check(200, (assigned, breaks), |((mut written, _), (path, value))| {
        *written.pointer_mut(path).unwrap() = value;
        let why = OrderEvent::parse(&written.to_string()).unwrap_err();
        assert_eq!(format!("/{}", why.invalid.field.replace("[1].", "/1/")), path, "{why}");
    });
}

#[test]
fn a_refused_event_changes_no_table_and_the_rest_of_its_batch_is_served() {
    let stage = Stage::new(async {
        let world = World::new();
        world.given_numbers("id-jkt", 0..6).await;
        let live = assigned("o-live", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
        assert_eq!(world.when_told(&live).await.announced.len(), 1);
        world
    });
    let refused = anything_or(nearly_right_event())
        .prop_filter("is refused", |body| OrderEvent::parse(body).is_err());
    let order = Cell::new(0);
    check(12, (vec(refused, 1..5), any::<Index>()), |(mut bodies, place)| {
        let refusals: Vec<_> =
            bodies.iter().map(|body| OrderEvent::parse(body).unwrap_err()).collect();
        let mut reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        reasons.sort();
        // The order system is told of each whose order and version can be read.
        let told: Vec<Value> = refusals
            .iter()
            .filter_map(|it| Some(Announcement::of_refused(it)?.to_json()))
            .collect();
        let rows = stage.rows();
        order.set(order.get() + 1);
        let order_id = format!("o-{}", order.get());
        let people = [("customer", "+819011112222"), ("agent", "+819033334444")];
        let log = stage.log_of(|| {
            stage.run(async |world| {
                for assigns in [true, false] {
                    let mut handled = if assigns {
                        world.when_assign_receives(&bodies, FIRST).await
                    } else {
                        world.when_release_receives(&bodies, FIRST).await
                    };
                    handled.refused.sort();
                    assert_eq!(
                        (&handled.refused, handled.announced.len(), handled.again),
                        (&reasons, told.len(), 0)
                    );
                    assert!(told.iter().all(|it| handled.announced.contains(it)), "{told:?}");
                }
            });
            assert_eq!(stage.rows(), rows, "nothing is done");

            stage.run(async |world| {
                bodies.insert(
                    place.index(bodies.len() + 1),
                    assigned(&order_id, 1, &people).to_string(),
                );
                let handled = world.when_assign_receives(&bodies, FIRST).await;
                let served = (handled.refused.len(), handled.announced.len(), handled.again);
                assert_eq!(served, (reasons.len(), told.len() + 1, 0), "{handled:?}");
                let ended = event("completed", &order_id, 2);
                assert_eq!(world.when_told(&ended).await.announced.len(), 1);
                // The next case needs the numbers: let the cool-down pass.
                world.seconds_pass(601);
            });
        });
        for body in &bodies {
            assert_no_phone(body, &log);
        }
    });
}

#[test]
fn any_attributes_of_a_message_are_read_without_a_panic() {
    let sqs = Clients::of(&Cloud::on(Tables::from_template())).sqs;
    let queue = SourceQueue::new(sqs, "http://queues/q", "http://queues/d");
    let queue = queue.with_waiting_queue("http://queues/w");
    check(500, (proptest::option::of(text()), text(), text()), |(body, count, first)| {
        let mut message = SqsMessage::default();
        message.body = body;
        message.attributes.insert("ApproximateReceiveCount".to_owned(), count);
        for name in ["waiting_since", "delays"] {
            let mut attribute = SqsMessageAttribute::default();
            attribute.string_value = Some(first.clone());
            message.message_attributes.insert(name.to_owned(), attribute);
        }
        message.event_source_arn = Some("arn:aws:sqs:ap-southeast-3:123456789012:w".to_owned());
        let _ = lambda_support::sqs::receive_count(&message);
        let waited = queue.waited(&message, 1000);
        assert!(waited.is_none_or(|wait| wait.since <= 1000));
        let _ = order_events::Intake::read(&message);
    });
}

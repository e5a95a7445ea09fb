//! Decides where a record goes: to one of the order queues, or, if SQS can't carry it, to the
//! dead-letter queue. What a queue's own function refuses, a queue can carry.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use masking::OrderQueue;
use serde_json::{Value, json};

use crate::event::{KafkaEvent, Position};

/// The largest message that SQS takes, in bytes: 1 MiB.
/// Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".
pub(crate) const LARGEST_MESSAGE: usize = 1 << 20;
/// What a dead letter has beside its value: its reason and position, with their names.
const ATTRIBUTES: usize = 1024;

/// The messages that become of a batch, each list in the order of the batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    pub(crate) assign: Vec<Message>,
    pub(crate) release: Vec<Message>,
    pub(crate) dead_letters: Vec<Message>,
}

/// A message to send.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where the record stands that the message was made of.
    pub(crate) position: Position,
    /// The text of an order event, or a dead letter's JSON.
    pub(crate) body: String,
    /// Why the message is a dead letter, if it is one.
    pub(crate) reason: Option<Cow<'static, str>>,
}

/// Sorts the records of a batch.
pub(crate) fn sort(event: &KafkaEvent) -> Sorted {
    let mut sorted = Sorted::default();
    for (position, value) in event.records() {
        match text(value) {
            Ok(body) => {
                let queue = match OrderQueue::of(&body) {
                    OrderQueue::Assign => &mut sorted.assign,
                    OrderQueue::Release => &mut sorted.release,
                };
                queue.push(Message { position, body, reason: None });
            }
            Err(reason) => sorted.dead_letters.push(dead_letter(position, value, reason)),
        }
    }
    sorted
}

impl Message {
    /// The dead letter of an order event that SQS refused.
    pub(crate) fn refused(self, reason: String) -> Self {
        dead_letter(self.position, &Value::String(STANDARD.encode(self.body)), reason)
    }

    /// What the message counts towards the largest message and the largest request, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.body.len() + if self.reason.is_some() { ATTRIBUTES } else { 0 }
    }
}

/// Leaves the body out, which may hold a phone.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("position", &self.position).field("reason", &self.reason);
        shown.finish_non_exhaustive()
    }
}

/// The text of a value, if SQS can carry it.
fn text(value: &Value) -> Result<String, &'static str> {
    let base64 = match value {
        Value::Null => return Err("value: is missing, as in a tombstone"),
        Value::String(base64) => base64,
        _ => return Err("value: must be base64"),
    };
    let bytes = STANDARD.decode(base64).map_err(|_| "value: must be base64")?;
    if bytes.len() > LARGEST_MESSAGE {
        return Err("value: is larger than 1 MiB");
    }
    let text = String::from_utf8(bytes).map_err(|_| "value: must be UTF-8")?;
    if text.is_empty() {
        Err("value: is empty")
    } else if text.contains(is_forbidden) {
        Err("value: has a control character that SQS does not allow")
    } else {
        Ok(text)
    }
}

/// Whether no message may have the character.
/// Source: Amazon SQS API Reference, `SendMessage`, which lists those that it may have.
fn is_forbidden(character: char) -> bool {
    !matches!(character,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Keeps the value as it came, or nothing of it if it is too large. The record can still be read
/// in the topic, at its position.
fn dead_letter(position: Position, value: &Value, reason: impl Into<Cow<'static, str>>) -> Message {
    let body = json!({"value": value}).to_string();
    let fits = body.len() + ATTRIBUTES <= LARGEST_MESSAGE && !body.contains(is_forbidden);
    let body = if fits { body } else { json!({}).to_string() };
    Message { position, body, reason: Some(reason.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: &[Value]) -> Sorted {
        let record = |(offset, value): (usize, &Value)| json!({"offset": offset, "value": value});
        let records: Vec<Value> = values.iter().enumerate().map(record).collect();
        sort(&serde_json::from_value(json!({"records": {"orders-3": records}})).unwrap())
    }

    fn encoded(value: impl AsRef<[u8]>) -> Value {
        json!(STANDARD.encode(value))
    }

    fn places(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| message.position.as_str()).collect()
    }

    #[test]
    fn each_event_goes_to_the_queue_of_its_type_in_the_order_of_the_batch() {
        let sorted = sorted(&[
            encoded(r#"{"type":"order.agent_assigned"}"#),
            encoded(r#"{"type":"order.completed"}"#),
            encoded("what nobody knows is refused there, with a reason"),
            encoded(r#"{"type":"order.cancelled"}"#),
        ]);
        assert_eq!(places(&sorted.assign), ["orders-3:0", "orders-3:2"]);
        assert_eq!(places(&sorted.release), ["orders-3:1", "orders-3:3"]);
        assert_eq!(sorted.release[0].body, r#"{"type":"order.completed"}"#);
        assert_eq!(sorted.dead_letters, []);
    }

    #[test]
    fn what_sqs_can_not_carry_is_a_dead_letter_with_reason_position_and_value() {
        for (value, reason) in [
            (Value::Null, "value: is missing, as in a tombstone"),
            (json!({"type": "order.completed"}), "value: must be base64"),
            (json!("no base64!"), "value: must be base64"),
            (encoded([0xff, 0xfe]), "value: must be UTF-8"),
            (encoded(""), "value: is empty"),
            (encoded("\0"), "value: has a control character that SQS does not allow"),
            (encoded("\u{ffff}"), "value: has a control character that SQS does not allow"),
        ] {
            let sorted = sorted(std::slice::from_ref(&value));
            let [letter] = &sorted.dead_letters[..] else { panic!("{value}: {sorted:?}") };
            assert_eq!(letter.reason.as_deref(), Some(reason));
            assert_eq!(letter.position.as_str(), "orders-3:0");
            assert_eq!(letter.body, json!({"value": value}).to_string());
            assert!(sorted.assign.is_empty() && sorted.release.is_empty());
        }
    }

    #[test]
    fn a_value_that_fits_is_carried_and_a_larger_one_is_left_in_the_topic() {
        let sorted = sorted(&[
            encoded("x".repeat(LARGEST_MESSAGE)),
            encoded("x".repeat(LARGEST_MESSAGE + 1)),
            encoded("\0".repeat(LARGEST_MESSAGE)),
        ]);
        assert_eq!(places(&sorted.assign), ["orders-3:0"]);
        assert_eq!(places(&sorted.dead_letters), ["orders-3:1", "orders-3:2"]);
        let [larger, longer_in_base64] = &sorted.dead_letters[..] else { panic!("{sorted:?}") };
        assert_eq!(larger.reason.as_deref(), Some("value: is larger than 1 MiB"));
        assert_eq!((larger.body.as_str(), longer_in_base64.body.as_str()), ("{}", "{}"));
    }

    #[test]
    fn every_character_that_sqs_allows_is_carried() {
        let allowed = "\t\n\r ~\u{7f}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}";
        assert_eq!(sorted(&[encoded(allowed)]).assign.len(), 1);
        for forbidden in ["\u{1}", "\u{8}", "\u{b}", "\u{1f}", "\u{fffe}"] {
            assert_eq!(sorted(&[encoded(forbidden)]).dead_letters.len(), 1, "{forbidden:?}");
        }
    }

    #[test]
    fn an_event_that_sqs_refuses_is_a_dead_letter_with_what_came() {
        let event = r#"{"type":"order.completed"}"#;
        let message = sorted(&[encoded(event)]).release.remove(0);
        let letter = message.refused("value: SQS refuses it".to_owned());
        assert_eq!(letter.body, json!({"value": encoded(event)}).to_string());
        assert_eq!(letter.position.as_str(), "orders-3:0");
    }

    #[test]
    fn no_debug_text_shows_a_value() {
        let event = json!({"records": {"orders-0": [{"offset": 1, "value": encoded("+628121")}]}});
        let event: KafkaEvent = serde_json::from_value(event).unwrap();
        for shown in [format!("{event:?}"), format!("{:?}", sort(&event))] {
            assert!(!shown.contains("+628121") && !shown.contains("KzYyODEyMQ"), "{shown}");
        }
    }

    #[test]
    fn a_dead_letter_keeps_its_value_as_long_as_it_fits() {
        let kept = |bytes: usize| {
            let value = encoded(vec![0xff; bytes]);
            let letters = sorted(std::slice::from_ref(&value)).dead_letters;
            letters[0].body.contains("value")
        };
        assert!(kept(300_000));
        assert!(!kept(LARGEST_MESSAGE * 3 / 4));
    }
}

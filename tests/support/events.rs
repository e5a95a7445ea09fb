//! The events that functions receive, made from the files in `tests/events`: batches of
//! messages, and calls on each route.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;
use serde_json::{Value, json};

/// A queue that a function receives messages from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// For `order.created` and `order.agent_assigned`.
    Assign,
    /// For all other order events.
    Release,
    /// For pool messages.
    Refill,
    /// For assignments that wait for a dry pool.
    Waiting,
}

impl Queue {
    /// The queue where this order event belongs.
    pub fn of(event: &Value) -> Self {
        match event["type"].as_str() {
            Some("order.created" | "order.agent_assigned") => Self::Assign,
            _ => Self::Release,
        }
    }

    /// The group that the contract gives a pool message.
    fn group_of(self, body: &str) -> Option<String> {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        (self == Self::Refill).then(|| message["pool"].as_str().unwrap_or("all").to_owned())
    }

    fn recorded(self) -> Value {
        read(match self {
            Self::Assign | Self::Waiting => include_str!("../events/assign-numbers.json"),
            Self::Release => include_str!("../events/release-numbers.json"),
            Self::Refill => include_str!("../events/refill-pool.json"),
        })
    }
}

/// The waiting queue, by the name that the URL in its function's settings has.
const WAITING_ARN: &str = "arn:aws:sqs:ap-southeast-3:123456789012:waiting";

/// A message as a queue delivers it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message's id, and the handle of this delivery.
    pub id: String,
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, String>,
    /// The message group. Without one, a pool message has the group that it should have.
    pub group: Option<String>,
    /// How often the message was delivered, this time included.
    pub count: u32,
    /// When it was delivered first, in Unix seconds.
    pub first_received_at: u64,
}

pub fn batch(queue: Queue, messages: impl IntoIterator<Item = Delivery>) -> Value {
    let record = &queue.recorded()["Records"][0];
    let records = messages.into_iter().map(|message| {
        let mut record = record.clone();
        record["messageId"] = message.id.as_str().into();
        record["receiptHandle"] = message.id.into();
        if let Some(group) = message.group.or_else(|| queue.group_of(&message.body)) {
            record["attributes"]["MessageGroupId"] = group.into();
        }
        record["body"] = message.body.into();
        if queue == Queue::Waiting {
            record["eventSourceARN"] = WAITING_ARN.into();
        }
        for (name, value) in message.attributes {
            record["messageAttributes"][name] = json!({
                "stringValue": value, "dataType": "Number",
                "stringListValues": [], "binaryListValues": [],
            });
        }
        let attributes = &mut record["attributes"];
        attributes["SentTimestamp"] = (message.first_received_at * 1000).to_string().into();
        attributes["ApproximateReceiveCount"] = message.count.to_string().into();
        attributes["ApproximateFirstReceiveTimestamp"] =
            (message.first_received_at * 1000).to_string().into();
        record
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

/// The first delivery of messages with these bodies.
pub fn batch_of(queue: Queue, bodies: impl IntoIterator<Item = String>, now: u64) -> Value {
    let message = |(index, body)| Delivery {
        id: format!("message-{index}"),
        body,
        attributes: BTreeMap::new(),
        group: None,
        count: 1,
        first_received_at: now,
    };
    batch(queue, bodies.into_iter().enumerate().map(message))
}

/// A webhook for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST /calls/resolve`.
    Switch,
    /// `POST /calls/twilio`.
    Twilio,
    /// `GET /calls/exotel/{token}`.
    Exotel,
}

impl Route {
    pub const ALL: [Self; 3] = [Self::Switch, Self::Twilio, Self::Exotel];

    /// A recorded call.
    pub fn recorded(self) -> Value {
        read(match self {
            Self::Switch => include_str!("../events/resolve-call.json"),
            Self::Twilio => include_str!("../events/resolve-call-twilio.json"),
            Self::Exotel => include_str!("../events/resolve-call-exotel.json"),
        })
    }
}

/// The request of a switch, with this header `Authorization`.
pub fn switch_call(authorization: &str, body: &str) -> Value {
    let mut event = Route::Switch.recorded();
    event["headers"]["authorization"] = authorization.into();
    event["body"] = body.into();
    event
}

pub fn twilio_call(form: &[(&str, &str)], signature: &str) -> Value {
    let mut event = Route::Twilio.recorded();
    event["headers"]["x-twilio-signature"] = signature.into();
    event["body"] = encoded(form).into();
    event["isBase64Encoded"] = false.into();
    event
}

pub fn exotel_call(token: &str, query: &[(&str, &str)]) -> Value {
    let mut event = Route::Exotel.recorded();
    let path = format!("/calls/exotel/{token}");
    event["requestContext"]["http"]["path"] = path.as_str().into();
    event["rawPath"] = path.into();
    event["rawQueryString"] = encoded(query).into();
    event
}

/// The report of a switch about a call that ended.
pub fn switch_report(authorization: &str, body: &str) -> Value {
    to("/calls/resolve/ended", switch_call(authorization, body))
}

/// Twilio's report of the leg that rang the callee; `order` is in the query that it was given.
pub fn twilio_report(form: &[(&str, &str)], order: &str, signature: &str) -> Value {
    let mut event = to("/calls/twilio/ended", twilio_call(form, signature));
    event["rawQueryString"] = format!("order={order}").into();
    event
}

/// Exotel's report of a call that ended.
pub fn exotel_report(token: &str, query: &[(&str, &str)]) -> Value {
    to(&format!("/calls/exotel/{token}/ended"), exotel_call(token, query))
}

fn to(path: &str, mut event: Value) -> Value {
    event["requestContext"]["http"]["path"] = path.into();
    event["rawPath"] = path.into();
    event
}

/// The body of a switch's request.
pub fn switch_body(caller: &str, called: &str) -> String {
    json!({"caller": caller, "called": called, "call_id": "call-1"}).to_string()
}

/// The form that Twilio posts when somebody dials one of its numbers.
pub fn twilio_form<'a>(caller: &'a str, called: &'a str) -> [(&'a str, &'a str); 8] {
    [
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", "CA00000000000000000000000000000001"),
        ("CallStatus", "ringing"),
        ("CallerName", "José & Søn"),
        ("Direction", "inbound"),
        ("From", caller),
        ("To", called),
    ]
}

/// Exotel's query when somebody dials one of its numbers, which it writes in the national
/// form of the country with that calling code.
pub fn exotel_query(code: &str, caller: &str, called: &str) -> [(&'static str, String); 6] {
    let (caller, called) = (national(code, caller), national(code, called));
    [
        ("CallSid", "9953aa22bb33cc44dd55ee66ff778899".to_owned()),
        ("CallFrom", caller.clone()),
        ("CallTo", called.clone()),
        ("Direction", "incoming".to_owned()),
        ("From", caller),
        ("To", called),
    ]
}

/// The national form of a number in the country with that calling code, such as `+91`.
pub fn national(code: &str, number: &str) -> String {
    number.strip_prefix(code).map_or_else(|| number.to_owned(), |rest| format!("0{rest}"))
}

/// Fields, URL-encoded.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A batch of records of one partition, with these values; `None` is a tombstone.
#[cfg(feature = "world")]
pub fn records<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let mut event = read(include_str!("../events/forward-events.json"));
    let records = &mut event["records"]["order-events-0"];
    let record = records[0].take();
    let with = |(offset, value): (usize, Option<&[u8]>)| {
        let mut record = record.clone();
        record["offset"] = offset.into();
        record["value"] = value.map(|value| STANDARD.encode(value)).into();
        record
    };
    *records = values.into_iter().enumerate().map(with).collect();
    event
}

fn read(file: &str) -> Value {
    serde_json::from_str(file).expect("an event file is JSON")
}

//! The events that functions are given, made from those in `tests/events`: batches of
//! messages, and calls on each route.

use std::sync::LazyLock;

use form_urlencoded::Serializer;
use serde_json::{Value, json};

/// A queue that a function takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Takes `order.created` and `order.agent_assigned`.
    Assign,
    /// Takes what ends an assignment.
    Release,
    /// Takes pool messages.
    Refill,
}

impl Queue {
    /// The queue where an order event of this type belongs.
    pub fn of(event: &Value) -> Self {
        match event["type"].as_str() {
            Some("order.created" | "order.agent_assigned") => Self::Assign,
            _ => Self::Release,
        }
    }

    fn file(self) -> &'static Value {
        static ASSIGN: File = File::new(|| read(include_str!("../events/assign-numbers.json")));
        static RELEASE: File = File::new(|| read(include_str!("../events/release-numbers.json")));
        static REFILL: File = File::new(|| read(include_str!("../events/refill-pool.json")));
        match self {
            Self::Assign => &ASSIGN,
            Self::Release => &RELEASE,
            Self::Refill => &REFILL,
        }
    }
}

/// A message as a queue delivers it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message's id, and the handle of this delivery.
    pub id: String,
    /// The body.
    pub body: String,
    /// How often it was delivered, this time included.
    pub count: u32,
    /// When it was delivered first, in seconds.
    pub first_received_at: u64,
}

/// A batch of messages, as SQS hands them to a function.
pub fn batch(queue: Queue, messages: impl IntoIterator<Item = Delivery>) -> Value {
    let record = &queue.file()["Records"][0];
    let records = messages.into_iter().map(|message| {
        let mut record = record.clone();
        record["messageId"] = message.id.as_str().into();
        record["receiptHandle"] = message.id.into();
        record["body"] = message.body.into();
        let attributes = &mut record["attributes"];
        attributes["ApproximateReceiveCount"] = message.count.to_string().into();
        attributes["ApproximateFirstReceiveTimestamp"] =
            (message.first_received_at * 1000).to_string().into();
        record
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

/// A batch of messages with these bodies, which are delivered for the first time.
pub fn batch_of(queue: Queue, bodies: impl IntoIterator<Item = String>, now: u64) -> Value {
    let message = |(index, body)| Delivery {
        id: format!("message-{index}"),
        body,
        count: 1,
        first_received_at: now,
    };
    batch(queue, bodies.into_iter().enumerate().map(message))
}

/// Who asks whom to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Any switch: `POST /calls/resolve`.
    Switch,
    /// Twilio: `POST /calls/twilio`.
    Twilio,
    /// Exotel: `GET /calls/exotel/{token}`.
    Exotel,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Switch, Self::Twilio, Self::Exotel];

    /// A call of which each detail is recorded.
    pub fn recorded(self) -> Value {
        static SWITCH: File = File::new(|| read(include_str!("../events/resolve-call.json")));
        static TWILIO: File =
            File::new(|| read(include_str!("../events/resolve-call-twilio.json")));
        static EXOTEL: File =
            File::new(|| read(include_str!("../events/resolve-call-exotel.json")));
        let file = match self {
            Self::Switch => &SWITCH,
            Self::Twilio => &TWILIO,
            Self::Exotel => &EXOTEL,
        };
        Value::clone(file)
    }
}

/// A switch asks with this header `Authorization` and this body.
pub fn switch_call(authorization: &str, body: &str) -> Value {
    let mut event = Route::Switch.recorded();
    event["headers"]["authorization"] = authorization.into();
    event["body"] = body.into();
    event
}

/// Twilio asks with this form and signature.
pub fn twilio_call(form: &[(&str, &str)], signature: &str) -> Value {
    let mut event = Route::Twilio.recorded();
    event["headers"]["x-twilio-signature"] = signature.into();
    event["body"] = encoded(form).into();
    event["isBase64Encoded"] = false.into();
    event
}

/// Exotel asks with this token and query.
pub fn exotel_call(token: &str, query: &[(&str, &str)]) -> Value {
    let mut event = Route::Exotel.recorded();
    let path = format!("/calls/exotel/{token}");
    event["requestContext"]["http"]["path"] = path.as_str().into();
    event["rawPath"] = path.into();
    event["rawQueryString"] = encoded(query).into();
    event
}

/// The body with which a switch asks.
pub fn switch_body(caller: &str, called: &str) -> String {
    json!({"caller": caller, "called": called, "call_id": "call-1"}).to_string()
}

/// What Twilio posts when someone dials one of its numbers.
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

/// What Exotel asks when someone dials one of its numbers, which it writes as they are
/// dialled in the country with that calling code.
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

/// A number as it is dialled in the country with that calling code, such as `+91`.
pub fn national(code: &str, number: &str) -> String {
    number.strip_prefix(code).map_or_else(|| number.to_owned(), |rest| format!("0{rest}"))
}

/// Fields as a form or a query has them.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

type File = LazyLock<Value>;

fn read(file: &str) -> Value {
    serde_json::from_str(file).expect("an event file is JSON")
}

//! The events that functions are given: order events in batches, and the calls of
//! each carrier. Their form is that of the files in `tests/events`.

use serde_json::{Value, json};
use support::{story, twilio};

use crate::function::{POOL, SHARED_POOL};

const SWITCH: &str = include_str!("../../tests/events/resolve-call.json");
const TWILIO: &str = include_str!("../../tests/events/resolve-call-twilio.json");
const EXOTEL: &str = include_str!("../../tests/events/resolve-call-exotel.json");
const QUEUE: &str = include_str!("../../tests/events/assign-numbers.json");

/// The nth number of a pool; all pools together have fewer than a hundred million.
pub(crate) fn number(n: u64) -> String {
    format!("+6221{n:08}")
}

/// The customer of the nth order.
pub(crate) fn customer(order: u64) -> String {
    format!("+62811{order:08}")
}

/// The nth order is assigned to its two people.
pub(crate) fn assigned(order: u64, pool: &str) -> String {
    assigned_to(order, order, pool)
}

/// The nth order is assigned to an agent who may be on others too, in a shared pool.
pub(crate) fn shared(order: u64, agent: u64) -> String {
    assigned_to(order, agent, SHARED_POOL)
}

fn assigned_to(order: u64, agent: u64, pool: &str) -> String {
    let (customer, agent) = (customer(order), format!("+62812{agent:08}"));
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    let mut event = story::assigned(&format!("o-{order}"), 1, &people);
    event["pool"] = pool.into();
    event.to_string()
}

/// The nth order is completed.
pub(crate) fn completed(order: u64) -> String {
    story::event("completed", &format!("o-{order}"), 2).to_string()
}

/// An operator imports a number that is there already.
pub(crate) fn imported() -> String {
    json!({"type": "pool.import", "pool": POOL, "numbers": [number(0)]}).to_string()
}

/// A batch of messages, as SQS hands them to a function.
pub(crate) fn batch(bodies: impl IntoIterator<Item = String>) -> Value {
    let mut event = parsed(QUEUE);
    let record = event["Records"][0].clone();
    let records = bodies.into_iter().enumerate().map(|(index, body)| {
        let mut record = record.clone();
        record["messageId"] = format!("message-{index}").into();
        record["body"] = body.into();
        record
    });
    event["Records"] = records.collect();
    event
}

/// Who asks whom to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Switch,
    Twilio,
    Exotel,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Connect,
    Reject,
    Forbidden,
}

impl Carrier {
    pub(crate) const ALL: [Self; 3] = [Self::Switch, Self::Twilio, Self::Exotel];

    pub(crate) fn route(self) -> &'static str {
        match self {
            Self::Switch => "POST /calls/resolve",
            Self::Twilio => "POST /calls/twilio",
            Self::Exotel => "GET /calls/exotel/{token}",
        }
    }

    /// The event of a call that ends so, if `caller` may dial `called`.
    pub(crate) fn asks(self, caller: &str, called: &str, case: Case) -> String {
        let caller = if case == Case::Reject { "+628999999999" } else { caller };
        let signed = |good: &str| match case {
            Case::Forbidden => "x".repeat(good.len()),
            Case::Connect | Case::Reject => good.to_owned(),
        };
        let mut event;
        match self {
            Self::Switch => {
                event = parsed(SWITCH);
                let token = signed(story::SWITCH_TOKEN);
                event["headers"]["authorization"] = format!("Bearer {token}").into();
                let body = json!({"caller": caller, "called": called, "call_id": "call-1"});
                event["body"] = body.to_string().into();
            }
            Self::Twilio => {
                event = parsed(TWILIO);
                let form = [
                    ("CallSid", "CA00000000000000000000000000000001"),
                    ("From", caller),
                    ("To", called),
                    ("CallStatus", "ringing"),
                    ("Direction", "inbound"),
                ];
                let url = "https://calls.example.com/calls/twilio";
                let signature = twilio::signature(story::TWILIO_TOKEN, url, &form);
                event["headers"]["x-twilio-signature"] = signed(&signature).into();
                event["body"] = encoded(&form).into();
                event["isBase64Encoded"] = false.into();
            }
            Self::Exotel => {
                event = parsed(EXOTEL);
                let national = |number: &str| number.replacen("+62", "0", 1);
                event["rawQueryString"] = encoded(&[
                    ("CallSid", "99530000000000000000000000000001"),
                    ("CallFrom", &national(caller)),
                    ("CallTo", &national(called)),
                    ("Direction", "incoming"),
                ])
                .into();
                let path = format!("/calls/exotel/{}", signed(story::EXOTEL_TOKEN));
                event["rawPath"] = path.as_str().into();
                event["requestContext"]["http"]["path"] = path.into();
            }
        }
        event.to_string()
    }

    /// Whether an answer is that of such a call.
    pub(crate) fn answered(self, case: Case, answer: &[u8]) -> bool {
        let answer: Value = serde_json::from_slice(answer).expect("an HTTP answer is JSON");
        let body = answer["body"].as_str().unwrap_or_default();
        let connects = match self {
            Self::Switch => body.contains(r#""decision":"connect""#),
            Self::Twilio => body.contains("<Dial"),
            Self::Exotel => body.contains("+62812"),
        };
        match case {
            Case::Connect => answer["statusCode"] == 200 && connects,
            Case::Reject => answer["statusCode"] == 200 && !connects,
            Case::Forbidden => answer["statusCode"] == 403,
        }
    }
}

impl Case {
    pub(crate) const ALL: [Self; 3] = [Self::Connect, Self::Reject, Self::Forbidden];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reject => "reject",
            Self::Forbidden => "bad signature or token",
        }
    }
}

fn parsed(file: &str) -> Value {
    serde_json::from_str(file).expect("an event file is JSON")
}

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

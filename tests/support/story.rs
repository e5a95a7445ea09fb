//! Events, announcements, numbers and tokens of stories, in the test's own process and on a
//! deployed stack alike.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub const SWITCH_TOKEN: &str = "token-of-a-switch";
/// Twilio's auth token.
pub const TWILIO_TOKEN: &str = "auth-token-of-twilio-0123456789ab";
/// The token in Exotel's path.
pub const EXOTEL_TOKEN: &str = "path-token-of-exotel";

/// `+62215` followed by these five digits.
pub fn number(number: u32) -> String {
    format!("+62215{number:05}")
}

/// The number of each role in an announcement.
pub fn numbers_in(announcement: &Value) -> BTreeMap<String, String> {
    let participants = announcement["participants"].as_array().expect("participants");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    participants.iter().map(|it| (text(&it["role"]), text(&it["number"]))).collect()
}

/// An assignment of people, given by role and phone.
pub fn assigned(order_id: &str, version: u64, people: &[(&str, &str)]) -> Value {
    let participants: Vec<Value> =
        people.iter().map(|(role, phone)| json!({"role": role, "phone": phone})).collect();
    json!({
        "type": "order.agent_assigned",
        "order_id": order_id,
        "version": version,
        "participants": participants,
    })
}

/// An order event that has no other fields.
pub fn event(kind: &str, order_id: &str, version: u64) -> Value {
    json!({"type": format!("order.{kind}"), "order_id": order_id, "version": version})
}

pub fn released(order_id: &str, version: u64, reason: &str) -> Value {
    json!({"type": "numbers.released", "order_id": order_id, "version": version, "reason": reason})
}

pub fn unavailable(order_id: &str, version: u64, pool: &str) -> Value {
    json!({"type": "numbers.unavailable", "order_id": order_id, "version": version, "pool": pool})
}

/// A provider secret with every webhook on. Numbers in national form are Indonesian.
pub fn provider_secret() -> Value {
    provider_secret_in("ID")
}

/// The same, for another country.
pub fn provider_secret_in(country: &str) -> Value {
    json!({
        "resolve": {"tokens": [SWITCH_TOKEN]},
        "twilio": {"auth_tokens": [TWILIO_TOKEN]},
        "exotel": {"webhook_tokens": [EXOTEL_TOKEN], "country": country},
    })
}

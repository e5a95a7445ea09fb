//! Reads the fields of JSON that other systems wrote. Each field is checked on its own. An
//! error names the field and a reason, and never quotes the value, which may be a phone.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// A field has a value that is not allowed. Safe to log: it does not quote the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The path of the field, such as `participants[1].phone`.
    pub field: String,
    /// What the field must be, such as `must be a string`.
    pub reason: Cow<'static, str>,
}

impl Invalid {
    /// Makes the error of a field from the field's path and a reason.
    pub fn new(field: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// Prefixes the field with the object that it belongs to: `phone` inside
    /// `participants[1]` becomes `participants[1].phone`.
    #[must_use]
    pub fn inside(self, parent: &str) -> Self {
        Self { field: format!("{parent}.{}", self.field), ..self }
    }
}

/// Reads a text that must be one JSON object; `what` names the text in the error.
///
/// # Errors
///
/// The text is not JSON, or not an object.
pub fn object(text: &str, what: &str) -> Result<Map<String, Value>, Invalid> {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Invalid::new(what, "must be a JSON object")),
        Err(_) => Err(Invalid::new(what, "must be JSON")),
    }
}

/// Reads the body of a message, which must be one JSON object. If the message is still inside
/// the envelope of the service that carried it, the error says how to have it taken out.
///
/// # Errors
///
/// The body is not JSON, not an object, or an envelope.
pub fn message(body: &str) -> Result<Map<String, Value>, Invalid> {
    let fields = object(body, "body")?;
    match envelope(&fields) {
        Some(reason) => Err(Invalid::new("body", reason)),
        None => Ok(fields),
    }
}

/// Recognises an envelope. A message has a `type`, which no envelope has.
/// Source: Amazon SNS Developer Guide, "Amazon SNS message delivery formats"; Amazon EventBridge
/// User Guide, "Events in Amazon EventBridge".
fn envelope(fields: &Map<String, Value>) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    if has(&["type"]) {
        None
    } else if has(&["Type", "TopicArn", "Message"]) {
        Some("is an SNS notification: turn on raw message delivery for the subscription")
    } else if has(&["detail-type", "detail", "source"]) {
        Some("is an EventBridge event: set the InputPath of the target to $.detail")
    } else {
        None
    }
}

/// Reads a required string.
///
/// # Errors
///
/// The field is missing, `null`, or not a string.
pub fn string<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Invalid> {
    optional_string(fields, name)?.ok_or_else(|| Invalid::new(name, "is missing"))
}

/// Reads an optional string. `null` counts as missing.
///
/// # Errors
///
/// The field is not a string.
pub fn optional_string<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Invalid::new(name, "must be a string")),
    }
}

/// Reads a required unsigned whole number.
///
/// # Errors
///
/// The field is missing, `null`, or not an unsigned 64-bit whole number.
pub fn unsigned(fields: &Map<String, Value>, name: &str) -> Result<u64, Invalid> {
    optional_unsigned(fields, name)?.ok_or_else(|| Invalid::new(name, "is missing"))
}

/// Reads an optional unsigned whole number. `null` counts as missing.
///
/// # Errors
///
/// The field is not an unsigned 64-bit whole number.
pub fn optional_unsigned(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| Invalid::new(name, "must be an unsigned 64-bit whole number")),
    }
}

/// Reads a required list.
///
/// # Errors
///
/// The field is missing, `null`, or not a list.
pub fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Err(Invalid::new(name, "is missing")),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(Invalid::new(name, "must be a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_named_with_what_to_do_about_it() {
        for (body, error) in [
            (
                r#"{"Type":"Notification","TopicArn":"arn:aws:sns:x","Message":"{\"type\":1}"}"#,
                "body: is an SNS notification: turn on raw message delivery for the subscription",
            ),
            (
                r#"{"version":"0","detail-type":"order","source":"shop","detail":{"type":"x"}}"#,
                "body: is an EventBridge event: set the InputPath of the target to $.detail",
            ),
        ] {
            assert_eq!(message(body).unwrap_err().to_string(), error);
        }
        for message_of_its_own in [
            r#"{"type":"x","detail-type":"order","source":"shop","detail":{}}"#,
            r#"{"type":"x","Type":"Notification","TopicArn":"arn","Message":""}"#,
            r#"{"Message":"x"}"#,
        ] {
            assert!(message(message_of_its_own).is_ok(), "{message_of_its_own}");
        }
    }
}

//! Reading JSON that others wrote: each field is checked on its own, and what is
//! wrong is told by the field's name and a reason, never by its value, since a
//! phone may stand in any of them.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// A field holds something that it must not. Safe to log: it names no value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The path of the field, such as `participants[1].phone`.
    pub field: String,
    /// What it must be instead.
    pub reason: Cow<'static, str>,
}

impl Invalid {
    /// Says what is wrong with a field.
    pub fn new(field: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// Puts the name of the object in front that the field belongs to.
    #[must_use]
    pub fn inside(self, parent: &str) -> Self {
        Self { field: format!("{parent}.{}", self.field), ..self }
    }
}

/// Reads a text that must be one JSON object; `what` names it in the error.
pub fn object(text: &str, what: &str) -> Result<Map<String, Value>, Invalid> {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Invalid::new(what, "must be a JSON object")),
        Err(_) => Err(Invalid::new(what, "must be JSON")),
    }
}

/// Reads a string that must be there.
pub fn string<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Invalid> {
    optional_string(fields, name)?.ok_or_else(|| Invalid::new(name, "is missing"))
}

/// Reads a string that may be left out, or be `null`.
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

/// Reads an unsigned whole number that must be there.
pub fn unsigned(fields: &Map<String, Value>, name: &str) -> Result<u64, Invalid> {
    optional_unsigned(fields, name)?.ok_or_else(|| Invalid::new(name, "is missing"))
}

/// Reads an unsigned whole number that may be left out.
pub fn optional_unsigned(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| Invalid::new(name, "must be an unsigned 64-bit whole number")),
    }
}

/// Reads a list that must be there.
pub fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Err(Invalid::new(name, "is missing")),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(Invalid::new(name, "must be a list")),
    }
}

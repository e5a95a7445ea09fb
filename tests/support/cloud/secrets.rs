//! Secrets, by their name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::Reply;

#[derive(Debug, Default)]
pub struct Secrets(Mutex<HashMap<String, String>>);

impl Secrets {
    pub(super) fn answer(&self, operation: &str, request: &Value) -> Reply {
        assert_eq!(operation, "GetSecretValue", "no function asks for more");
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match request["SecretId"].as_str().and_then(|name| texts.get(name)) {
            Some(text) => Reply::done(json!({ "SecretString": text }).to_string()),
            None => Reply::refused("ResourceNotFoundException"),
        }
    }

    /// Sets a secret. Without a text, it can not be read.
    pub fn given(&self, name: &str, text: Option<String>) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Some(text) => texts.insert(name.to_owned(), text),
            None => texts.remove(name),
        };
    }
}

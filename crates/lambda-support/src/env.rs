//! Configuration from the environment, which only `main` reads.

use std::env;

/// A variable that a function can't start without.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {0} is not set; the template sets it")]
pub struct Missing(pub &'static str);

/// Reads a variable that must be set.
pub fn required(name: &'static str) -> Result<String, Missing> {
    optional(name).ok_or(Missing(name))
}

/// Reads a variable that may be missing or empty.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

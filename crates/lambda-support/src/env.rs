//! Configuration from the environment, which only `main` reads.

use std::env;

/// Reads a variable that must be set. The error is a line for `main` to end with.
pub fn required(name: &'static str) -> Result<String, String> {
    optional(name)
        .ok_or_else(|| format!("environment variable {name} is not set; the template sets it"))
}

/// Reads a variable that may be missing or empty.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

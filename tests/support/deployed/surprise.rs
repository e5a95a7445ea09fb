//! What is wrong is told in words, not by a panic, since the demo tells it to a person.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How long something may take that happens at once on an idle machine, on a busy one.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Something is not as the contract says.
#[derive(Debug)]
pub struct Surprise(String);

/// What a story comes to.
pub type Result<T = ()> = std::result::Result<T, Surprise>;

impl Surprise {
    /// Says what is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    pub(super) fn of<E: std::error::Error>(doing: &str) -> impl FnOnce(E) -> Self {
        move |error| {
            let mut text = format!("{doing}: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            Self(text)
        }
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Surprise {}

/// Compares what was seen with what the contract says.
pub fn check<T: PartialEq + fmt::Debug>(what: &str, seen: &T, expected: &T) -> Result {
    if seen == expected {
        return Ok(());
    }
    Err(Surprise(format!("{what}\n  expected: {expected:?}\n      seen: {seen:?}")))
}

/// Compares two pieces of JSON.
pub fn check_json(what: &str, seen: &Value, expected: &Value) -> Result {
    if seen == expected {
        return Ok(());
    }
    Err(Surprise(format!("{what}\n  expected: {expected}\n      seen: {seen}")))
}

/// Tries until there is no surprise, and tells the last one if there always is.
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(last) if deadline <= Instant::now() => {
                let seconds = patience.as_secs();
                return Err(Surprise(format!("{what}: not within {seconds} s\n  {last}")));
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Reads a text as JSON.
///
/// # Errors
///
/// It is none.
pub(super) fn json_of(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|_| Surprise(format!("not JSON: {text}")))
}

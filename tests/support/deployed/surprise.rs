//! The errors of stories: in words and not as panics, since the demo shows them to a person.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// How long a busy machine may take for what an idle one does at once.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Something that is not as the contract says.
#[derive(Debug)]
pub struct Surprise(String);

/// The result of a story or of a step.
pub type Result<T = ()> = std::result::Result<T, Surprise>;

impl Surprise {
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

/// Compares a value with what the contract says.
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

/// Tries until there is no surprise. After `patience`, returns the last one.
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

/// Runs a command, and returns its output.
pub(super) async fn output_of(what: &str, command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().await.map_err(Surprise::of(what))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(Surprise(format!("{what}: {}", String::from_utf8_lossy(&done.stderr))))
}

pub(super) fn json_of(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|_| Surprise(format!("not JSON: {text}")))
}

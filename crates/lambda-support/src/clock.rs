//! The clock, which only `main` reads: handlers are given it, and tests give
//! them another.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 began.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

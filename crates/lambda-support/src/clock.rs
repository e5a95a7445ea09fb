//! The clock of a function. `main` uses the system's time; tests set their own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock. Rules count whole seconds, and figures milliseconds. Clones share one source of
/// time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self(Arc::new(since_the_epoch))
    }

    /// A clock that reads the time from `unix_seconds`.
    pub fn new(unix_seconds: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || Duration::from_secs(unix_seconds())))
    }

    /// The time, in seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> u64 {
        (self.0)().as_secs()
    }

    /// The time, in milliseconds since the Unix epoch.
    pub fn unix_millis(&self) -> u64 {
        u64::try_from((self.0)().as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.unix_seconds())
    }
}

/// The time of this machine, in seconds since the Unix epoch.
pub fn unix_seconds() -> u64 {
    since_the_epoch().as_secs()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn since_the_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_machine_counts_seconds_and_milliseconds_since_the_epoch() {
        let (clock, before) = (Clock::system(), unix_seconds());
        let (seconds, millis) = (clock.unix_seconds(), clock.unix_millis());
        // 2026-01-01.
        assert!(1_767_225_600 < before && before <= seconds);
        assert!(seconds <= millis / 1000 && millis / 1000 <= unix_seconds());
    }
}

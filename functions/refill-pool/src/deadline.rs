//! The time that a batch may take.

use std::time::Duration;

/// A batch stops this long before Lambda's own deadline: enough for the writes that
/// follow a purchase.
const MARGIN: Duration = Duration::from_secs(5);

/// The time that a batch may take. `deadline_ms` is Lambda's deadline in milliseconds,
/// `unix_seconds` the current time in seconds, both since the Unix epoch.
pub fn time_for(deadline_ms: u64, unix_seconds: u64) -> Duration {
    let deadline = Duration::from_millis(deadline_ms);
    deadline.saturating_sub(Duration::from_secs(unix_seconds)).saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_over_before_lambda_ends_it() {
        assert_eq!(time_for(1_000_060_000, 1_000_000), Duration::from_secs(55));
        for deadline_ms in [1_000_005_000, 1_000_000_000, 0] {
            assert_eq!(time_for(deadline_ms, 1_000_000), Duration::ZERO, "{deadline_ms}");
        }
    }
}

//! The wait of a message for something that may take an hour. The message goes around a queue
//! of its own, with a delay each time, and carries the history of its wait along.
//!
//! A delayed message is not in flight. If a long visibility timeout delayed it instead, it
//! would be, and a standard queue with about 120,000 messages in flight delivers nothing more.
//! Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".

use aws_lambda_events::sqs::SqsMessage;

/// How long a message has waited, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When the wait began, in seconds since the Unix epoch.
    pub since: u64,
    /// How many delays are over.
    pub delays: u32,
}

/// The message attribute with the beginning of the wait.
pub(super) const SINCE: &str = "waiting_since";
/// The message attribute with the number of delays, the present one included.
pub(super) const DELAYS: &str = "delays";

impl Wait {
    /// A wait that begins at this second.
    pub fn beginning_at(now: u64) -> Self {
        Self { since: now, delays: 0 }
    }

    /// Reads the wait from the attributes of a message. Returns `None` if they do not say when
    /// it began: the wait then begins again. A beginning after `now`, by the clock of another
    /// environment, counts as `now`. Without a count of delays, the longest delay is next.
    pub(super) fn read(message: &SqsMessage, now: u64) -> Option<Self> {
        let value = |name: &str| message.message_attributes.get(name)?.string_value.as_deref();
        let since: u64 = value(SINCE)?.parse().ok()?;
        let delays = value(DELAYS).and_then(|delays| delays.parse().ok()).unwrap_or(u32::MAX);
        Some(Self { since: since.min(now), delays })
    }

    /// The attributes of the message, for its next delivery.
    pub(super) fn attributes(self) -> [(&'static str, String); 2] {
        let delays = self.delays.saturating_add(1);
        [(SINCE, self.since.to_string()), (DELAYS, delays.to_string())]
    }

    /// The next delay in seconds, the longest or up to a third shorter. Messages that began
    /// to wait together would otherwise come back together: most of them find nothing then,
    /// and what comes free a second later lies idle until all of them come again.
    pub(super) fn next_delay(self) -> i32 {
        let longest = self.longest_delay();
        fastrand::i32(longest * 2 / 3..=longest)
    }

    /// The longest that the next delay may be, in seconds: 5, then 10, then 15 each time.
    /// What the message waits for often comes within seconds, and is never left unused for
    /// more than a quarter of a minute.
    fn longest_delay(self) -> i32 {
        match self.delays {
            0 => 5,
            1 => 10,
            _ => 15,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_lambda_events::sqs::SqsMessageAttribute;

    use super::*;

    fn message(attributes: &[(&str, &str)]) -> SqsMessage {
        let mut message = SqsMessage::default();
        for (name, value) in attributes {
            let mut attribute = SqsMessageAttribute::default();
            attribute.string_value = Some((*value).to_owned());
            message.message_attributes.insert((*name).to_owned(), attribute);
        }
        message
    }

    #[test]
    fn a_message_waits_for_five_seconds_then_ten_then_fifteen_each_time_or_a_third_less() {
        let mut wait = Wait::beginning_at(1000);
        let mut delays = Vec::new();
        for _ in 0..5 {
            let longest = wait.longest_delay();
            delays.push(longest);
            let drawn: BTreeSet<i32> = (0..300).map(|_| wait.next_delay()).collect();
            assert_eq!(drawn, (longest * 2 / 3..=longest).collect());
            let attributes = wait.attributes();
            let attributes = attributes.each_ref().map(|(name, value)| (*name, value.as_str()));
            wait = Wait::read(&message(&attributes), 2000).unwrap();
            assert_eq!(wait.since, 1000, "however often it waits");
        }
        assert_eq!(delays, [5, 10, 15, 15, 15]);
        assert_eq!(Wait { since: 0, delays: u32::MAX }.attributes()[1].1, u32::MAX.to_string());
    }

    #[test]
    fn a_malformed_attribute_lets_no_message_wait_for_ever_or_without_a_delay() {
        for since in ["", "-1", "soon", "1e3", "99999999999999999999"] {
            assert_eq!(Wait::read(&message(&[(SINCE, since), (DELAYS, "1")]), 2000), None);
        }
        assert_eq!(Wait::read(&message(&[(DELAYS, "1")]), 2000), None);
        let wait = Wait::read(&message(&[(SINCE, "2001"), (DELAYS, "0")]), 2000);
        assert_eq!(wait, Some(Wait { since: 2000, delays: 0 }), "not longer than from now on");
        for delays in [&[(SINCE, "1000")][..], &[(SINCE, "1000"), (DELAYS, "-1")]] {
            let wait = Wait::read(&message(delays), 2000).unwrap();
            assert_eq!((wait.since, wait.longest_delay()), (1000, 15), "{delays:?}");
        }
    }
}

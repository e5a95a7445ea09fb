//! Moments in whole seconds, which is the unit of the tables.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, in whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The last moment that RFC 3339 can write: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

impl Timestamp {
    /// Makes a moment from Unix seconds. Later moments than RFC 3339 can write become the
    /// last one that it can.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    /// Returns the moment in Unix seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// Returns the moment that is `seconds` later, at most the last of RFC 3339.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self::from_seconds(self.0.saturating_add(seconds))
    }

    /// Parses an RFC 3339 date and time, such as `2026-11-23T10:00:00Z`. Drops a fraction
    /// of a second. A moment before 1970 becomes the beginning of 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self::from_seconds(u64::try_from(moment.unix_timestamp()).unwrap_or(0)))
    }
}

/// Writes RFC 3339 in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = i64::try_from(self.0)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .and_then(|moment| moment.format(&Rfc3339).ok());
        f.write_str(&moment.ok_or(fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let moment = Timestamp::parse("2026-11-23T17:00:00.9+07:00").unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T10:00:00Z");
        assert_eq!(Timestamp::from_seconds(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn another_form_than_rfc_3339_is_refused() {
        for text in ["", "2026-11-23", "1795000000", "2026-11-23T10:00:00", "tomorrow"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}

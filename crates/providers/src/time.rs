//! Times in the answers of providers.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Parses a time such as `Wed, 25 Nov 2026 08:00:00 +0000`, which HTTP's own header `Date`
/// has too, with `GMT`. Returns the seconds since the Unix epoch.
pub(crate) fn rfc_2822(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text.trim(), &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_of_answers_and_of_headers() {
        for text in [
            "Mon, 23 Nov 2026 08:00:00 +0000",
            "Mon, 23 Nov 2026 08:00:00 GMT",
            " Mon, 23 Nov 2026 10:00:00 +0200 ",
        ] {
            assert_eq!(rfc_2822(text), Some(1_795_420_800), "{text}");
        }
        for text in ["", "2026-11-23T08:00:00Z", "Mon, 23 Nov"] {
            assert_eq!(rfc_2822(text), None, "{text}");
        }
    }
}

//! National phone numbers: Exotel writes a number the way it is dialled in its country.

use std::fmt;

/// A country whose national numbers can be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Country(&'static Plan);

/// A country's numbering plan.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    iso: &'static str,
    calling_code: &'static str,
    /// The digit that is dialled before a national number, but is no part of it.
    trunk: Option<char>,
    /// The possible numbers of digits after the calling code.
    lengths: &'static [usize],
}

/// The lengths cover landline and mobile numbers, and toll-free numbers where they can
/// be rented (`1800…` in India, 10 or 11 digits).
/// Source: the national numbering plans as in libphonenumber's metadata.
static PLANS: [Plan; 7] = [
    Plan { iso: "AE", calling_code: "971", trunk: Some('0'), lengths: &[8, 9] },
    Plan { iso: "ID", calling_code: "62", trunk: Some('0'), lengths: &[7, 8, 9, 10, 11, 12] },
    Plan { iso: "IN", calling_code: "91", trunk: Some('0'), lengths: &[10, 11] },
    Plan { iso: "MY", calling_code: "60", trunk: Some('0'), lengths: &[8, 9, 10] },
    Plan { iso: "PH", calling_code: "63", trunk: Some('0'), lengths: &[8, 9, 10] },
    Plan { iso: "SA", calling_code: "966", trunk: Some('0'), lengths: &[9, 10] },
    Plan { iso: "SG", calling_code: "65", trunk: None, lengths: &[8, 10, 11] },
];

impl Country {
    /// Finds the country with that ISO 3166 code, if its numbers can be read.
    pub(crate) fn parse(iso: &str) -> Option<Self> {
        PLANS.iter().find(|plan| plan.iso == iso).map(Self)
    }

    /// The codes of all countries whose numbers can be read.
    pub(crate) fn known() -> Vec<&'static str> {
        PLANS.iter().map(|plan| plan.iso).collect()
    }

    /// Converts a number to E.164 form. Reads it as a number of this country, unless it
    /// begins with `+` or `00`. In India, `09812345678`, `919812345678`, `+919812345678`
    /// and `9812345678` are the same number.
    ///
    /// Digits that can be read both with and without the calling code are read with it,
    /// since a national number is rarely written without its trunk prefix.
    pub(crate) fn e164(self, text: &str) -> Option<String> {
        let text = text.trim();
        if let Some(international) = text.strip_prefix('+').or_else(|| text.strip_prefix("00")) {
            return is_digits(international).then(|| format!("+{international}"));
        }
        if !is_digits(text) {
            return None;
        }
        if text.strip_prefix(self.0.calling_code).is_some_and(|rest| self.is_national(rest)) {
            return Some(format!("+{text}"));
        }
        let national = self.0.trunk.and_then(|trunk| text.strip_prefix(trunk)).unwrap_or(text);
        self.is_national(national).then(|| format!("+{}{national}", self.0.calling_code))
    }

    fn is_national(self, digits: &str) -> bool {
        self.0.lengths.contains(&digits.len()) && !digits.starts_with('0')
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({})", self.0.iso)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(iso: &str, written: &[&str], expected: Option<&str>) {
        for text in written {
            let read = Country::parse(iso).unwrap().e164(text);
            assert_eq!(read.as_deref(), expected, "{iso} {text}");
        }
    }

    #[test]
    fn reads_every_way_to_write_a_number() {
        let written = ["09812345678", "919812345678", "+919812345678", "9812345678"];
        check("IN", &written, Some("+919812345678"));
        let written = ["081211112222", "6281211112222", "+6281211112222", "006281211112222"];
        check("ID", &written, Some("+6281211112222"));
        check("SG", &["61234567", "6561234567", "+6561234567"], Some("+6561234567"));
        check("MY", &["0123456789", "60123456789", "123456789"], Some("+60123456789"));
        check("PH", &["09171234567", "639171234567"], Some("+639171234567"));
        check("AE", &["0501234567", "971501234567"], Some("+971501234567"));
        check("SA", &["0512345678", "966512345678"], Some("+966512345678"));
    }

    #[test]
    fn the_length_distinguishes_a_calling_code_from_the_digits_of_a_number() {
        check("IN", &["9198123456", "09198123456", "919198123456"], Some("+919198123456"));
        check("SG", &["65123456", "6565123456"], Some("+6565123456"));
        check("IN", &["18001234567"], Some("+9118001234567"));
    }

    #[test]
    fn a_plus_that_was_decoded_to_a_space_is_ignored() {
        check("IN", &[" 919812345678"], Some("+919812345678"));
    }

    #[test]
    fn an_international_number_may_be_of_another_country() {
        check("IN", &["+14155550123", "0014155550123"], Some("+14155550123"));
    }

    #[test]
    fn a_text_of_any_other_form_is_no_number() {
        let wrong = ["", "+", "00", "0", "981234567", "981234567890", "09812a45678", "००९८"];
        check("IN", &wrong, None);
        check("ID", &["021500", "21"], None);
    }
}

//! The two kinds of phone number, as types that cannot be confused: [`Phone`], a person's
//! real phone, which must stay secret, and [`Number`], the virtual number that is shown
//! in its place.

use std::fmt;
use std::str::FromStr;

/// A person's real phone, in E.164 form.
///
/// It cannot be printed: its `Debug` form hides every digit, and it has no `Display` and
/// no `Serialize`. Only [`Phone::reveal`] returns the digits, so that a search for that
/// word finds every place that uses them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// A virtual number, in E.164 form. It is rented from a provider and shown to people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(String);

/// A text is not a phone number in E.164 form. The error does not quote the text, which
/// may hold a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in E.164 form: `+`, then 8 to 15 digits")]
pub struct NotE164;

impl Phone {
    /// Returns the phone in E.164 form, such as `+6281211112222`. Use it only for the
    /// routes table, the keyed hash and the answer to a call.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the phone begins with these characters, such as `+62`.
    pub fn begins_with(&self, prefix: &str) -> bool {
        self.0.starts_with(prefix)
    }

    /// Whether the phone is that virtual number: somebody gave it as their own.
    pub fn is(&self, number: &Number) -> bool {
        self.0 == number.0
    }
}

impl Number {
    /// Returns the number in E.164 form, such as `+622150001`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phone {
    type Err = NotE164;

    fn from_str(text: &str) -> Result<Self, NotE164> {
        e164(text).map(Self)
    }
}

impl FromStr for Number {
    type Err = NotE164;

    fn from_str(text: &str) -> Result<Self, NotE164> {
        e164(text).map(Self)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(hidden)")
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the form of an international number: a country code, which never begins with 0,
/// and at most 15 digits in all. Fewer than 8 digits are a short code, not a phone.
/// Source: ITU-T E.164 for the country code and the 15 digits.
fn e164(text: &str) -> Result<String, NotE164> {
    let digits = text.strip_prefix('+').ok_or(NotE164)?;
    let valid = (8..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if valid { Ok(text.to_owned()) } else { Err(NotE164) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_any_other_form_than_e164_is_refused() {
        for valid in ["+12345678", "+6281211112222", "+123456789012345"] {
            assert_eq!(valid.parse::<Phone>().unwrap().reveal(), valid);
        }
        for invalid in [
            "",
            "+",
            "6281211112222",
            "+1234567",
            "+1234567890123456",
            "+62 8121111222",
            "+0281211112222",
            "+62812a1112222",
            "++6281211112",
            "+６２８１２１１１",
            " +6281211112222",
        ] {
            assert_eq!(invalid.parse::<Phone>(), Err(NotE164), "{invalid}");
        }
    }

    #[test]
    fn a_printed_phone_hides_every_digit() {
        let phone: Phone = "+6281211112222".parse().unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(hidden)");
        let printed = format!("{phone:?} {:#?} {:?}", Some(&phone), NotE164);
        assert!(!printed.contains("81211") && !printed.contains("62"), "{printed}");
    }

    #[test]
    fn a_number_is_shown_as_it_is_dialled() {
        let number: Number = "+622150001".parse().unwrap();
        assert_eq!((number.as_str(), number.to_string().as_str()), ("+622150001", "+622150001"));
    }
}

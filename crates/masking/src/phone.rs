//! The two kinds of phone number, which must never be confused: the [`Phone`] of
//! a person, which nobody may see, and the [`Number`] that stands in for it.

use std::fmt;
use std::str::FromStr;

/// A person's real phone, in E.164 form.
///
/// It cannot be printed: its `Debug` form hides every digit, there is no
/// `Display` and no `Serialize`. The digits leave through [`Phone::reveal`]
/// alone, so that a search for that word finds every place where they do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// A virtual number, in E.164 form: rented from a provider and shown to people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(String);

/// The text is not a number in E.164 form. It does not say what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number in E.164 form: `+`, then 8 to 15 digits")]
pub struct NotE164;

impl Phone {
    /// Returns the digits. For the routes table, the keyed hash and a provider's
    /// answer; for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Number {
    /// Returns the number as it is dialled, such as `+622150001`.
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

/// Checks the form that ITU-T E.164 gives international numbers: a country code,
/// which never begins with 0, and at most 15 digits in all.
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
    fn takes_e164_and_nothing_else() {
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
    fn a_phone_shows_no_digit() {
        let phone: Phone = "+6281211112222".parse().unwrap();
        let printed = format!("{phone:?} {:#?} {:?}", Some(&phone), NotE164);
        assert!(!printed.contains("81211") && !printed.contains("62"), "{printed}");
    }
}

//! The id of a call, as it may be logged: the log must never hold a phone, and a switch may
//! send anything as its id.

use std::fmt;

/// A provider's or switch's id of a call.
#[derive(Clone, PartialEq, Eq)]
pub enum CallId {
    /// It can't be a phone, and can't hold one.
    Plain(String),
    /// It may be a phone, or hold one. Only a keyed hash of it may be logged: the same id has
    /// the same hash, and without the key nobody finds the phone by trying all phones.
    PhoneLike(String),
}

/// The longest id that is logged as it is.
const LONGEST: usize = 128;
/// The number of digits of the shortest phone.
const DIGITS_OF_A_PHONE: usize = 8;

impl CallId {
    /// Reads an id; `None` if it is empty.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let is_plain =
            is_uuid(text) || is_hex(text) || is_of_asterisk(text) || holds_no_phone(text);
        let id = if is_plain { Self::Plain } else { Self::PhoneLike };
        Some(id(text.to_owned()))
    }
}

/// Hides an id that may be a phone.
impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(id) => write!(f, "CallId({id})"),
            Self::PhoneLike(_) => f.write_str("CallId(hidden)"),
        }
    }
}

/// A UUID, such as those of `FreeSWITCH`. Its last group may be twelve digits.
fn is_uuid(id: &str) -> bool {
    let groups = id.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// 32 hexadecimal digits, with or without two letters in front.
fn is_hex(id: &str) -> bool {
    let (letters, digits) = id.split_at_checked(id.len().saturating_sub(32)).unwrap_or_default();
    digits.len() == 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (letters.is_empty() || letters.len() == 2)
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// An id of Asterisk, such as `1795555379.42` or `pbx-1795555379.42`: the name of the system,
/// the second of the call and a counter. A phone that begins with 1 has eleven digits, and
/// seconds have ten.
/// Source: Asterisk's documentation of `UNIQUEID`.
fn is_of_asterisk(id: &str) -> bool {
    let (system, id) = id.rsplit_once('-').unwrap_or(("a", id));
    let Some((second, counter)) = id.split_once('.') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    holds_no_phone(system)
        && second.len() == 10
        && second.starts_with('1')
        && digits(second)
        && (1..=6).contains(&counter.len())
        && digits(counter)
}

/// Letters, and digits in runs that are shorter than any phone.
fn holds_no_phone(id: &str) -> bool {
    let known = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte));
    let letters = id.bytes().filter(u8::is_ascii_alphabetic).count();
    known && id.len() <= LONGEST && 0 < letters && longest_run_of_digits(id) < DIGITS_OF_A_PHONE
}

fn longest_run_of_digits(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ids: &[&str], plain: bool) {
        for id in ids {
            let is_plain = matches!(CallId::read(id), Some(CallId::Plain(read)) if read == *id);
            assert_eq!(is_plain, plain, "{id}");
        }
    }

    #[test]
    fn an_id_that_can_not_be_a_phone_is_plain() {
        let longest = "a".repeat(128);
        check(&["b2-7f3a", "a1234567", "1234567-a-1234567", "1700000.1@sip:x_y", &longest], true);
        check(&["1795555379.42", "pbx-1795555379.42", "pbx_2-a-1795555379.1"], true);
        check(
            &["0b6f3a52-1111-4222-8333-123456789012", "00000000-0000-0000-0000-000000000000"],
            true,
        );
        check(&["CA00000000000000000000000000000001", "99530000000000000000000000000001"], true);
    }

    #[test]
    fn an_id_that_could_be_or_hold_a_phone_is_not_plain() {
        let too_long = "a".repeat(129);
        check(&["628-1211-112222", "1234567", "a12345678", "a-12345678-b", "+62a"], false);
        check(&["a b", "é", &too_long, "+6281211112222", "6281211112222.1"], false);
        check(
            &["CA1 +6281211112222 0000000000", "CA-+6281211112222", "call6281211112222abcdef"],
            false,
        );
        // Nearly an id of Asterisk, or a UUID.
        check(&["2795555379.42", "1795555379", "1795555379.", "1795555379.1234567"], false);
        check(&["6281211112222-1795555379.42", "17955553791.42", "1795555379.4x"], false);
        check(
            &[
                "6281211112222-1111-4222-8333-12",
                "62812111-12222",
                "é0000000000000000000000000000000",
            ],
            false,
        );
    }

    #[test]
    fn an_empty_id_is_none() {
        assert_eq!((CallId::read(""), CallId::read(" ")), (None, None));
    }

    #[test]
    fn an_id_that_may_be_a_phone_is_not_printed() {
        assert_eq!(format!("{:?}", CallId::read("6281211112222")), "Some(CallId(hidden))");
    }
}

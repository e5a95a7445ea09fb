//! The question that a provider asks when someone has dialled one of our numbers.

use masking::{Number, Phone};

/// Who is calling, and which number was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The caller and the dialled number, which together identify a route. `None` if the
    /// caller withheld the phone, or if one of the two can't be read.
    pub parties: Option<(Phone, Number)>,
    /// The provider's id of the call, for the log. `None` if it could be something else,
    /// such as a phone.
    pub call_id: Option<String>,
}

/// Returns the text if it looks like a provider's call id: it is logged, and the log
/// must never hold a phone. A phone begins with `+` or has at most 15 digits; the ids
/// of Twilio and Exotel have at least 20 letters and digits.
pub(crate) fn call_id(text: Option<&str>) -> Option<String> {
    let valid = |id: &&str| {
        (20..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.filter(valid).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_can_not_be_a_phone() {
        assert!(call_id(Some("CA00000000000000000000000000000001")).is_some());
        for text in ["", "+6281211112222", "6281211112222", "CA1 +6281211112222 0000000000"] {
            assert_eq!(call_id(Some(text)), None, "{text}");
        }
    }
}

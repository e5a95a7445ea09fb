//! The question that a provider asks when someone has dialled one of our numbers.

use masking::{CallingParty, Number, Phone};

/// Who is calling, and which number was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The caller and the dialled number, which together identify a route.
    pub parties: Result<(Phone, Number), NoParties>,
    /// The provider's id of the call, for the log. `None` if it could be something else,
    /// such as a phone.
    pub call_id: Option<String>,
}

/// Why a call has no caller and number to find a route by. The caller hears the same in
/// each case; the log tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoParties {
    /// The caller withheld the phone.
    Withheld,
    /// The caller's phone can't be read.
    CallerMalformed,
    /// The dialled number can't be read.
    CalledMalformed,
}

impl NoParties {
    /// The word for it in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Withheld => "caller_hidden",
            Self::CallerMalformed => "caller_malformed",
            Self::CalledMalformed => "called_malformed",
        }
    }

    /// Pairs what was read of both. A phone that was withheld comes first: the caller
    /// chose that, whatever else is wrong.
    pub(crate) fn pair(
        caller: Option<CallingParty>,
        called: Option<Number>,
    ) -> Result<(Phone, Number), Self> {
        match (caller, called) {
            (Some(CallingParty::Withheld), _) => Err(Self::Withheld),
            (None, _) => Err(Self::CallerMalformed),
            (_, None) => Err(Self::CalledMalformed),
            (Some(CallingParty::Shown(caller)), Some(called)) => Ok((caller, called)),
        }
    }
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

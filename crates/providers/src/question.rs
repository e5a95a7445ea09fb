//! The question that a provider asks when someone has dialled one of our numbers.

use masking::{CallingParty, Number, Phone};

use crate::call_id::CallId;

/// Who is calling, and which number was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The caller and the dialled number, which together identify a route.
    pub parties: Result<(Phone, Number), NoParties>,
    /// The provider's id of the call, for the log.
    pub call_id: Option<CallId>,
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

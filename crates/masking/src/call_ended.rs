//! What became of a call, as the order system is told. It has no phone and no number.

use serde_json::{Value, json};

use crate::{Roles, Timestamp};

/// A call that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnded {
    /// The order on whose route the call went.
    pub order_id: String,
    /// The provider's id of the call, by which doubles are told.
    pub call_id: String,
    /// Who called whom.
    pub roles: Roles,
    /// What became of the call.
    pub outcome: CallOutcome,
    /// How long the two talked, in seconds.
    pub talk_seconds: u64,
    /// When the report came.
    pub at: Timestamp,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The two talked.
    Completed,
    /// The person who was rung was on the phone, or declined.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// The call could not be made.
    Failed,
    /// The caller hung up before anybody picked up.
    Canceled,
}

impl CallOutcome {
    const ALL: [Self; 5] =
        [Self::Completed, Self::Busy, Self::NoAnswer, Self::Failed, Self::Canceled];

    /// The word in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Reads the word. Providers write it with a hyphen.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.replace('-', "_");
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl CallEnded {
    /// Returns the body of the message, as `docs/contract.md` has it.
    pub fn to_json(&self) -> Value {
        json!({
            "type": "call.ended",
            "order_id": self.order_id,
            "call_id": self.call_id,
            "from": self.roles.caller.as_str(),
            "to": self.roles.callee.as_str(),
            "outcome": self.outcome.as_str(),
            "talk_seconds": self.talk_seconds,
            "at": self.at.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn the_body_is_that_of_the_contract() {
        let role = |role| Role::parse(role).unwrap();
        let ended = CallEnded {
            order_id: "o-1".to_owned(),
            call_id: "CA1".to_owned(),
            roles: Roles { caller: role("customer"), callee: role("agent") },
            outcome: CallOutcome::Completed,
            talk_seconds: 73,
            at: Timestamp::parse("2026-11-23T10:04:11Z").unwrap(),
        };
        let body = json!({
            "type": "call.ended", "order_id": "o-1", "call_id": "CA1", "from": "customer",
            "to": "agent", "outcome": "completed", "talk_seconds": 73,
            "at": "2026-11-23T10:04:11Z",
        });
        assert_eq!(ended.to_json(), body);
    }

    #[test]
    fn an_outcome_is_read_as_providers_write_it() {
        for outcome in CallOutcome::ALL {
            assert_eq!(CallOutcome::parse(outcome.as_str()), Some(outcome));
        }
        assert_eq!(CallOutcome::parse("no-answer"), Some(CallOutcome::NoAnswer));
        assert_eq!(CallOutcome::parse("in-progress"), None);
    }
}

//! What is to become of an order event: decided first, performed by [`Intake`] afterwards.
//!
//! [`Intake`]: crate::Intake

use lambda_support::Chain;
use lambda_support::sqs::{Fate, Refusal};
use masking::{Announcement, Invalid, OrderId};

use crate::{Applied, NotApplied};

/// What is to be announced about an order, and what becomes of the message then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Sent first. If it can't be sent, the message is delivered again.
    pub announcement: Option<Announcement>,
    /// What becomes of the message.
    pub fate: Fate,
}

impl Verdict {
    /// Announces nothing.
    pub fn silent(fate: Fate) -> Self {
        Self { announcement: None, fate }
    }

    /// Announces this, and is done with the message.
    pub fn announce(announcement: Announcement) -> Self {
        Self { announcement: Some(announcement), fate: Fate::Done }
    }

    /// Refuses the message for a field.
    pub fn refuse(why: Invalid) -> Self {
        Self::silent(refusal(why))
    }

    /// What follows from an event that was applied, or was not; `None` if its pool is
    /// dry. Logs the errors after which the event is tried again.
    pub fn of(applied: Result<Applied, NotApplied>, order_id: &OrderId) -> Option<Self> {
        Some(match applied {
            Ok(Applied::Says(announcement)) => Self::announce(announcement),
            Ok(Applied::Ignored) => Self::silent(Fate::Done),
            Ok(Applied::Dry) => return None,
            Err(NotApplied::Refused(why)) => Self::refuse(why),
            Err(error) => Self::again(&error, order_id),
        })
    }

    /// Tries the event again, and logs why.
    pub fn again(error: &NotApplied, order_id: &OrderId) -> Self {
        let error = Chain(error);
        tracing::error!(%error, order.id = %order_id, "an order event is to be tried again");
        Self::silent(Fate::Again)
    }
}

/// The fate of a message with that mistake.
pub fn refusal(why: Invalid) -> Fate {
    Fate::Refuse(Refusal { field: why.field, reason: why.reason })
}

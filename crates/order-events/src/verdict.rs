//! What is to become of an order event: decided first, performed by [`Intake`] afterwards.
//!
//! [`Intake`]: crate::Intake

use std::error::Error;

use lambda_support::Chain;
use lambda_support::sqs::{Fate, Refusal};
use masking::{Announcement, Attempt, Invalid, OrderId, Outcome};
use masking_store::StoreError;

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

    /// What follows from the outcome of an event; `None` if its pool is dry. Logs why
    /// an event is tried again.
    pub fn of(applied: Result<Outcome, StoreError>, order_id: &OrderId) -> Option<Self> {
        Some(match applied {
            Ok(Outcome::Announce(announcement)) => Self::announce(announcement),
            Ok(Outcome::Ignored { .. }) => Self::silent(Fate::Done),
            Ok(Outcome::Dry) => return None,
            Ok(Outcome::Refused(why)) => Self::refuse(why),
            Ok(Outcome::Contended) => Self::again(&Contention, order_id),
            Err(error) => Self::again(&error, order_id),
        })
    }

    /// Tries the event again, and logs why.
    pub fn again(error: &dyn Error, order_id: &OrderId) -> Self {
        let error = Chain(error);
        tracing::error!(%error, order.id = %order_id, "an order event is to be tried again");
        Self::silent(Fate::Again)
    }
}

/// Other writes were at the same rows each time that the event was tried.
#[derive(Debug, thiserror::Error)]
#[error("lost {} times against other writes of the same rows", Attempt::MOST_TRIES)]
struct Contention;

/// The fate of a message with that mistake.
pub fn refusal(why: Invalid) -> Fate {
    Fate::Refuse(Refusal { field: why.field, reason: why.reason })
}

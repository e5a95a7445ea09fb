//! Decides what to announce after an order event, and what becomes of its message. [`Intake`]
//! performs the decision.
//!
//! [`Intake`]: crate::Intake

use std::error::Error;

use lambda_support::Chain;
use lambda_support::sqs::{Fate, Refusal};
use masking::{Announcement, Attempt, OrderEvent, OrderId, Outcome, PoolId, RefusedEvent};

use crate::Applied;

/// The decision on the message of an order event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The announcement to send first. If it cannot be sent, the message is redelivered.
    pub announcement: Option<Announcement>,
    /// The fate of the message after the announcement.
    pub fate: Fate,
}

/// The pool that has too few free numbers for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool {0} is dry")]
pub struct DryPool(pub PoolId);

impl Verdict {
    /// Announces nothing.
    pub fn silent(fate: Fate) -> Self {
        Self { announcement: None, fate }
    }

    /// Announces, and is done with the message.
    pub fn announce(announcement: Announcement) -> Self {
        Self { announcement: Some(announcement), fate: Fate::Done }
    }

    /// Refuses the message because of a wrong field: it goes to the dead-letter queue, and the
    /// order system is told, if the event's order and version can be read.
    pub fn refuse(refused: RefusedEvent) -> Self {
        Self { announcement: Announcement::of_refused(&refused), fate: refusal(refused) }
    }

    /// Decides from the outcome of an event. Logs why an event is tried again.
    ///
    /// # Errors
    ///
    /// The pool is dry, which the function decides itself.
    pub fn of(applied: Applied, event: &OrderEvent) -> Result<Self, DryPool> {
        let order_id = &event.order_id;
        Ok(match applied.outcome {
            Ok(Outcome::Announce(announcement)) => Self::announce(announcement),
            Ok(Outcome::Ignored { .. }) => Self::silent(Fate::Done),
            Ok(Outcome::Dry { pool }) => return Err(DryPool(pool)),
            Ok(Outcome::Refused(why)) => Self::refuse(event.refuse(why)),
            Ok(Outcome::Contended) => Self::again(&Contention, order_id),
            Err(error) => Self::again(&error, order_id),
        })
    }

    /// Has the message redelivered, and logs why.
    pub fn again(error: &dyn Error, order_id: &OrderId) -> Self {
        let error = Chain(error);
        tracing::error!(%error, order.id = %order_id, "an order event is to be tried again");
        Self::silent(Fate::Again)
    }
}

/// The error of an event that lost every try against other writes of the same rows.
#[derive(Debug, thiserror::Error)]
#[error("lost {} times against other writes of the same rows", Attempt::MOST_TRIES)]
struct Contention;

/// The fate of a message with a wrong field: the dead-letter queue.
pub fn refusal(refused: RefusedEvent) -> Fate {
    // An id that may be a phone in the wrong field must not reach the log.
    let order_id = refused.order_id.filter(|order_id| !order_id.may_be_a_phone());
    Fate::Refuse(Refusal {
        order_id: order_id.map(|order_id| order_id.as_str().to_owned()),
        field: refused.invalid.field,
        reason: refused.invalid.reason,
    })
}

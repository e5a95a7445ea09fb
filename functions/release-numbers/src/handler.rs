//! From a batch of order events to what is announced about each.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_support::sqs::{self, Outcome};
use masking::{Asked, Closed, EventKind, Invalid};
use masking_store::Orders;
use order_events::{Applied, Clock, Intake, NoCandidates, NotApplied, Step, apply};

/// What the function works with, made once while it starts.
#[expect(missing_debug_implementations, reason = "the clock has none")]
pub struct ReleaseNumbers {
    /// The three tables, to write a step of an order.
    pub orders: Orders,
    /// Where events come from and announcements go.
    pub intake: Intake,
    /// The time.
    pub clock: Box<Clock>,
}

/// Handles a batch. Events that are to come again are the batch's failures.
pub async fn handle(function: &ReleaseNumbers, event: SqsEvent) -> SqsBatchResponse {
    sqs::for_each(event, async |message| function.handle(message).await).await
}

impl ReleaseNumbers {
    async fn handle(&self, message: &SqsMessage) -> Outcome {
        match self.release(message).await {
            Ok(Applied::Says(announcement)) => self.intake.announce(message, &announcement).await,
            // Nothing is dry where nothing is taken.
            Ok(Applied::Ignored | Applied::Dry) => Outcome::Done,
            Err(error) => self.intake.not_applied(message, error).await,
        }
    }

    async fn release(&self, message: &SqsMessage) -> Result<Applied, NotApplied> {
        let event = Intake::read(message)?;
        let asked = match event.kind {
            EventKind::AgentUnassigned => Asked::Unassign,
            EventKind::Completed => Asked::Close(Closed::Completed),
            EventKind::Cancelled => Asked::Close(Closed::Cancelled),
            EventKind::Created { .. } | EventKind::AgentAssigned(_) => {
                return Err(Invalid::new("type", "belongs on the assign queue").into());
            }
        };
        let step = Step { order_id: &event.order_id, version: event.version, asked };
        apply(&self.orders, &*self.clock, &step, false, &NoCandidates).await
    }
}

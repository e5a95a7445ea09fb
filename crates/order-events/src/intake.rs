//! Where order events come in, and what is said about them.

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_sqs::Client;
use lambda_support::sqs::{self, Consumed, Outcome};
use masking::{Announcement, Invalid, OrderEvent};

use crate::NotApplied;

/// A function's queue of order events, and the queue that it announces on.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: Consumed,
    client: Client,
    number_events_queue_url: String,
}

impl Intake {
    /// Takes events from `queue` and announces on the other.
    pub fn new(
        queue: Consumed,
        client: Client,
        number_events_queue_url: impl Into<String>,
    ) -> Self {
        Self { queue, client, number_events_queue_url: number_events_queue_url.into() }
    }

    /// Opens the connection to the queues; see [`Consumed::warm_up`].
    pub async fn warm_up(&self) {
        self.queue.warm_up().await;
    }

    /// Reads a message as an order event.
    pub fn read(message: &SqsMessage) -> Result<OrderEvent, Invalid> {
        OrderEvent::parse(message.body.as_deref().unwrap_or_default())
    }

    /// Moves a message to the dead-letter queue.
    pub async fn refuse(&self, message: &SqsMessage, why: &Invalid) -> Outcome {
        self.queue.refuse(message, &why.field, &why.reason).await
    }

    /// Says what an order's row says. The event comes again if that can't be said.
    pub async fn announce(&self, message: &SqsMessage, announcement: &Announcement) -> Outcome {
        let body = announcement.to_json().to_string();
        match sqs::send(&self.client, &self.number_events_queue_url, body).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::error!(%error, "an announcement could not be sent");
                self.again_later(message).await
            }
        }
    }

    /// Lets an event that could not be applied come again, or refuses it.
    pub async fn not_applied(&self, message: &SqsMessage, error: NotApplied) -> Outcome {
        match error {
            NotApplied::Refused(why) => self.refuse(message, &why).await,
            NotApplied::Failed(_) | NotApplied::Contended => {
                let order_id = Self::read(message).ok().map(|event| event.order_id.to_string());
                tracing::error!(%error, order.id = order_id, "an order event is to be tried again");
                self.again_later(message).await
            }
        }
    }

    /// Lets an event come again soon.
    pub async fn again_later(&self, message: &SqsMessage) -> Outcome {
        self.queue.again_later(message).await
    }
}

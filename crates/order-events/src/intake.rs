//! The queues of a function: the one that order events come from, and the one that
//! announcements go to.

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_sqs::Client;
use lambda_support::sqs::{self, Delivery, Fate, SourceQueue};
use masking::{Invalid, OrderEvent};

use crate::Verdict;

/// The queues of a function that handles order events.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: SourceQueue,
    client: Client,
    number_events_queue_url: String,
}

/// The result of performing a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Whether an announcement was sent. False if the verdict has none.
    pub announced: bool,
    /// The delivery of the message, for the response to its batch.
    pub delivery: Delivery,
}

impl Intake {
    /// Takes events from `queue`, and sends announcements to the other queue.
    pub fn new(
        queue: SourceQueue,
        client: Client,
        number_events_queue_url: impl Into<String>,
    ) -> Self {
        Self { queue, client, number_events_queue_url: number_events_queue_url.into() }
    }

    /// Opens the connection to the queues; see [`SourceQueue::warm_up`].
    pub async fn warm_up(&self) {
        self.queue.warm_up().await;
    }

    /// Parses a message as an order event.
    ///
    /// # Errors
    ///
    /// Names the first wrong field.
    pub fn read(message: &SqsMessage) -> Result<OrderEvent, Invalid> {
        OrderEvent::parse(message.body.as_deref().unwrap_or_default())
    }

    /// Sends the announcement of a verdict, then settles the message by its fate. If the
    /// announcement cannot be sent, the message is redelivered instead.
    pub async fn perform(&self, message: &SqsMessage, verdict: &Verdict) -> Settlement {
        let Some(announcement) = &verdict.announcement else {
            let delivery = self.queue.settle(message, &verdict.fate).await;
            return Settlement { announced: false, delivery };
        };
        let body = announcement.to_json().to_string();
        let sent = sqs::send(&self.client, &self.number_events_queue_url, body).await;
        let fate = match &sent {
            Ok(()) => &verdict.fate,
            Err(error) => {
                tracing::error!(%error, "an announcement could not be sent");
                &Fate::Again
            }
        };
        Settlement { announced: sent.is_ok(), delivery: self.queue.settle(message, fate).await }
    }
}

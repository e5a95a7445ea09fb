//! A function's queue of order events, and the queue that it announces on.

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_sqs::Client;
use lambda_support::sqs::{self, Delivery, Fate, SourceQueue};
use masking::{Invalid, OrderEvent};

use crate::Verdict;

/// Where order events come from, and where announcements go.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: SourceQueue,
    client: Client,
    number_events_queue_url: String,
}

/// What came of performing a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Performed {
    /// Whether the verdict had an announcement, and it was sent.
    pub announced: bool,
    /// What the response to the batch says about the message.
    pub delivery: Delivery,
}

impl Intake {
    /// Takes events from `queue` and announces on the other.
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

    /// Reads a message as an order event.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong.
    pub fn read(message: &SqsMessage) -> Result<OrderEvent, Invalid> {
        OrderEvent::parse(message.body.as_deref().unwrap_or_default())
    }

    /// Announces what is to be announced, and settles the message. If the announcement
    /// can't be sent, the message is delivered again, whatever its fate was to be.
    pub async fn perform(&self, message: &SqsMessage, verdict: &Verdict) -> Performed {
        let Some(announcement) = &verdict.announcement else {
            let delivery = self.queue.settle(message, &verdict.fate).await;
            return Performed { announced: false, delivery };
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
        Performed { announced: sent.is_ok(), delivery: self.queue.settle(message, fate).await }
    }
}

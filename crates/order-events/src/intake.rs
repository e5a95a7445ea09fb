//! The queues of a function: the one that order events come from, and the one that
//! announcements go to.

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_sqs::Client;
use lambda_support::AwsError;
use lambda_support::sqs::{self, Delivery, Fate, SourceQueue, Wait};
use masking::{Announcement, OrderEvent, RefusedEvent};

use crate::Verdict;

/// The queues of a function that handles order events.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: SourceQueue,
    client: Client,
    number_events_queue_url: String,
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
    pub fn read(message: &SqsMessage) -> Result<OrderEvent, RefusedEvent> {
        OrderEvent::parse(message.body.as_deref().unwrap_or_default())
    }

    /// How long a message has waited; see [`SourceQueue::waited`].
    pub fn waited(&self, message: &SqsMessage, now: u64) -> Option<Wait> {
        self.queue.waited(message, now)
    }

    /// Sends the announcement of a verdict, then settles the message by its fate. If the
    /// announcement cannot be sent, the message is redelivered instead.
    pub async fn perform(&self, message: &SqsMessage, verdict: &Verdict) -> Delivery {
        let fate = match self.announce(verdict.announcement.as_ref()).await {
            Ok(()) => &verdict.fate,
            Err(error) => {
                tracing::error!(%error, "an announcement could not be sent");
                &Fate::Again
            }
        };
        self.queue.settle(message, fate).await
    }

    async fn announce(&self, announcement: Option<&Announcement>) -> Result<(), AwsError> {
        let Some(announcement) = announcement else { return Ok(()) };
        let body = announcement.to_json().to_string();
        sqs::send(&self.client, &self.number_events_queue_url, body).await
    }
}

//! Batches of messages from SQS: each handled on its own, and only the failed
//! ones delivered again.

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::MessageAttributeValue;
use futures_util::future::join_all;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done with, and may be deleted.
    Done,
    /// It is to come again.
    Again,
}

/// Handles the messages of a batch at the same time and reports those that are to
/// come again.
pub async fn for_each(
    event: SqsEvent,
    handle: impl AsyncFn(&SqsMessage) -> Outcome,
) -> SqsBatchResponse {
    let handled = event.records.iter().map(|message| async {
        let again = handle(message).await == Outcome::Again;
        let id = message.message_id.clone().unwrap_or_default();
        again.then(|| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        })
    });
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = join_all(handled).await.into_iter().flatten().collect();
    response
}

/// A queue that a function consumes, and the dead-letter queue for what it refuses.
#[derive(Clone, Debug)]
pub struct Consumed {
    client: Client,
    queue_url: String,
    dead_letter_queue_url: String,
}

/// A message could not be sent, or its visibility not be changed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {reason}")]
pub struct QueueError {
    operation: &'static str,
    reason: String,
}

/// The longest that a failed message waits for its next try.
const LONGEST_WAIT: u64 = 60;
const SHORTEST_WAIT: u64 = 5;

impl Consumed {
    /// The queue at that URL.
    pub fn new(
        client: Client,
        queue_url: impl Into<String>,
        dead_letter_queue_url: impl Into<String>,
    ) -> Self {
        let (queue_url, dead_letter_queue_url) = (queue_url.into(), dead_letter_queue_url.into());
        Self { client, queue_url, dead_letter_queue_url }
    }

    /// Makes the first request, which opens the connection that announcements take too:
    /// while a function starts it has a full processor, later a fraction of one. It
    /// asks for something about a message that does not exist, and is told so.
    pub async fn warm_up(&self) {
        let request = self.client.change_message_visibility().queue_url(&self.queue_url);
        let _ = request.receipt_handle("-").visibility_timeout(0).send().await;
    }

    /// Moves a message that will never do to the dead-letter queue, with field and
    /// reason as the message attribute `reason`. It comes again if that fails, so
    /// that nothing is lost. The log has field and reason too, and nothing else of
    /// the message: a phone may stand in any of its fields.
    pub async fn refuse(&self, message: &SqsMessage, field: &str, reason: &str) -> Outcome {
        tracing::warn!(message.id = message.message_id, field, reason, "refused a message");
        match self.bury(message, &format!("{field}: {reason}")).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::error!(%error, "a refused message could not be moved to its dead-letter queue");
                self.again_later(message).await
            }
        }
    }

    async fn bury(&self, message: &SqsMessage, reason: &str) -> Result<(), QueueError> {
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason)
            .build()
            .map_err(|_| QueueError {
                operation: "SendMessage",
                reason: "no data type".to_owned(),
            })?;
        // SQS takes no empty body, and an empty message still has to be kept.
        let body = message.body.as_deref().filter(|body| !body.is_empty()).unwrap_or("(empty)");
        let mut request = self
            .client
            .send_message()
            .queue_url(&self.dead_letter_queue_url)
            .message_body(body)
            .message_attributes("reason", reason);
        if let Some(group) = message.attributes.get("MessageGroupId") {
            request = request
                .message_group_id(group)
                .set_message_deduplication_id(message.message_id.clone());
        }
        request.send().await.map_err(QueueError::of("SendMessage"))?;
        Ok(())
    }

    /// Lets a message come again soon: after 5 s, doubling to a minute. If that
    /// can't be said, it comes after the queue's visibility timeout.
    pub async fn again_later(&self, message: &SqsMessage) -> Outcome {
        let wait = wait_before(receive_count(message) + 1).as_secs();
        let done = self
            .client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .set_receipt_handle(message.receipt_handle.clone())
            .visibility_timeout(i32::try_from(wait).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = done.map_err(QueueError::of("ChangeMessageVisibility")) {
            tracing::warn!(%error, "a message comes again later than it could");
        }
        Outcome::Again
    }
}

/// Sends a message, to be delivered at least once.
pub async fn send(client: &Client, queue_url: &str, body: String) -> Result<(), QueueError> {
    let request = client.send_message().queue_url(queue_url).message_body(body);
    request.send().await.map_err(QueueError::of("SendMessage"))?;
    Ok(())
}

/// Sends a message to a FIFO queue.
pub async fn send_in_group(
    client: &Client,
    queue_url: &str,
    group: &str,
    deduplication_id: String,
    body: String,
) -> Result<(), QueueError> {
    let request = client
        .send_message()
        .queue_url(queue_url)
        .message_body(body)
        .message_group_id(group)
        .message_deduplication_id(deduplication_id);
    request.send().await.map_err(QueueError::of("SendMessage"))?;
    Ok(())
}

/// How often a message was received, this time included.
pub fn receive_count(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// When a message was first received, in seconds since 1970.
pub fn first_received_at(message: &SqsMessage) -> Option<u64> {
    let moment = message.attributes.get("ApproximateFirstReceiveTimestamp")?;
    moment.parse::<u64>().ok().map(|milliseconds| milliseconds / 1000)
}

/// How long a message waits before it is received for the nth time.
fn wait_before(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(2).min(10);
    Duration::from_secs((SHORTEST_WAIT << doublings).min(LONGEST_WAIT))
}

impl QueueError {
    /// Takes an error of the SDK; the service's own words may quote a message.
    fn of<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        move |error| {
            let reason = match error.as_service_error() {
                Some(refusal) => refusal.code().unwrap_or("without a code").to_owned(),
                None => error.to_string(),
            };
            Self { operation, reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_five_seconds_to_a_minute() {
        let waits: Vec<u64> = (2..=8).map(|count| wait_before(count).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(wait_before(u32::MAX).as_secs(), 60);
    }
}

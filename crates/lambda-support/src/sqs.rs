//! Batches of messages from SQS: each handled on its own, and only the failed
//! ones delivered again.

use std::borrow::Cow;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use futures_util::future::join_all;

use crate::errors::AwsError;

/// What is to become of a message. Handlers decide it; [`SourceQueue::settle`] does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The message is done with.
    Done,
    /// It can't be handled now, and is delivered again soon.
    Again,
    /// It can never be handled, and goes to the dead-letter queue.
    Refuse(Refusal),
}

/// Why a message can never be handled. Safe to log: it quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field that is wrong, such as `participants[1].phone`.
    pub field: String,
    /// What the field must be instead.
    pub reason: Cow<'static, str>,
}

/// What the response to a batch says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// SQS may delete the message.
    Over,
    /// SQS delivers the message again.
    Again,
}

/// Handles the messages of a batch at the same time. The response lists those that are
/// to be delivered again.
pub async fn for_each(
    event: SqsEvent,
    handle: impl AsyncFn(&SqsMessage) -> Delivery,
) -> SqsBatchResponse {
    let handled = event.records.iter().map(|message| async {
        let again = handle(message).await == Delivery::Again;
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

/// The queue that a function consumes, and the dead-letter queue for what it refuses.
#[derive(Clone, Debug)]
pub struct SourceQueue {
    client: Client,
    queue_url: String,
    dead_letter_queue_url: String,
}

/// The longest that a failed message waits for its next try.
const LONGEST_WAIT: u64 = 60;
const SHORTEST_WAIT: u64 = 5;

impl SourceQueue {
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

    /// Does to a message what was decided. If that fails, the message is delivered
    /// again, so that nothing is lost.
    pub async fn settle(&self, message: &SqsMessage, fate: &Fate) -> Delivery {
        match fate {
            Fate::Done => Delivery::Over,
            Fate::Again => self.again_later(message).await,
            Fate::Refuse(refusal) => self.refuse(message, refusal).await,
        }
    }

    /// Moves a message to the dead-letter queue, with field and reason as the message
    /// attribute `reason`. The log has field and reason too, and nothing else of the
    /// message: a phone may stand in any of its fields.
    async fn refuse(&self, message: &SqsMessage, refusal: &Refusal) -> Delivery {
        let Refusal { field, reason } = refusal;
        tracing::warn!(message.id = message.message_id, field, %reason, "refused a message");
        match self.bury(message, &format!("{field}: {reason}")).await {
            Ok(()) => Delivery::Over,
            Err(error) => {
                tracing::error!(%error, "a refused message could not be moved to its dead-letter queue");
                self.again_later(message).await
            }
        }
    }

    async fn bury(&self, message: &SqsMessage, reason: &str) -> Result<(), AwsError> {
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(reason)
            .build()
            .map_err(|_| AwsError::new("SendMessage", "the attribute has no data type"))?;
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
        request.send().await.map_err(AwsError::of("SendMessage"))?;
        Ok(())
    }

    /// Lets a message come again soon: after 5 s, doubling to a minute. If that
    /// can't be said, it comes after the queue's visibility timeout.
    async fn again_later(&self, message: &SqsMessage) -> Delivery {
        let wait = wait_before(receive_count(message) + 1).as_secs();
        let done = self
            .client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .set_receipt_handle(message.receipt_handle.clone())
            .visibility_timeout(i32::try_from(wait).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = done.map_err(AwsError::of("ChangeMessageVisibility")) {
            tracing::warn!(%error, "a message comes again later than it could");
        }
        Delivery::Again
    }
}

/// Sends a message, to be delivered at least once.
pub async fn send(client: &Client, queue_url: &str, body: String) -> Result<(), AwsError> {
    let request = client.send_message().queue_url(queue_url).message_body(body);
    request.send().await.map_err(AwsError::of("SendMessage"))?;
    Ok(())
}

/// Sends a message to a FIFO queue.
pub async fn send_in_group(
    client: &Client,
    queue_url: &str,
    group: &str,
    deduplication_id: String,
    body: String,
) -> Result<(), AwsError> {
    let request = client
        .send_message()
        .queue_url(queue_url)
        .message_body(body)
        .message_group_id(group)
        .message_deduplication_id(deduplication_id);
    request.send().await.map_err(AwsError::of("SendMessage"))?;
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

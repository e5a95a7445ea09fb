//! Batches of SQS messages. Each message is handled on its own, and only the failed
//! ones are delivered again.

mod wait;

use std::borrow::Cow;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use futures_util::future::join_all;

use crate::errors::AwsError;

pub use self::wait::Wait;

/// The decision about a message. Handlers make it; [`SourceQueue::settle`] carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The message is handled.
    Done,
    /// The message can't be handled now, and is delivered again with back-off.
    Again,
    /// The message waits for something, and is delivered again from the waiting queue.
    Wait(Wait),
    /// The message can never be handled, and goes to the dead-letter queue.
    Refuse(Refusal),
}

/// Why a message can never be handled. Safe to log: it quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The order that the message is about, if the message is about one and names it.
    pub order_id: Option<String>,
    /// The field that is wrong, such as `participants[1].phone`.
    pub field: String,
    /// The problem with the field, such as `must be a string`.
    pub reason: Cow<'static, str>,
}

/// The answer to SQS about a message, in the response to its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// SQS may delete the message.
    Over,
    /// SQS delivers the message again.
    Again,
}

/// Handles the messages of a batch concurrently. The response lists the messages that
/// SQS is to deliver again.
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

/// The queue that a function consumes, with the queue where its messages wait, if it has one,
/// and the dead-letter queue for messages that the function refuses.
#[derive(Clone, Debug)]
pub struct SourceQueue {
    client: Client,
    queue_url: String,
    waiting_queue_url: Option<String>,
    dead_letter_queue_url: String,
}

/// The longest back-off before a redelivery, in seconds: a message that waits for
/// something is tried at least once a minute.
const LONGEST_WAIT: u64 = 60;
/// The first back-off, in seconds.
const SHORTEST_WAIT: u64 = 5;

/// The log message of a refusal. The template's filters of `MessageRefused` match it.
const MESSAGE_REFUSED: &str = "refused a message";

impl SourceQueue {
    /// The queue at `queue_url`, with its dead-letter queue.
    pub fn new(
        client: Client,
        queue_url: impl Into<String>,
        dead_letter_queue_url: impl Into<String>,
    ) -> Self {
        let (queue_url, dead_letter_queue_url) = (queue_url.into(), dead_letter_queue_url.into());
        Self { client, queue_url, waiting_queue_url: None, dead_letter_queue_url }
    }

    /// Adds the queue where messages wait, which the function consumes too.
    #[must_use]
    pub fn with_waiting_queue(self, url: impl Into<String>) -> Self {
        Self { waiting_queue_url: Some(url.into()), ..self }
    }

    /// How long a message has waited by `now`, in seconds since the Unix epoch. Returns `None`
    /// if it has not waited. Attributes of other messages than those of the waiting queue are
    /// their sender's, and are not read.
    pub fn waited(&self, message: &SqsMessage, now: u64) -> Option<Wait> {
        self.waiting_queue_of(message).and_then(|_| Wait::read(message, now))
    }

    /// Opens the connection to SQS, which announcements use too: while a function starts
    /// it has a full processor, later a fraction of one. The request names a message
    /// that does not exist, so its error is expected.
    pub async fn warm_up(&self) {
        let request = self.client.change_message_visibility().queue_url(&self.queue_url);
        let _ = request.receipt_handle("-").visibility_timeout(0).send().await;
    }

    /// Carries out a decision about a message. If that fails, the message is delivered
    /// again, so that it is not lost.
    pub async fn settle(&self, message: &SqsMessage, fate: &Fate) -> Delivery {
        match fate {
            Fate::Done => Delivery::Over,
            Fate::Again => self.retry_later(message).await,
            Fate::Wait(wait) => self.wait(message, *wait).await,
            Fate::Refuse(refusal) => self.refuse(message, refusal).await,
        }
    }

    /// Has a message wait: sends a copy of it to the waiting queue, so that the message is
    /// done. If the copy is sent and the message is delivered again nevertheless, each of the
    /// two waits on its own, until the same hour at the latest.
    async fn wait(&self, message: &SqsMessage, wait: Wait) -> Delivery {
        match self.send_to_waiting_queue(message, wait).await {
            Ok(()) => Delivery::Over,
            Err(error) => {
                tracing::error!(%error, "a message could not be sent to its waiting queue");
                self.retry_later(message).await
            }
        }
    }

    /// Sends the body alone, with the attributes of the wait. The sender's attributes, group
    /// and trace stay behind: no function reads them, and with them the copy could have more
    /// than the ten attributes that SQS allows. A body that leaves no room for the attributes of
    /// the wait is not accepted: its message is then retried where it is.
    async fn send_to_waiting_queue(
        &self,
        message: &SqsMessage,
        wait: Wait,
    ) -> Result<(), AwsError> {
        let mut request = self
            .client
            .send_message()
            .set_queue_url(self.waiting_queue_url.clone())
            .set_message_body(message.body.clone())
            .delay_seconds(wait.next_delay());
        for (name, value) in wait.attributes() {
            request = request.message_attributes(name, attribute("Number", value)?);
        }
        request.send().await.map_err(AwsError::of("SendMessage"))?;
        Ok(())
    }

    /// Moves a message to the dead-letter queue, with field and reason in the message
    /// attribute `reason`. Logs them with the order's id, and nothing else of the message: any
    /// of its fields may hold a phone.
    async fn refuse(&self, message: &SqsMessage, refusal: &Refusal) -> Delivery {
        let Refusal { order_id, field, reason } = refusal;
        tracing::warn!(message.id = message.message_id, order.id = order_id, field, %reason, "{MESSAGE_REFUSED}");
        match self.send_to_dead_letter_queue(message, &format!("{field}: {reason}")).await {
            Ok(()) => Delivery::Over,
            Err(error) => {
                tracing::error!(%error, "a refused message could not be moved to its dead-letter queue");
                self.retry_later(message).await
            }
        }
    }

    async fn send_to_dead_letter_queue(
        &self,
        message: &SqsMessage,
        reason: &str,
    ) -> Result<(), AwsError> {
        // SQS accepts no empty body, and an empty message has to be kept too.
        let body = message.body.as_deref().filter(|body| !body.is_empty()).unwrap_or("(empty)");
        let mut request = self
            .client
            .send_message()
            .queue_url(&self.dead_letter_queue_url)
            .message_body(body)
            .message_attributes("reason", attribute("String", reason)?);
        // A message of a standard queue may have a group too, which makes the queue fair. A
        // standard dead-letter queue refuses a message with a deduplication id.
        // Source: Amazon SQS API Reference, `SendMessage`.
        if is_fifo(&self.dead_letter_queue_url) {
            request = request
                .set_message_group_id(message.attributes.get("MessageGroupId").cloned())
                .set_message_deduplication_id(message.message_id.clone());
        }
        request.send().await.map_err(AwsError::of("SendMessage"))?;
        Ok(())
    }

    /// Has a message delivered again with back-off: after 5 s, doubling to a minute. If
    /// the request fails, the queue's visibility timeout applies instead.
    async fn retry_later(&self, message: &SqsMessage) -> Delivery {
        let wait = wait_before(receive_count(message) + 1).as_secs();
        let done = self
            .client
            .change_message_visibility()
            .queue_url(self.waiting_queue_of(message).unwrap_or(&self.queue_url))
            .set_receipt_handle(message.receipt_handle.clone())
            .visibility_timeout(i32::try_from(wait).unwrap_or(i32::MAX))
            .send()
            .await;
        if let Err(error) = done.map_err(AwsError::of("ChangeMessageVisibility")) {
            tracing::warn!(%error, "a message comes again later than it could");
        }
        Delivery::Again
    }

    /// The URL of the waiting queue, if the message came from it. ARN and URL of a queue both
    /// end with its name.
    fn waiting_queue_of(&self, message: &SqsMessage) -> Option<&str> {
        let url = self.waiting_queue_url.as_deref()?;
        let source = message.event_source_arn.as_deref()?.rsplit(':').next();
        (source == url.rsplit('/').next()).then_some(url)
    }
}

/// An attribute of a message to send.
fn attribute(data_type: &str, value: impl Into<String>) -> Result<MessageAttributeValue, AwsError> {
    let attribute = MessageAttributeValue::builder().data_type(data_type).string_value(value);
    attribute.build().map_err(AwsError::not_sent("SendMessage"))
}

/// Sends a message to a standard queue, which delivers it at least once.
///
/// # Errors
///
/// SQS did not accept the message, or its answer was lost.
pub async fn send(client: &Client, queue_url: &str, body: String) -> Result<(), AwsError> {
    let request = client.send_message().queue_url(queue_url).message_body(body);
    request.send().await.map_err(AwsError::of("SendMessage"))?;
    Ok(())
}

/// Sends a message to a FIFO queue, which keeps the order within `group`. The queue
/// drops the message if it received the same `deduplication_id` less than five minutes
/// ago. Source: Amazon SQS Developer Guide, "Exactly-once processing".
///
/// # Errors
///
/// SQS did not accept the message, or its answer was lost.
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

/// Whether a URL is that of a FIFO queue: the names of these queues end in `.fifo`, and those
/// of no other queues do. Source: Amazon SQS Developer Guide, "FIFO queue and message
/// identifiers".
fn is_fifo(queue_url: &str) -> bool {
    queue_url.strip_suffix(".fifo").is_some()
}

/// How often a message was received, this time included; 1 if SQS does not say.
pub fn receive_count(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// The back-off before a message is received for the `receive_count`th time.
fn wait_before(receive_count: u32) -> Duration {
    // Ten doublings exceed the longest wait, and can't overflow.
    let doublings = receive_count.saturating_sub(2).min(10);
    Duration::from_secs((SHORTEST_WAIT << doublings).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_from_five_seconds_to_a_minute() {
        let waits: Vec<u64> = (2..=8).map(|count| wait_before(count).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(wait_before(u32::MAX).as_secs(), 60);
    }
}

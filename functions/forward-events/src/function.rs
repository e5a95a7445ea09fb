//! The function: sends what [`sort()`] made of a batch.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageAttributeValue, SendMessageBatchRequestEntry,
};
use journal::{Batch, Journal};
use lambda_support::{AwsError, Clock};
use tokio::time::Instant;

use crate::parcel::parcels;
use crate::sort::{Message, Sorted, sort};
use crate::{KafkaEvent, Settings};

/// Puts the records of a topic on the order queues.
#[derive(Debug)]
pub struct ForwardEvents {
    client: Client,
    settings: Settings,
    clock: Clock,
    journal: Journal,
}

/// The batch is not forwarded, or not all of it. Lambda repeats it until it is.
#[derive(Debug, thiserror::Error)]
pub enum NotForwarded {
    /// A request failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// SQS did not take a message, for a reason that may pass.
    #[error("SendMessageBatch left a message out: {0}")]
    LeftOut(String),
}

/// The log message of a dead letter. The template's `ForwardRefusedFilter` matches it.
const RECORD_REFUSED: &str = "refused a record";

impl ForwardEvents {
    /// Makes the function from its settings, the client of SQS, clock and journal.
    pub fn new(settings: Settings, client: Client, clock: Clock, journal: Journal) -> Self {
        Self { client, settings, clock, journal }
    }

    /// Forwards a batch: to both queues at once, to each in the order of the batch. Dead letters
    /// come last, those of records that SQS refused among them.
    ///
    /// # Errors
    ///
    /// A part of the batch may not be forwarded. It has to come again, whole.
    pub async fn handle(&self, event: KafkaEvent) -> Result<(), NotForwarded> {
        let began = Instant::now();
        let forwarded = self.forward(&event).await;
        let mut line = Batch::new(if forwarded.is_ok() { "forwarded" } else { "again" });
        line.on_topic = event.age(self.clock.unix_millis());
        line.batch_time = began.elapsed();
        if let Ok(refused) = forwarded {
            line.refused = count(refused);
            line.forwarded = count(event.records().count()) - line.refused;
        }
        self.journal.write(line);
        forwarded.map(drop).inspect_err(|error| tracing::error!(%error, "a batch comes again"))
    }

    /// Returns how many records became dead letters.
    async fn forward(&self, event: &KafkaEvent) -> Result<usize, NotForwarded> {
        let Sorted { assign, release, mut dead_letters } = sort(event);
        let (assign, release) = tokio::join!(
            self.send(&self.settings.assign_queue_url, assign),
            self.send(&self.settings.release_queue_url, release),
        );
        let refused = assign?.into_iter().chain(release?);
        dead_letters.extend(refused.map(|(message, reason)| message.refused(reason)));

        for Message { position, reason, .. } in &dead_letters {
            let (position, reason) = (position.as_str(), reason.as_deref());
            tracing::warn!(position, reason, "{RECORD_REFUSED}");
        }
        let refused = dead_letters.len();
        match self.send(&self.settings.dead_letter_queue_url, dead_letters).await?.pop() {
            None => Ok(refused),
            Some((_, reason)) => Err(NotForwarded::LeftOut(reason)),
        }
    }

    /// Sends messages to a queue, one request after the other. Returns those that SQS refuses for
    /// what they are, each with the reason.
    async fn send(
        &self,
        queue_url: &str,
        messages: Vec<Message>,
    ) -> Result<Vec<(Message, String)>, NotForwarded> {
        let mut refused = Vec::new();
        for parcel in parcels(messages) {
            refused.extend(self.send_parcel(queue_url, parcel).await?);
        }
        Ok(refused)
    }

    async fn send_parcel(
        &self,
        queue_url: &str,
        parcel: Vec<Message>,
    ) -> Result<Vec<(Message, String)>, NotForwarded> {
        let entries: Vec<_> =
            parcel.iter().enumerate().map(entry).collect::<Result<_, AwsError>>()?;
        let request = self.client.send_message_batch().queue_url(queue_url);
        let sent = request.set_entries(Some(entries)).send().await;
        let answer = sent.map_err(AwsError::of("SendMessageBatch"))?;

        let mut refused = Vec::new();
        for (index, message) in parcel.into_iter().enumerate() {
            let id = index.to_string();
            if answer.successful.iter().any(|entry| entry.id == id) {
                continue;
            }
            let failed = answer.failed.iter().find(|entry| entry.id == id);
            let code = failed.map_or("no answer", |entry| entry.code.as_str());
            if !failed.is_some_and(is_the_messages_fault) {
                return Err(NotForwarded::LeftOut(code.to_owned()));
            }
            refused.push((message, format!("value: SQS refuses it: {code}")));
        }
        Ok(refused)
    }
}

fn count(records: usize) -> u64 {
    u64::try_from(records).unwrap_or(u64::MAX)
}

/// An entry of a request: its id is its place.
fn entry((index, message): (usize, &Message)) -> Result<SendMessageBatchRequestEntry, AwsError> {
    let not_sent = AwsError::not_sent("SendMessageBatch");
    let mut entry =
        SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(&message.body);
    if let Some(reason) = &message.reason {
        for (name, text) in [("reason", reason.as_ref()), ("position", message.position.as_str())] {
            let value = MessageAttributeValue::builder().data_type("String").string_value(text);
            let value = value.build().map_err(AwsError::not_sent("SendMessageBatch"))?;
            entry = entry.message_attributes(name, value);
        }
    }
    entry.build().map_err(not_sent)
}

/// Whether SQS would refuse the message again. A throttled sender, or one that may not use the
/// queue's key, is at fault too, but the message is not.
fn is_the_messages_fault(entry: &BatchResultErrorEntry) -> bool {
    let passes = ["Throttl", "Kms", "KMS", "AccessDenied"];
    entry.sender_fault && !passes.iter().any(|word| entry.code.contains(word))
}

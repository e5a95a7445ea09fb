//! Everything that comes out of a queue.

use std::time::Duration;

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, Result, Surprise};

#[derive(Clone, Debug)]
pub struct Message {
    pub body: String,
    /// Why it is a dead letter, if it is one.
    pub reason: Option<String>,
    /// Where in the topic it comes from, if it is a dead letter of forward-events.
    pub position: Option<String>,
}

/// Keeps all messages of a queue for every story that waits for one of them.
#[derive(Debug)]
pub(super) struct Mailbox {
    name: &'static str,
    pub(super) messages: watch::Receiver<Vec<Message>>,
}

impl Mailbox {
    /// Moves messages from the queue into the mailbox as long as the mailbox exists.
    pub(super) fn open(client: &aws_sdk_sqs::Client, name: &'static str, url: &str) -> Self {
        let (sender, messages) = watch::channel(Vec::new());
        let (client, url) = (client.clone(), url.to_owned());
        tokio::spawn(async move {
            while !sender.is_closed() {
                let request = client.receive_message().queue_url(&url).max_number_of_messages(10);
                let request = request.message_attribute_names("All").wait_time_seconds(1);
                let Ok(received) = request.send().await else {
                    sleep(Duration::from_millis(200)).await;
                    continue;
                };
                let mut done = client.delete_message_batch().queue_url(&url);
                for message in received.messages.unwrap_or_default() {
                    let entry = DeleteMessageBatchRequestEntry::builder()
                        .set_id(message.message_id)
                        .set_receipt_handle(message.receipt_handle);
                    if let Ok(entry) = entry.build() {
                        done = done.entries(entry);
                    }
                    let mut attributes = message.message_attributes.unwrap_or_default();
                    let mut text = |name| attributes.remove(name).and_then(|it| it.string_value);
                    let (reason, position) = (text("reason"), text("position"));
                    let message =
                        Message { body: message.body.unwrap_or_default(), reason, position };
                    sender.send_modify(|messages| messages.push(message));
                }
                // A message that is not deleted is delivered again, which stories allow.
                if done.get_entries().is_some() {
                    let _ = done.send().await;
                }
            }
        });
        Self { name, messages }
    }

    /// Waits for messages beyond the first `seen`, and returns their bodies.
    pub(super) async fn after(&self, seen: usize) -> Result<Vec<String>> {
        let mut messages = self.messages.clone();
        let more = timeout(PATIENCE, messages.wait_for(|all| seen < all.len())).await;
        let Ok(Ok(all)) = more else {
            return Err(Surprise::new(format!("nothing more comes in {}", self.name)));
        };
        Ok(all.iter().skip(seen).map(|message| message.body.clone()).collect())
    }

    /// Waits for the message that `find` accepts. The error lists the other messages whose
    /// body contains `about`.
    pub(super) async fn wait_for<T>(
        &self,
        what: &str,
        about: &str,
        find: impl Fn(&Message) -> Option<T>,
    ) -> Result<T> {
        let mut messages = self.messages.clone();
        let found = async {
            let any = |all: &Vec<Message>| all.iter().any(|message| find(message).is_some());
            let all = messages.wait_for(any).await.ok()?;
            all.iter().find_map(&find)
        };
        if let Ok(Some(found)) = timeout(PATIENCE, found).await {
            return Ok(found);
        }
        let all = self.messages.borrow();
        let others: Vec<&str> =
            all.iter().map(|it| it.body.as_str()).filter(|it| it.contains(about)).collect();
        let (name, seconds, others) = (self.name, PATIENCE.as_secs(), others.join("\n    "));
        Err(Surprise::new(format!(
            "{what}\n  expected: within {seconds} s in {name}\n      seen: {others}"
        )))
    }
}

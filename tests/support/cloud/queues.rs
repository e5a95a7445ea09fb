//! Queues that keep the messages and visibility timeouts that they are sent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::Reply;

/// All queues, by their URL.
#[derive(Debug, Default)]
pub struct Queues(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: Vec<Message>,
    waits: Vec<(String, u64)>,
    refusing: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue's URL.
    pub queue: String,
    pub body: String,
    /// The message attribute `reason`.
    pub reason: Option<String>,
    pub group: Option<String>,
    pub deduplication_id: Option<String>,
}

impl Queues {
    pub(super) fn answer(&self, operation: &str, request: &Value) -> Reply {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut state = self.lock();
        match operation {
            "SendMessage" => {
                let queue = text(&request["QueueUrl"]).expect("a queue");
                if state.refusing.contains(&queue) {
                    return Reply::refused("RequestThrottled");
                }
                state.messages.push(Message {
                    queue,
                    body: text(&request["MessageBody"]).expect("a body"),
                    reason: text(&request["MessageAttributes"]["reason"]["StringValue"]),
                    group: text(&request["MessageGroupId"]),
                    deduplication_id: text(&request["MessageDeduplicationId"]),
                });
                Reply::done(json!({"MessageId": "1", "MD5OfMessageBody": ""}).to_string())
            }
            "ChangeMessageVisibility" => {
                let handle = text(&request["ReceiptHandle"]).expect("a handle");
                let seconds = request["VisibilityTimeout"].as_u64().expect("seconds");
                state.waits.push((handle, seconds));
                Reply::done("{}")
            }
            other => unreachable!("no function asks a queue for {other}"),
        }
    }

    /// Makes a queue refuse messages, or accept them again.
    pub fn given_refuses(&self, queue: &str, refuses: bool) {
        let refusing = &mut self.lock().refusing;
        refusing.retain(|other| other != queue);
        if refuses {
            refusing.push(queue.to_owned());
        }
    }

    /// Removes and returns the messages of a queue.
    pub fn take(&self, queue: &str) -> Vec<Message> {
        let messages = &mut self.lock().messages;
        let (taken, rest) = std::mem::take(messages).into_iter().partition(|it| it.queue == queue);
        *messages = rest;
        taken
    }

    /// The same, for a queue whose bodies are JSON.
    pub fn take_json(&self, queue: &str) -> Vec<Value> {
        let read = |message: Message| serde_json::from_str(&message.body).expect("JSON");
        self.take(queue).into_iter().map(read).collect()
    }

    /// Removes and returns the visibility timeouts: receipt handles and seconds.
    pub fn take_waits(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.lock().waits)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

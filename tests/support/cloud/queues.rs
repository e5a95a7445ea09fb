//! Queues that keep the messages and visibility timeouts that they are sent.

use std::collections::BTreeMap;
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
    backed_off: Vec<String>,
    refusing: Vec<String>,
    entry_fault: Option<EntryFault>,
}

/// What SQS says of each entry of a batch whose body has a text in it.
#[derive(Clone, Debug)]
pub struct EntryFault {
    pub text: String,
    pub code: String,
    pub sender_fault: bool,
}

/// The most messages in a request, and the most bytes of a message and of a request.
const MOST_ENTRIES: usize = 10;
const MOST_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue's URL.
    pub queue: String,
    pub body: String,
    /// The message attributes, as texts.
    pub attributes: BTreeMap<String, String>,
    /// The seconds until the queue shows the message.
    pub delay: u64,
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
                state.messages.push(message(queue, request));
                Reply::done(json!({"MessageId": "1", "MD5OfMessageBody": ""}).to_string())
            }
            "SendMessageBatch" => {
                let queue = text(&request["QueueUrl"]).expect("a queue");
                if state.refusing.contains(&queue) {
                    return Reply::refused("RequestThrottled");
                }
                Reply::done(state.send_batch(&queue, &request["Entries"]).to_string())
            }
            "ChangeMessageVisibility" => {
                let handle = text(&request["ReceiptHandle"]).expect("a handle");
                let seconds = request["VisibilityTimeout"].as_u64().expect("seconds");
                state.waits.push((handle, seconds));
                state.backed_off.push(text(&request["QueueUrl"]).expect("a queue"));
                Reply::done("{}")
            }
            other => unreachable!("no function asks a queue for {other}"),
        }
    }

    /// Makes SQS fail some entries of batches, or none.
    pub fn given_fails_entries(&self, fault: Option<EntryFault>) {
        self.lock().entry_fault = fault;
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

    /// Removes and returns the queues whose visibility timeouts were set, by their URLs.
    pub fn take_backed_off(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().backed_off)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sends the entries of a batch, and says of each whether it was sent.
    fn send_batch(&mut self, queue: &str, entries: &Value) -> Value {
        let entries = entries.as_array().expect("entries");
        assert!((1..=MOST_ENTRIES).contains(&entries.len()), "SQS takes ten at most");
        let bytes = |entry: &Value| entry["MessageBody"].as_str().expect("a body").len();
        assert!(entries.iter().map(bytes).sum::<usize>() <= MOST_BYTES, "SQS takes 1 MiB at most");
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let message = message(queue.to_owned(), entry);
            let fault = self.entry_fault.as_ref().filter(|it| message.body.contains(&it.text));
            if let Some(EntryFault { code, sender_fault, .. }) = fault {
                let id = &entry["Id"];
                failed.push(json!({"Id": id, "Code": code, "SenderFault": sender_fault}));
            } else {
                self.messages.push(message);
                let sent = json!({"Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": ""});
                successful.push(sent);
            }
        }
        json!({"Successful": successful, "Failed": failed})
    }
}

/// The message of a request, or of an entry of one.
fn message(queue: String, request: &Value) -> Message {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Message {
        queue,
        body: text(&request["MessageBody"]).expect("a body"),
        attributes: attributes(&request["MessageAttributes"]),
        delay: request["DelaySeconds"].as_u64().unwrap_or(0),
        group: text(&request["MessageGroupId"]),
        deduplication_id: text(&request["MessageDeduplicationId"]),
    }
}

impl Message {
    /// The reason of a dead letter.
    pub fn reason(&self) -> Option<&str> {
        self.attributes.get("reason").map(String::as_str)
    }
}

fn attributes(request: &Value) -> BTreeMap<String, String> {
    let attributes = request.as_object().into_iter().flatten();
    let text = |(name, attribute): (&String, &Value)| {
        assert!(attribute["DataType"].is_string(), "SQS wants a type: {attribute}");
        let value = attribute["StringValue"].as_str().expect("a text").to_owned();
        (name.clone(), value)
    };
    attributes.map(text).collect()
}

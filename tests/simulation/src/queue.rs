//! A queue of SQS: it delivers at least once, in any order, and again what was not
//! deleted in time.

use fastrand::Rng;
use serde_json::{Value, json};

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    name: &'static str,
    messages: Vec<Message>,
    next_id: u64,
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    receive_count: u32,
    first_received_at: Option<u64>,
    visible_at: u64,
}

/// How long a message that was taken stays hidden, in seconds.
const VISIBILITY: u64 = 90;

impl Queue {
    /// An empty queue; its name tells its messages from those of others.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, messages: Vec::new(), next_id: 0 }
    }

    /// Puts a message in.
    pub(crate) fn send(&mut self, body: String) {
        self.next_id += 1;
        let id = format!("{}-{}", self.name, self.next_id);
        let (receive_count, first_received_at, visible_at) = (0, None, 0);
        self.messages.push(Message { id, body, receive_count, first_received_at, visible_at });
    }

    /// Takes up to ten visible messages, any of them, as an event of Lambda.
    pub(crate) fn receive(&mut self, rng: &mut Rng, now: u64) -> Vec<Value> {
        rng.shuffle(&mut self.messages);
        let most = rng.usize(1..=10);
        let visible = self.messages.iter_mut().filter(|it| it.visible_at <= now).take(most);
        visible
            .map(|message| {
                message.receive_count += 1;
                message.visible_at = now + VISIBILITY;
                let first = *message.first_received_at.get_or_insert(now);
                json!({
                    "messageId": message.id,
                    "receiptHandle": message.id,
                    "body": message.body,
                    "attributes": {
                        "ApproximateReceiveCount": message.receive_count.to_string(),
                        "ApproximateFirstReceiveTimestamp": (first * 1000).to_string(),
                    },
                    "messageAttributes": {},
                })
            })
            .collect()
    }

    /// Deletes a message that was done with. Once in a while it is delivered again
    /// all the same.
    pub(crate) fn delete(&mut self, rng: &mut Rng, id: &str, now: u64) {
        if rng.u32(0..10) == 0 {
            self.show(id, now + rng.u64(0..200));
        } else {
            self.messages.retain(|message| message.id != id);
        }
    }

    /// Sets when a message is visible again.
    pub(crate) fn show(&mut self, id: &str, at: u64) {
        if let Some(message) = self.messages.iter_mut().find(|message| message.id == id) {
            message.visible_at = at;
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

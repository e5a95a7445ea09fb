//! An SQS queue: it delivers at least once, in any order, and redelivers messages that were not
//! deleted in time.

use std::collections::BTreeMap;

use fastrand::Rng;
use support::cloud::Message as Sent;
use support::events::Delivery;

pub(crate) struct Queue {
    name: &'static str,
    messages: Vec<Message>,
    next_id: u64,
}

struct Message {
    /// The last delivery. Its count is zero before the first one.
    delivery: Delivery,
    visible_at: u64,
}

/// The visibility timeout of the template, in seconds.
const VISIBILITY: u64 = 90;

impl Queue {
    /// An empty queue. The ids of its messages contain its name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, messages: Vec::new(), next_id: 0 }
    }

    pub(crate) fn send(&mut self, body: String) {
        self.add(body, BTreeMap::new(), 0);
    }

    /// Takes a message that a function sent. It is visible when its delay is over.
    pub(crate) fn send_later(&mut self, sent: Sent, now: u64) {
        self.add(sent.body, sent.attributes, now + sent.delay);
    }

    fn add(&mut self, body: String, attributes: BTreeMap<String, String>, visible_at: u64) {
        self.next_id += 1;
        let id = format!("{}-{}", self.name, self.next_id);
        let delivery =
            Delivery { id, body, attributes, group: None, count: 0, first_received_at: 0 };
        self.messages.push(Message { delivery, visible_at });
    }

    /// Delivers up to ten random visible messages.
    pub(crate) fn receive(&mut self, rng: &mut Rng, now: u64) -> Vec<Delivery> {
        rng.shuffle(&mut self.messages);
        let most = rng.usize(1..=10);
        let visible = self.messages.iter_mut().filter(|it| it.visible_at <= now).take(most);
        let take = |message: &mut Message| {
            message.visible_at = now + VISIBILITY;
            let delivery = &mut message.delivery;
            if delivery.count == 0 {
                delivery.first_received_at = now;
            }
            delivery.count += 1;
            delivery.clone()
        };
        visible.map(take).collect()
    }

    /// Deletes a message. One in ten is delivered again nevertheless.
    pub(crate) fn delete(&mut self, rng: &mut Rng, id: &str, now: u64) {
        if rng.u32(0..10) == 0 {
            self.show(id, now + rng.u64(0..200));
        } else {
            self.remove(id);
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.messages.retain(|message| message.delivery.id != id);
    }

    pub(crate) fn show(&mut self, id: &str, at: u64) {
        if let Some(message) = self.messages.iter_mut().find(|it| it.delivery.id == id) {
            message.visible_at = at;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

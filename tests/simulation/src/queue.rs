//! A queue of SQS: it delivers at least once, in any order, and again what was not
//! deleted in time.

use fastrand::Rng;
use support::events::Delivery;

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    name: &'static str,
    messages: Vec<Message>,
    next_id: u64,
}

#[derive(Debug)]
struct Message {
    /// Its last delivery, or one that never was.
    delivery: Delivery,
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
        let delivery = Delivery { id, body, count: 0, first_received_at: 0 };
        self.messages.push(Message { delivery, visible_at: 0 });
    }

    /// Takes up to ten visible messages, any of them.
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

    /// Deletes a message that was done with. Once in a while it is delivered again
    /// all the same.
    pub(crate) fn delete(&mut self, rng: &mut Rng, id: &str, now: u64) {
        if rng.u32(0..10) == 0 {
            self.show(id, now + rng.u64(0..200));
        } else {
            self.messages.retain(|message| message.delivery.id != id);
        }
    }

    /// Sets when a message is visible again.
    pub(crate) fn show(&mut self, id: &str, at: u64) {
        if let Some(message) = self.messages.iter_mut().find(|it| it.delivery.id == id) {
            message.visible_at = at;
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

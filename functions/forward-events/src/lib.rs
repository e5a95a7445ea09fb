//! Puts the order events of a Kafka topic on the order queues.
//!
//! Trigger: a batch of the topic's records. Promise: each record is sent to the queue where its
//! type belongs, or to the dead-letter queue if SQS can't carry it, before Lambda moves the
//! consumer group past it; a batch fails only when AWS does, and comes again whole.

mod event;
mod function;
mod parcel;
mod settings;
mod sort;

pub use self::event::KafkaEvent;
pub use self::function::{ForwardEvents, NotForwarded};
pub use self::settings::Settings;

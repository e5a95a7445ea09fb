//! Brings a pool of numbers back to its target, and takes numbers in and out by hand.
//!
//! Trigger: pool messages on the refill queue, from operators, the schedule and
//! assign-numbers. Promise: nothing that was bought is lost or bought twice, and a
//! provider in trouble never blocks the queue.

mod by_hand;
mod check;
mod handler;
mod settings;
mod tag;

pub use self::handler::RefillPool;
pub use self::settings::Settings;

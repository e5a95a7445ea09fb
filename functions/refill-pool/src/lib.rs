//! Brings a pool of numbers back to its target, and imports and withdraws numbers for an
//! operator.
//!
//! Trigger: pool messages on the refill queue, from operators, the schedule and
//! assign-numbers. Promise: no bought number is lost or bought twice, and trouble at a
//! provider never blocks the queue.

mod buy;
mod by_hand;
mod check;
mod circulation;
mod closer;
mod deadline;
mod handler;
mod ledger;
mod missing;
mod purchases;
mod reconcile;
mod settings;
mod stop;
mod tag;

pub use self::deadline::time_for;
pub use self::handler::RefillPool;
pub use self::settings::Settings;

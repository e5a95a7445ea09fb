//! Gives an order its numbers.
//!
//! Trigger: `order.created` and `order.agent_assigned` on the assign queue.
//! Promise: no number serves two orders at once, an event that can't be served
//! now comes again, and what is announced is what the order's row says.

mod function;
mod handler;
mod low_water;
mod roster;
mod settings;
mod stock;
mod waits;

pub use self::function::AssignNumbers;
pub use self::settings::Settings;

//! Gives an order its numbers.
//!
//! Trigger: `order.created` and `order.agent_assigned` on the assign queue.
//! Promise: no number of an exclusive pool serves two orders at once, an event that can't
//! be served now is delivered again, and announcements report the saved state of the
//! order.

mod function;
mod handler;
mod low_water;
mod roster;
mod settings;
mod stock;
mod waits;

pub use self::function::AssignNumbers;
pub use self::settings::Settings;

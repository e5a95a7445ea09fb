//! Gives an order its numbers.
//!
//! Trigger: `order.created` and `order.agent_assigned` on the assign queue, and those of them
//! that wait for a dry pool on the waiting queue.
//! Promise: no number of an exclusive pool serves two orders at once, an event that can't
//! be served now is delivered again, and announcements report the saved state of the
//! order.

mod dry_pools;
mod function;
mod handler;
mod low_water;
mod roster;
mod settings;
mod stock;

pub use self::function::AssignNumbers;
pub use self::settings::Settings;

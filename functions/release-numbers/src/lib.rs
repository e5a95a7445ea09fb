//! Takes an order's numbers back.
//!
//! Trigger: `order.agent_unassigned`, `order.completed` and `order.cancelled` on the
//! release queue. Promise: a route that an order no longer needs connects nobody, its
//! number cools down, a closed order stays closed, and announcements report the saved
//! state of the order.

mod function;
mod settings;

pub use self::function::ReleaseNumbers;
pub use self::settings::Settings;

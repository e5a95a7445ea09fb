//! Takes an order's numbers back.
//!
//! Trigger: `order.agent_unassigned`, `order.completed` and `order.cancelled` on the
//! release queue. Promise: what an order no longer needs connects nobody and cools
//! down, a closed order stays closed, and what is announced is what its row says.

mod function;
mod settings;

pub use self::function::ReleaseNumbers;
pub use self::settings::Settings;

//! Tells the order system what became of a call.
//!
//! Trigger: the HTTP API, on routes of their own. Promise: believes only authenticated
//! providers; one read of a route and one message; no caller hears a fault of it.

mod function;
mod settings;

pub use self::function::ReportCall;
pub use self::settings::Settings;

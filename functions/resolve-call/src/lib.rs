//! Answers a provider's question: whom to connect, and which number to show.
//!
//! Trigger: the HTTP API. Promise: one read, no write; only who proves to be a
//! provider is answered; nobody is connected but on a live route; and a telephone
//! provider always gets an answer that it understands.

mod handler;
mod json;
mod settings;

pub use self::handler::ResolveCall;
pub use self::settings::Settings;

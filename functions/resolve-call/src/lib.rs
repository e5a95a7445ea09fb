//! Answers a provider's question: whom to connect, and which number to show.
//!
//! Trigger: the HTTP API. Promise: one read and no write; answers only authenticated
//! providers; connects a caller only on a live route; and gives a telephone provider
//! an answer in its own form even if the tables can't be read.

mod handler;
mod settings;

pub use self::handler::ResolveCall;
pub use self::settings::Settings;

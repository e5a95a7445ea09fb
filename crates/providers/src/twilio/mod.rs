//! Twilio: its voice webhook and its number API.

pub(crate) mod numbers;
pub(crate) mod report;
pub(crate) mod secret;
pub(crate) mod webhook;

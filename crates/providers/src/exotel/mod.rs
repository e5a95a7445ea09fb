//! Exotel: its Connect applet and its number API.

mod country;
pub(crate) mod numbers;
pub(crate) mod report;
pub(crate) mod secret;
pub(crate) mod webhook;

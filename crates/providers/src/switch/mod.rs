//! Any switch that can make an HTTP request. Question and answer are JSON, and a bearer
//! token proves who asks. Switches rent no numbers out.

pub(crate) mod report;
pub(crate) mod secret;
pub(crate) mod webhook;

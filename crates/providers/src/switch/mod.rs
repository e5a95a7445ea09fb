//! Any switch that can make an HTTP request: it asks and is answered in JSON, and a
//! bearer token proves who asks. It rents no numbers out.

pub(crate) mod secret;
pub(crate) mod webhook;

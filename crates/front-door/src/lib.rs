//! The front door of the HTTP API, which resolve-call and report-call share: what an event
//! of the gateway holds, whose a request is, and what a request gets that proves nothing.

mod door;
mod gateway;

pub use self::door::{Admitted, FrontDoor};
pub use self::gateway::{Event, response};

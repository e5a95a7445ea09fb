//! The way of an order event, which assign-numbers and release-numbers share:
//! [`Intake`] reads it from its queue and answers it, [`apply()`] brings the order's
//! row to what the event asks.

mod apply;
mod intake;

pub use self::apply::{Applied, Candidates, NoCandidates, NotApplied, Step, apply};
pub use self::intake::Intake;

use masking::Timestamp;

/// Tells the time. Decisions are made again after a failed write, with a fresh now.
pub type Clock = dyn Fn() -> Timestamp + Send + Sync;

//! The way of an order event, which assign-numbers and release-numbers share:
//! [`Intake`] reads it from its queue, [`apply()`] brings the order's row to what the
//! event asks, a [`Verdict`] says what follows, and [`Intake::perform`] does that.

mod apply;
mod intake;
mod verdict;

pub use self::apply::{Candidates, NoCandidates, Step, apply};
pub use self::intake::{Intake, Performed};
pub use self::verdict::{Verdict, refusal};

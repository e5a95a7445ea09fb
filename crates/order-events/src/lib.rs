//! Handles an order event, for assign-numbers and release-numbers alike: [`Intake`] parses it
//! from its queue, [`apply()`] applies it to the order's row, a [`Verdict`] says what to
//! announce and what becomes of the message, and [`Intake::perform`] does both.

mod apply;
mod intake;
mod verdict;

pub use self::apply::{Candidates, NoCandidates, Step, apply};
pub use self::intake::Intake;
pub use self::verdict::{DryPool, Verdict, refusal};

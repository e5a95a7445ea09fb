//! Handles an order event, for assign-numbers and release-numbers alike: [`Intake`] parses it
//! from its queue, [`apply()`] applies it to the order's row, a [`Verdict`] says what to
//! announce and what becomes of the message, [`Intake::perform`] does both, and a [`Story`]
//! tells the journal.

mod apply;
mod intake;
mod story;
mod verdict;

pub use self::apply::{Applied, Candidates, Effort, NoCandidates, Step, apply};
pub use self::intake::Intake;
pub use self::story::Story;
pub use self::verdict::{DryPool, Verdict, refusal};

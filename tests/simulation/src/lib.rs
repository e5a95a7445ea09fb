//! Runs the real handlers while everything fails that can fail, by seed: those of orders and
//! calls here, and those of refill in `rental`.
//!
//! Orders get their events; queues duplicate, delay and reorder messages; functions die between
//! two requests; requests and answers get lost; the index is stale; calls come at any time.
//! After every write to the tables, `truth` checks what must always hold and, when nothing is
//! left to do, what must hold in the end.
//!
//! The product's code is unchanged: the faults are in the HTTP connector of its AWS clients
//! (`faulty`), the database is embedded, and tokio's clock is paused, so that a schedule takes
//! milliseconds and a seed always has the same result.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a simulation stops at the first surprise"
)]

mod calls;
mod faulty;
mod queue;
pub mod rental;
mod report;
mod run;
#[cfg(test)]
mod scenes;
mod schedule;
mod simulation;
mod truth;

pub use self::faulty::Faults;
pub use self::report::{Report, Violation};
pub use self::run::{Story, shrink};
pub use self::schedule::{Kind, Op, Schedule};

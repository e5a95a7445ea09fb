//! The real handlers in a world where everything that can fail does, by seed.
//!
//! Orders live their lives, a queue duplicates, delays and reorders, functions die
//! between any two requests, requests and answers get lost, the index shows the
//! past, and calls come at any time. After every write that reaches the tables the
//! [`Truth`] checks what must always hold, and at rest what must hold in the end.
//!
//! Product code runs unchanged: the faults sit in the HTTP connector of its AWS
//! clients (`faulty`), the database is embedded, and time is tokio's, paused, so
//! that a schedule costs milliseconds and a seed always tells the same story.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a simulation stops at the first surprise"
)]

mod calls;
mod faulty;
mod queue;
mod report;
mod run;
#[cfg(test)]
mod scenes;
mod schedule;
mod truth;
mod world;

pub use self::faulty::Faults;
pub use self::report::{Report, Violation};
pub use self::run::{run, shrink};
pub use self::schedule::{Kind, Op, Schedule};

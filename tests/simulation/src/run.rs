//! Runs a schedule, and shortens one that fails.

use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::report::{Report, Violation};
use crate::schedule::Schedule;
use crate::simulation::Simulation;

/// A simulation that is drawn from a seed.
pub trait Story: Clone {
    /// Draws it.
    fn draw(seed: u64) -> Self;

    /// How many steps it has.
    fn steps(&self) -> usize;

    /// The same without these steps.
    #[must_use]
    fn without(&self, steps: Range<usize>) -> Self;

    /// The same without faults.
    #[must_use]
    fn calm(&self) -> Self;

    /// Runs it to its end, or to the first violation.
    ///
    /// # Errors
    ///
    /// Something that must hold did not.
    fn run(&self) -> Result<Report, Violation>;
}

impl Story for Schedule {
    fn draw(seed: u64) -> Self {
        Self::drawn(seed)
    }

    fn steps(&self) -> usize {
        self.ops.len()
    }

    fn without(&self, steps: Range<usize>) -> Self {
        let mut shorter = self.clone();
        shorter.ops.drain(steps);
        shorter
    }

    fn calm(&self) -> Self {
        Self { fault_rate: 0, ..self.clone() }
    }

    fn run(&self) -> Result<Report, Violation> {
        in_virtual_time().block_on(async {
            let mut simulation = Simulation::new(self);
            let result = simulation.live(&self.ops).await;
            simulation.end(result)
        })
    }
}

/// A runtime with a paused clock, which skips idle time.
pub(crate) fn in_virtual_time() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime")
}

/// Removes steps that a violation does not need, for at most `time`.
pub fn shrink<S: Story>(story: &S, time: Duration) -> S {
    let until = Instant::now() + time;
    let mut shortest = story.clone();
    let mut chunk = shortest.steps() / 2;
    while 0 < chunk {
        let mut at = 0;
        while at < shortest.steps() && Instant::now() < until {
            let shorter = shortest.without(at..(at + chunk).min(shortest.steps()));
            if shorter.run().is_err() {
                shortest = shorter;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    let calm = shortest.calm();
    if calm.run().is_err() { calm } else { shortest }
}

//! Runs a schedule, and shortens one that fails.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::report::{Report, Violation};
use crate::schedule::Schedule;
use crate::simulation::Simulation;

/// Runs a schedule to its end, or to the first violation.
///
/// # Errors
///
/// Something that must hold did not.
pub fn run(schedule: &Schedule) -> Result<Report, Violation> {
    in_virtual_time().block_on(async {
        let mut simulation = Simulation::new(schedule);
        let result = simulation.live(&schedule.ops).await;
        simulation.end(result)
    })
}

/// A runtime with a paused clock, which skips idle time.
pub(crate) fn in_virtual_time() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime")
}

/// Removes steps that a violation does not need, for at most `time`.
pub fn shrink(schedule: &Schedule, time: Duration) -> Schedule {
    let until = Instant::now() + time;
    let mut shortest = schedule.clone();
    let mut chunk = shortest.ops.len() / 2;
    while 0 < chunk {
        let mut at = 0;
        while at < shortest.ops.len() && Instant::now() < until {
            let mut shorter = shortest.clone();
            let end = (at + chunk).min(shorter.ops.len());
            shorter.ops.drain(at..end);
            if run(&shorter).is_err() {
                shortest = shorter;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    let calm = Schedule { fault_rate: 0, ..shortest.clone() };
    if run(&calm).is_err() { calm } else { shortest }
}

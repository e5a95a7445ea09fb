//! Runs a schedule, and shortens one that fails.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::report::{Report, Violation};
use crate::schedule::Schedule;
use crate::world::World;

/// Runs a schedule to its end, or to the first violation.
///
/// # Errors
///
/// What must always hold did not.
pub fn run(schedule: &Schedule) -> Result<Report, Violation> {
    in_virtual_time().block_on(async {
        let mut world = World::new(schedule);
        let result = world.live(&schedule.ops).await;
        world.end(result)
    })
}

/// A runtime whose clock skips what nobody waits for.
pub(crate) fn in_virtual_time() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime")
}

/// Leaves out what a violation does not need, as far as it is found in that time.
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

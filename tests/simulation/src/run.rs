//! Runs a schedule, and shortens one that fails.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::faulty::Faults;
use crate::schedule::Schedule;
use crate::world::World;

/// What a schedule did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Calls that were answered and checked.
    pub calls: u64,
    /// Batches that functions took.
    pub batches: u64,
    /// Events of assign-numbers that were delivered.
    pub assigns: u64,
    /// Events of release-numbers that were delivered.
    pub releases: u64,
    /// Environments that died.
    pub deaths: u64,
    /// Writes after which everything was checked.
    pub checks: u64,
    /// Faults by kind.
    pub faults: Faults,
}

/// What must never be, and was.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What was found.
    pub found: Vec<String>,
    /// What happened before, one line each.
    pub history: Vec<String>,
}

impl Report {
    /// Adds another one up.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.batches += other.batches;
        self.assigns += other.assigns;
        self.releases += other.releases;
        self.deaths += other.deaths;
        self.checks += other.checks;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}

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

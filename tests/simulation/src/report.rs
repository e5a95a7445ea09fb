//! The results of schedules.

use std::collections::BTreeMap;

use crate::faulty::Faults;

/// Counts of what happened in a schedule.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Calls that were answered and checked.
    pub calls: u64,
    /// Batches that functions received.
    pub batches: u64,
    /// Deliveries of events to assign-numbers.
    pub assigns: u64,
    /// Deliveries of events to release-numbers.
    pub releases: u64,
    /// Environments that died.
    pub deaths: u64,
    /// Writes. Everything is checked after each.
    pub checks: u64,
    /// Injected faults, by kind.
    pub faults: Faults,
    /// What else happened.
    pub counted: BTreeMap<&'static str, u64>,
}

/// A violation of what must hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The problems, in words.
    pub found: Vec<String>,
    /// The history before, a line for each step.
    pub history: Vec<String>,
}

impl Report {
    /// Adds the counts of another report.
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
        for (kind, count) in &other.counted {
            *self.counted.entry(kind).or_default() += count;
        }
    }
}

//! What came of a schedule.

use crate::faulty::Faults;

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

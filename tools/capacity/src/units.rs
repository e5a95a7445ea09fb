//! What the tables charge for: write and read units.
//!
//! A write of a row of up to 1 KB in a transaction takes two write units; the rows of
//! the three tables stay below that. A number's row also stands in the index
//! `available`: where `available_at` changes, its old entry is deleted and a new one
//! put, a unit each. A transaction whose conditions don't hold costs its units too,
//! but those of the index.

use masking::{Plan, Write};

const ROW: u64 = 2;
const INDEX_ENTRY_MOVED: u64 = 2;

/// The write units of a plan that was written.
pub(crate) fn written(plan: &Plan) -> u64 {
    let moved = plan.writes.iter().filter(|write| match write {
        Write::ClaimNumber { .. } | Write::KeepNumber { .. } | Write::ReleaseNumber { .. } => true,
        Write::OpenRoute { .. } | Write::EndRoute { .. } => false,
    });
    lost(plan) + INDEX_ENTRY_MOVED * moved.count() as u64
}

/// The write units of a plan that was tried in vain.
pub(crate) fn lost(plan: &Plan) -> u64 {
    ROW * (1 + plan.writes.len() as u64)
}

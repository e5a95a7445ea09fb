//! The write units of plans.
//!
//! A write of a row of up to 1 KB in a transaction takes two write units; the rows of
//! the three tables stay below that. A number's row also stands in the index
//! `available`: when `available_at` changes, the old entry is deleted and a new one is put, a
//! unit each. A transaction whose conditions fail costs its units too, without those of the
//! index.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>

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

/// The write units of a plan whose conditions failed.
pub(crate) fn lost(plan: &Plan) -> u64 {
    ROW * (1 + plan.writes.len() as u64)
}

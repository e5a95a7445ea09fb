//! The condition of a write, as a value. `masking-store` renders it as an expression of
//! DynamoDB, and `masking-memory` evaluates it.

use crate::{OrderId, PoolId, Timestamp};

/// The condition on a row under which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Holds if all parts hold. An empty list always holds.
    All(Vec<Condition<'a>>),
    /// Holds if at least one part holds. An empty list never holds.
    Any(Vec<Condition<'a>>),
    /// Holds if the fact is true of the row.
    Is(Fact<'a>),
}

/// A fact that is true or false of a row. If there is no row, [`Fact::Absent`] and
/// [`Fact::WithoutPool`] are true, and all others are false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// There is no row.
    Absent,
    /// The number is in circulation.
    InCirculation,
    /// The number is free at that moment.
    FreeAt(Timestamp),
    /// The route may be claimed by any order at that moment.
    ReusableAt(Timestamp),
    /// The number or the route belongs to that order.
    OfOrder(&'a OrderId),
    /// The order's row is at that revision.
    AtRevision(u64),
    /// The order is unassigned.
    Unassigned,
    /// The order's row has a lower version than this.
    VersionBelow(u64),
    /// The order has no pool.
    WithoutPool,
    /// The order has that pool.
    OfPool(&'a PoolId),
}

impl<'a> Condition<'a> {
    /// Returns all facts of the condition, from left to right.
    pub fn facts(&self) -> Vec<Fact<'a>> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::facts).collect(),
            Self::Is(fact) => vec![*fact],
        }
    }
}

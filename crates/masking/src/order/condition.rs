//! What a row must be for a write to be made, as a value. `masking-store` renders it
//! to an expression of DynamoDB, `masking-memory` evaluates it.

use crate::{OrderId, PoolId, Timestamp};

/// What a row must be for a write to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// All of these hold. An empty list always holds.
    All(Vec<Condition<'a>>),
    /// One of these holds. An empty list never holds.
    Any(Vec<Condition<'a>>),
    /// This holds.
    Is(Fact<'a>),
}

/// Something that is so of a row, or is not. Where there is no row, only its absence is.
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
    /// The order's row has a lower version.
    VersionBelow(u64),
    /// The order has no pool.
    WithoutPool,
    /// The order has that pool.
    OfPool(&'a PoolId),
}

impl<'a> Condition<'a> {
    /// The facts in it, in the order in which they stand there.
    pub fn facts(&self) -> Vec<Fact<'a>> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::facts).collect(),
            Self::Is(fact) => vec![*fact],
        }
    }
}

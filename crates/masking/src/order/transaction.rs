//! One transaction of an order, as a value: the new row of the order, and the writes to its
//! numbers and routes.

use super::condition::{Condition, Fact};
use super::row::{KnownRow, Order};
use crate::{Number, OrderId, Phone, PhoneHash, Roles, Timestamp};

/// One transaction: it is written whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The state of the order's row in the table from which the plan was made.
    pub expects: ExpectedRow,
    /// The new row of the order.
    pub order: Order,
    /// The TTL of the order's row: the moment from which DynamoDB may delete it.
    pub ttl: Timestamp,
    /// The writes to numbers and routes. No row is written twice: DynamoDB refuses such a
    /// transaction.
    pub writes: Vec<Write>,
}

/// The row that a plan expects in the orders table. If the stored row differs, nothing is
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedRow {
    /// The row does not exist, or is unassigned, with a lower version and the same pool or
    /// none. Expected by plans that are made without reading the row.
    Free,
    /// The row does not exist.
    Absent,
    /// The row exists and is at this revision.
    Revision(u64),
}

/// A write to the row of a number or a route. [`Write::condition`] is its condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Claims a number for the order. The number must be in circulation and free.
    ClaimNumber {
        /// The number to write.
        number: Number,
        /// When the number is free again: after the order's end and the cool-down.
        available_at: Timestamp,
    },
    /// Changes the end of a number that the order holds.
    KeepNumber {
        /// The number to write.
        number: Number,
        /// When the number is free again: after the order's end and the cool-down.
        available_at: Timestamp,
    },
    /// Releases a number that the order holds.
    ReleaseNumber {
        /// The number to write.
        number: Number,
        /// When the number is free again: after the order's end and the cool-down.
        available_at: Timestamp,
    },
    /// Opens a route from a caller to a phone. The route must be new or reusable. On a number
    /// that the order keeps it may also be the order's own. Orders of shared pools write
    /// only routes; orders of exclusive pools write numbers too.
    OpenRoute {
        /// The number that is dialled.
        number: Number,
        /// The hash of the phone that dials the number.
        caller: PhoneHash,
        /// The phone to ring.
        connect_to: Phone,
        /// The number that the person who is rung sees.
        shown_number: Number,
        /// Who calls whom, for what is told of the call later.
        roles: Roles,
        /// From this moment on, the route connects nobody.
        expires_at: Timestamp,
        /// From this moment on, another order may claim the route.
        reusable_at: Timestamp,
        /// Whether the order already holds the number, so that the route may be its own.
        kept: bool,
    },
    /// Ends a route of the order.
    EndRoute {
        /// The number that is dialled.
        number: Number,
        /// The hash of the phone that dials the number.
        caller: PhoneHash,
        /// From this moment on, the route connects nobody.
        expires_at: Timestamp,
        /// From this moment on, another order may claim the route.
        reusable_at: Timestamp,
        /// Whether to remove the phone from the row, because the end has been reached.
        strip: bool,
    },
}

/// The result of writing a plan. Only [`Commit::Done`] has written anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The whole plan is written.
    Done,
    /// The order's row is not as the plan expects; this is the row.
    Moved(KnownRow),
    /// The order's row is as the plan expects, but the conditions of these writes failed.
    Lost(Vec<Write>),
    /// Another transaction holds the same rows, or the table throttles.
    Busy,
}

impl Plan {
    /// Returns the condition on the order's row under which the plan is written.
    pub fn condition(&self) -> Condition<'_> {
        match self.expects {
            ExpectedRow::Absent => Condition::Is(Fact::Absent),
            ExpectedRow::Revision(revision) => Condition::Is(Fact::AtRevision(revision)),
            ExpectedRow::Free => {
                let without_pool = Condition::Is(Fact::WithoutPool);
                let pool = match &self.order.pool {
                    Some(pool) => {
                        Condition::Any(vec![without_pool, Condition::Is(Fact::OfPool(pool))])
                    }
                    None => without_pool,
                };
                let unassigned = Condition::Is(Fact::Unassigned);
                let older = Condition::Is(Fact::VersionBelow(self.order.version));
                Condition::Any(vec![
                    Condition::Is(Fact::Absent),
                    Condition::All(vec![unassigned, older, pool]),
                ])
            }
        }
    }
}

impl Write {
    /// Returns the condition on the row of the number or route under which the order may
    /// write it at that moment.
    pub fn condition<'a>(&self, order_id: &'a OrderId, now: Timestamp) -> Condition<'a> {
        let is_the_orders = Condition::Is(Fact::OfOrder(order_id));
        match self {
            Self::ClaimNumber { .. } => Condition::All(vec![
                Condition::Is(Fact::InCirculation),
                Condition::Is(Fact::FreeAt(now)),
            ]),
            Self::KeepNumber { .. } | Self::ReleaseNumber { .. } | Self::EndRoute { .. } => {
                is_the_orders
            }
            Self::OpenRoute { kept, .. } => {
                let mut any =
                    vec![Condition::Is(Fact::Absent), Condition::Is(Fact::ReusableAt(now))];
                any.extend(kept.then_some(is_the_orders));
                Condition::Any(any)
            }
        }
    }
}

//! One transaction of an order, as a value: the order's row and the writes to numbers
//! and routes that go with it.

use super::condition::{Condition, Fact};
use super::row::{KnownRow, Order};
use crate::{Number, OrderId, Phone, PhoneHash, Timestamp};

/// One transaction: an order row and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// What the order row must be for the plan to hold.
    pub expects: ExpectedRow,
    /// The order row as it is to be.
    pub order: Order,
    /// When the table may forget the order row.
    pub ttl: Timestamp,
    /// What goes with it; no item of a table stands here twice.
    pub writes: Vec<Write>,
}

/// What an order row must be for a plan to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedRow {
    /// Not there; or unassigned, of a lower version and of no other pool.
    Free,
    /// Not there.
    Absent,
    /// There, at this revision.
    Revision(u64),
}

/// A write to a number or a route, with its condition in words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Takes a number that is in circulation and free now.
    ClaimNumber {
        /// The number.
        number: Number,
        /// When it is free again.
        available_at: Timestamp,
    },
    /// Moves the end of a number that this order holds.
    KeepNumber {
        /// The number.
        number: Number,
        /// When it is free again.
        available_at: Timestamp,
    },
    /// Gives back a number that this order holds.
    ReleaseNumber {
        /// The number.
        number: Number,
        /// When it is free again.
        available_at: Timestamp,
    },
    /// Lets a caller reach someone. The route must be new or reusable, or, on a
    /// number that the order keeps, the order's own. (All that a shared pool's order
    /// claims: the writes to numbers are those of exclusive ones.)
    OpenRoute {
        /// The number that is dialled.
        number: Number,
        /// Who dials it.
        caller: PhoneHash,
        /// The phone to ring.
        connect_to: Phone,
        /// The number that is shown to who is rung.
        shown_number: Number,
        /// When it ends.
        expires_at: Timestamp,
        /// When another order may claim it.
        reusable_at: Timestamp,
        /// Whether the order kept the number, so that the route may be its own.
        kept: bool,
    },
    /// Ends a route of this order.
    EndRoute {
        /// The number that is dialled.
        number: Number,
        /// Who dials it.
        caller: PhoneHash,
        /// When it ends.
        expires_at: Timestamp,
        /// When another order may claim it.
        reusable_at: Timestamp,
        /// Whether it has ended by now, and the phone is to go.
        strip: bool,
    },
}

/// How writing a plan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Everything is written.
    Done,
    /// Nothing is: the order's row is another than the plan was made from.
    Moved(KnownRow),
    /// Nothing is: the conditions of these writes do not hold.
    Lost(Vec<Write>),
    /// Nothing is: another transaction is at the same rows, or the table is busy.
    Busy,
}

impl Plan {
    /// What the order's row must be for the plan to be written.
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
    /// What the row of the number or route must be for an order to write it at that
    /// moment.
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

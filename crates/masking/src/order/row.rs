//! The row of an order in the orders table. Every decision starts from it, and every
//! announcement repeats it.

use super::announcement::{Announcement, ParticipantNumber, ReleaseReason};
use crate::{Allocation, Number, OrderId, Phone, PhoneHash, Pool, PoolId, Role, Roles, Timestamp};

/// The row of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The order's id, which is the key of the row.
    pub order_id: OrderId,
    /// The highest version among the events that the row has taken in.
    pub version: u64,
    /// Grows with every write of the row: optimistic locking. A write has the condition that
    /// the row is still at the revision from which the decision was made. The version cannot
    /// serve for this, since a stale close changes the state and keeps the version.
    pub revision: u64,
    /// The pool of the order's assignments; none before the first assignment.
    pub pool: Option<PoolId>,
    /// The state of the order, with the numbers that it holds.
    pub state: State,
}

/// The row of an order in the table, as far as an attempt knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KnownRow {
    /// The row has not been read. The attempt assumes that the order holds nothing, and the
    /// condition of its write finds out whether that is true.
    Unread,
    /// The row was read, and does not exist.
    Absent,
    /// The row was read, and is this one.
    Present(Order),
}

/// The state of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The order holds numbers until they expire.
    Assigned(Holding),
    /// The order holds no numbers, and may be assigned again.
    Unassigned(Unassigned),
    /// The order is over, and is never assigned again.
    Closed(Closed),
}

/// A state without the numbers that the order holds. The orders table stores it in two words:
/// see [`StateKind::as_str`] and [`StateKind::last_event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// See [`State::Assigned`].
    Assigned,
    /// See [`State::Unassigned`].
    Unassigned(Unassigned),
    /// See [`State::Closed`].
    Closed(Closed),
}

/// The numbers that an assigned order holds, and the terms of its claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holding {
    /// The pool's rules at the time of the claim.
    pub terms: ClaimTerms,
    /// The roles on the order, with the number that stands for each.
    pub participants: Vec<HeldNumber>,
    /// The end of the lease: from this moment on, the order holds nothing.
    pub expires_at: Timestamp,
    /// Whether the event of the row's version still waits for numbers, because the pool was
    /// dry. Its releases are written, and its claims are not.
    pub waiting: bool,
}

/// The rules of a pool that an order fixes when it claims its numbers. A change of the pool
/// applies to later claims only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimTerms {
    /// Whether the order claimed numbers, or routes alone.
    pub allocation: Allocation,
    /// How long the order's numbers and routes stay unused after their end, in seconds.
    pub cooldown_seconds: u64,
    /// How long the order's routes still connect after its completion, in seconds.
    pub grace_seconds: u64,
}

/// A number that an order holds, with the role that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldNumber {
    /// The role that the number stands for.
    pub role: Role,
    /// The number that the other participants dial and see.
    pub number: Number,
    /// The hash of the phone of the person in the role. None while the person's replacement
    /// waits for a dry pool.
    pub caller: Option<PhoneHash>,
}

/// Why an order holds no numbers for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unassigned {
    /// An event took the participants off the order.
    ByEvent,
    /// The assignment had already expired when its event arrived.
    Expired,
}

/// Why an order is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The order ended as planned.
    Completed,
    /// The order ended early.
    Cancelled,
}

/// How long a row is kept after its last change or its expiry, as a tombstone that makes
/// redelivered events stale. Dead-letter queues keep an event for 14 days, and 30 days outlast
/// that twice.
const KEPT_SECONDS: u64 = 30 * 24 * 3600;

impl KnownRow {
    /// Returns the row, if it was read and exists.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Unread | Self::Absent => None,
            Self::Present(order) => Some(order),
        }
    }
}

impl Order {
    /// Returns what the order holds at that moment; nothing once the lease is over.
    pub fn holding(&self, now: Timestamp) -> Option<&Holding> {
        match &self.state {
            State::Assigned(holding) if now < holding.expires_at => Some(holding),
            _ => None,
        }
    }

    /// The TTL of a row that is written now: the moment from which DynamoDB may delete it.
    pub fn ttl(&self, now: Timestamp) -> Timestamp {
        let last = match &self.state {
            State::Assigned(holding) => holding.expires_at.max(now),
            State::Unassigned(_) | State::Closed(_) => now,
        };
        last.after(KEPT_SECONDS)
    }

    /// Makes the announcement of the row as it is at that moment.
    pub fn announcement(&self, now: Timestamp) -> Announcement {
        let reason = match &self.state {
            State::Assigned(holding) if now < holding.expires_at => {
                return Announcement::Assigned {
                    order_id: self.order_id.clone(),
                    version: self.version,
                    pool: self.pool.clone(),
                    expires_at: holding.expires_at,
                    participants: holding
                        .participants
                        .iter()
                        .map(|held| ParticipantNumber {
                            role: held.role.clone(),
                            number: held.number.clone(),
                        })
                        .collect(),
                };
            }
            State::Assigned(_) | State::Unassigned(Unassigned::Expired) => ReleaseReason::Expired,
            State::Unassigned(Unassigned::ByEvent) => ReleaseReason::Unassigned,
            State::Closed(Closed::Completed) => ReleaseReason::Completed,
            State::Closed(Closed::Cancelled) => ReleaseReason::Cancelled,
        };
        Announcement::Released { order_id: self.order_id.clone(), version: self.version, reason }
    }
}

impl State {
    /// Returns the state without the numbers.
    pub fn kind(&self) -> StateKind {
        match self {
            Self::Assigned(_) => StateKind::Assigned,
            Self::Unassigned(why) => StateKind::Unassigned(*why),
            Self::Closed(why) => StateKind::Closed(*why),
        }
    }
}

impl StateKind {
    const ALL: [Self; 5] = [
        Self::Assigned,
        Self::Unassigned(Unassigned::ByEvent),
        Self::Unassigned(Unassigned::Expired),
        Self::Closed(Closed::Completed),
        Self::Closed(Closed::Cancelled),
    ];

    /// Returns the name of the state in the orders table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Unassigned(_) => "unassigned",
            Self::Closed(_) => "closed",
        }
    }

    /// Returns the type of the event that brought the order into the state, as the orders
    /// table names it.
    pub fn last_event(self) -> &'static str {
        match self {
            Self::Assigned | Self::Unassigned(Unassigned::Expired) => "agent_assigned",
            Self::Unassigned(Unassigned::ByEvent) => "agent_unassigned",
            Self::Closed(Closed::Completed) => "completed",
            Self::Closed(Closed::Cancelled) => "cancelled",
        }
    }

    /// Parses a state from the two words of [`StateKind::as_str`] and
    /// [`StateKind::last_event`].
    pub fn parse(state: &str, last_event: &str) -> Option<Self> {
        let is_it = |it: &Self| it.as_str() == state && it.last_event() == last_event;
        Self::ALL.into_iter().find(is_it)
    }
}

impl Holding {
    /// The order's routes: one for each ordered pair of people on the order.
    pub fn routes(&self) -> impl Iterator<Item = HeldRoute<'_>> {
        self.participants.iter().flat_map(|from| {
            self.participants.iter().filter_map(move |to| {
                let (caller, callee) = (from.caller.as_ref()?, to.caller.as_ref()?);
                (from.role != to.role).then_some(HeldRoute {
                    number: &to.number,
                    caller,
                    callee,
                    shown_number: &from.number,
                    caller_role: &from.role,
                    callee_role: &to.role,
                })
            })
        })
    }
}

/// A route that an order's row implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRoute<'a> {
    /// The number that is dialled.
    pub number: &'a Number,
    /// The hash of the phone that dials the number.
    pub caller: &'a PhoneHash,
    /// The hash of the phone that is rung.
    pub callee: &'a PhoneHash,
    /// The number that the person who is rung sees.
    pub shown_number: &'a Number,
    /// The role of the person who calls.
    pub caller_role: &'a Role,
    /// The role of the person who is rung.
    pub callee_role: &'a Role,
}

impl HeldRoute<'_> {
    /// Who calls whom on the route.
    pub fn roles(&self) -> Roles {
        Roles { caller: self.caller_role.clone(), callee: self.callee_role.clone() }
    }
}

impl ClaimTerms {
    /// Copies the rules of a pool as they are now.
    pub fn of(pool: &Pool) -> Self {
        Self {
            allocation: pool.allocation,
            cooldown_seconds: pool.cooldown_seconds,
            grace_seconds: pool.grace_seconds,
        }
    }
}

/// A person on an order, with the real phone and the hash of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// The person's role on the order.
    pub role: Role,
    /// The person's real phone, which routes to this person ring.
    pub phone: Phone,
    /// The hash of the real phone, by which routes of this person are found.
    pub caller: PhoneHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_parsed_from_the_words_that_are_stored() {
        let names = StateKind::ALL.map(|kind| (kind.as_str(), kind.last_event()));
        assert_eq!(
            names,
            [
                ("assigned", "agent_assigned"),
                ("unassigned", "agent_unassigned"),
                ("unassigned", "agent_assigned"),
                ("closed", "completed"),
                ("closed", "cancelled"),
            ]
        );
        for kind in StateKind::ALL {
            assert_eq!(StateKind::parse(kind.as_str(), kind.last_event()), Some(kind));
        }
        assert_eq!(StateKind::parse("closed", "agent_assigned"), None);
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn order(state: State) -> Order {
        let order_id = OrderId::parse("o-1").unwrap();
        Order { order_id, version: 1, revision: 1, pool: None, state }
    }

    /// An order that holds numbers until the second 100.
    fn assigned() -> Order {
        let terms =
            ClaimTerms { allocation: Allocation::Exclusive, cooldown_seconds: 0, grace_seconds: 0 };
        let (participants, expires_at) = (Vec::new(), at(100));
        order(State::Assigned(Holding { terms, participants, expires_at, waiting: false }))
    }

    #[test]
    fn an_order_is_announced_as_assigned_until_it_expires() {
        for (now, reason) in [(99, None), (100, Some(ReleaseReason::Expired))] {
            let announced = match assigned().announcement(at(now)) {
                Announcement::Released { reason, .. } => Some(reason),
                _ => None,
            };
            assert_eq!(announced, reason);
        }
    }

    #[test]
    fn a_row_is_kept_for_thirty_days_after_its_last_change_or_its_expiry() {
        assert_eq!(assigned().ttl(at(99)), at(100 + KEPT_SECONDS));
        assert_eq!(assigned().ttl(at(101)), at(101 + KEPT_SECONDS));
        assert_eq!(order(State::Closed(Closed::Completed)).ttl(at(99)), at(99 + KEPT_SECONDS));
    }
}

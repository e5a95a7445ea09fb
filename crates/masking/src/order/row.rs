//! An order as its row in the orders table says it: the truth that every decision
//! starts from and every announcement repeats.

use super::announcement::{Announcement, ParticipantNumber, ReleaseReason};
use crate::{Allocation, Number, OrderId, Phone, PhoneHash, Pool, PoolId, Role, Timestamp};

/// The row of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The order.
    pub order_id: OrderId,
    /// The highest version of an event that the row has taken in.
    pub version: u64,
    /// Raised by every write of the row, so that a write can be conditioned on the
    /// row being exactly what the decision was computed from. (The version is not
    /// enough: a stale close changes the state and not the version.)
    pub revision: u64,
    /// The pool of its assignments, once it had one.
    pub pool: Option<PoolId>,
    /// What the order is in.
    pub state: State,
}

/// What is known of an order's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KnownRow {
    /// It has not been read: take it for one that holds nothing, and let the
    /// write find out.
    Unread,
    /// It was read; there is none.
    Absent,
    /// It was read.
    Present(Order),
}

/// What an order is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It holds numbers, until they expire.
    Assigned(Holding),
    /// It holds none; it may again.
    Unassigned(Unassigned),
    /// It is over, for good.
    Closed(Closed),
}

/// A state without what the order holds, as the orders table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// See [`State::Assigned`].
    Assigned,
    /// See [`State::Unassigned`].
    Unassigned(Unassigned),
    /// See [`State::Closed`].
    Closed(Closed),
}

/// What an assigned order holds, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holding {
    /// The rules of the pool as they were at the claim.
    pub terms: ClaimTerms,
    /// Who is on the order, with the number that stands for each.
    pub participants: Vec<HeldNumber>,
    /// From this moment on, it holds nothing.
    pub expires_at: Timestamp,
    /// The pool was dry when the row's version came: what that event ended has
    /// ended, what it began is still to come.
    pub waiting: bool,
}

/// The rules of a pool that an order keeps as they were at its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimTerms {
    /// How its numbers were claimed.
    pub allocation: Allocation,
    /// How long what it releases stays unused, in seconds.
    pub cooldown_seconds: u64,
    /// How long its routes connect after completion, in seconds.
    pub grace_seconds: u64,
}

/// A role of an order and the number that stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldNumber {
    /// The role.
    pub role: Role,
    /// The number that the others dial, and see.
    pub number: Number,
    /// Who is in the role; nobody while a replacement waits for a dry pool.
    pub caller: Option<PhoneHash>,
}

/// Why an order holds no numbers for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unassigned {
    /// The order system took its people off.
    ByEvent,
    /// Its assignment was over when it came.
    Expired,
}

/// Why an order is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// It went well.
    Completed,
    /// It did not.
    Cancelled,
}

/// How long the row of an order is kept after its last change or its expiry: the
/// memory against redeliveries. Dead-letter queues keep events for 14 days.
const KEPT_SECONDS: u64 = 30 * 24 * 3600;

impl KnownRow {
    /// The order, where there is one.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Unread | Self::Absent => None,
            Self::Present(order) => Some(order),
        }
    }
}

impl Order {
    /// What the order holds at that moment.
    pub fn holding(&self, now: Timestamp) -> Option<&Holding> {
        match &self.state {
            State::Assigned(holding) if now < holding.expires_at => Some(holding),
            _ => None,
        }
    }

    /// When the table may forget a row written now.
    pub fn ttl(&self, now: Timestamp) -> Timestamp {
        let last = match &self.state {
            State::Assigned(holding) => holding.expires_at.max(now),
            State::Unassigned(_) | State::Closed(_) => now,
        };
        last.after(KEPT_SECONDS)
    }

    /// What the order system and its apps are to know of the order.
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
    /// The state without what the order holds.
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

    /// The name of the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Unassigned(_) => "unassigned",
            Self::Closed(_) => "closed",
        }
    }

    /// The kind of the event that brought an order into the state.
    pub fn last_event(self) -> &'static str {
        match self {
            Self::Assigned | Self::Unassigned(Unassigned::Expired) => "agent_assigned",
            Self::Unassigned(Unassigned::ByEvent) => "agent_unassigned",
            Self::Closed(Closed::Completed) => "completed",
            Self::Closed(Closed::Cancelled) => "cancelled",
        }
    }

    /// Reads a state by its name and the kind of the event that brought the order there.
    pub fn parse(state: &str, last_event: &str) -> Option<Self> {
        let is_it = |it: &Self| it.as_str() == state && it.last_event() == last_event;
        Self::ALL.into_iter().find(is_it)
    }
}

impl Holding {
    /// Who dials which number to reach whom: one route for each ordered pair of
    /// people.
    pub fn routes(&self) -> impl Iterator<Item = HeldRoute<'_>> {
        self.participants.iter().flat_map(|from| {
            self.participants.iter().filter_map(move |to| {
                let (caller, callee) = (from.caller.as_ref()?, to.caller.as_ref()?);
                (from.role != to.role).then_some(HeldRoute {
                    number: &to.number,
                    caller,
                    callee,
                    shown_number: &from.number,
                })
            })
        })
    }
}

/// A route as an order's row implies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRoute<'a> {
    /// The number that is dialled.
    pub number: &'a Number,
    /// Who dials it.
    pub caller: &'a PhoneHash,
    /// Who is rung.
    pub callee: &'a PhoneHash,
    /// The number that is shown to who is rung.
    pub shown_number: &'a Number,
}

impl ClaimTerms {
    /// The rules of a pool as they are now.
    pub fn of(pool: &Pool) -> Self {
        Self {
            allocation: pool.allocation,
            cooldown_seconds: pool.cooldown_seconds,
            grace_seconds: pool.grace_seconds,
        }
    }
}

/// A person on an order, known by phone and by the hash of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// What the person is on the order.
    pub role: Role,
    /// The phone to ring.
    pub phone: Phone,
    /// The hash of the phone.
    pub caller: PhoneHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_is_written() {
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

//! What an order event does to an order, whatever order events come in and
//! however often: the table of the contract, in code.

use crate::order::{Closed, Holding, Order, Person, State, Terms, Unassigned};
use crate::{Invalid, Pool, Timestamp};

/// What an event asks of an order.
#[derive(Clone, Debug)]
pub enum Asked<'a> {
    /// Let these people reach each other until then.
    Assign(Wish<'a>),
    /// Take its people off.
    Unassign,
    /// It is over.
    Close(Closed),
}

/// Who is to be on an order, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// The pool to take numbers from.
    pub pool: &'a Pool,
    /// When the event says that it ends.
    pub expires_at: Option<Timestamp>,
    /// Two to five people, no role and no phone twice.
    pub people: Vec<Person>,
}

/// What is known of an order's row.
#[derive(Clone, Debug)]
pub enum Row {
    /// It has not been read: take it for one that holds nothing, and let the
    /// write find out.
    Unread,
    /// It was read; there is none.
    Absent,
    /// It was read.
    Present(Order),
}

/// What an event does to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Nothing, and nothing is said.
    Ignore(Ignored),
    /// Nothing new: say again what the row says.
    AnnounceAgain,
    /// The order becomes this. Roles without a number need one first.
    Become(Next<'a>),
}

/// Why an event does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The order is over.
    Closed,
    /// The row has taken in a later event.
    Stale,
    /// The row has taken in another event of the same version.
    SameVersion,
}

/// What an order becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// It holds numbers for these people.
    Assigned {
        /// Who they are.
        wish: &'a Wish<'a>,
        /// The rules that hold for it.
        terms: Terms,
        /// Until when.
        expires_at: Timestamp,
    },
    /// It holds none: what it was to hold was over when the event came.
    Expired {
        /// What it was to hold.
        wish: &'a Wish<'a>,
    },
    /// It holds none for now.
    Unassigned,
    /// It is over.
    Closed(Closed),
}

impl Row {
    /// The order, where there is one.
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Unread | Self::Absent => None,
            Self::Present(order) => Some(order),
        }
    }
}

impl Asked<'_> {
    /// Whether the row's last event was of this kind.
    fn is_what_made(&self, state: &State) -> bool {
        matches!(
            (self, state),
            (Self::Assign(_), State::Assigned(_) | State::Unassigned(Unassigned::Expired))
                | (Self::Unassign, State::Unassigned(Unassigned::Told))
        )
    }
}

/// Decides what an event of that version does; the first rule that fits decides.
///
/// An assignment is refused when it names another pool than the order's earlier ones.
pub fn decide<'a>(
    row: &Row,
    version: u64,
    asked: &'a Asked<'_>,
    now: Timestamp,
) -> Result<Decision<'a>, Invalid> {
    if let Some(order) = row.order() {
        match (&order.state, asked) {
            (State::Closed(_), Asked::Close(_)) => return Ok(Decision::AnnounceAgain),
            (State::Closed(_), _) => return Ok(Decision::Ignore(Ignored::Closed)),
            // Closing is final, whatever its version.
            (_, Asked::Close(_)) => {}
            _ if version < order.version => return Ok(Decision::Ignore(Ignored::Stale)),
            _ if version > order.version => {}
            (State::Assigned(Holding { waiting: true, .. }), Asked::Assign(_)) => {}
            (state, _) if asked.is_what_made(state) => return Ok(Decision::AnnounceAgain),
            _ => return Ok(Decision::Ignore(Ignored::SameVersion)),
        }
    }

    let next = match asked {
        Asked::Close(closed) => Next::Closed(*closed),
        Asked::Unassign => Next::Unassigned,
        Asked::Assign(wish) => assign(row.order(), wish, now)?,
    };
    Ok(Decision::Become(next))
}

fn assign<'a>(
    order: Option<&Order>,
    wish: &'a Wish<'_>,
    now: Timestamp,
) -> Result<Next<'a>, Invalid> {
    if order.and_then(|order| order.pool.as_ref()).is_some_and(|pool| *pool != wish.pool.id) {
        return Err(Invalid::new("pool", "must be the pool of the order's earlier assignments"));
    }
    let latest = now.after(wish.pool.max_order_seconds);
    let expires_at = wish.expires_at.map_or(latest, |expires_at| expires_at.min(latest));
    if expires_at <= now {
        return Ok(Next::Expired { wish });
    }
    // An order that is amended keeps the terms of its claim.
    let terms = order
        .and_then(|order| order.holding(now))
        .map_or_else(|| Terms::of(wish.pool), |holding| holding.terms);
    Ok(Next::Assigned { wish, terms, expires_at })
}

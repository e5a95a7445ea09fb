//! Evaluates conditions on rows in memory, and weakens conditions, to show that each part of
//! them is needed.

use masking::{Condition, Fact, Order, OrderId, PoolId, State, Timestamp};

use crate::{NumberRow, RouteRow};

/// A condition in which one fact is replaced by a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakening<'a> {
    /// The fact that is replaced.
    pub fact: Fact<'a>,
    /// The constant: whether the fact is taken to hold always, or never.
    pub always: bool,
    /// The condition with the constant in it.
    pub condition: Condition<'a>,
}

/// Returns every weakening of a condition: each fact in turn is taken to hold always, and
/// never.
pub fn weakenings<'a>(condition: &Condition<'a>) -> Vec<Weakening<'a>> {
    let of_list = |parts: &[Condition<'a>], list: fn(Vec<Condition<'a>>) -> Condition<'a>| {
        let of_part = |(at, part): (usize, &Condition<'a>)| {
            weakenings(part).into_iter().map(move |weakened| (at, weakened)).collect::<Vec<_>>()
        };
        let in_list = |(at, weakened): (usize, Weakening<'a>)| {
            let with = |(index, part): (usize, &Condition<'a>)| {
                if index == at { weakened.condition.clone() } else { part.clone() }
            };
            let condition = list(parts.iter().enumerate().map(with).collect());
            Weakening { condition, ..weakened }
        };
        parts.iter().enumerate().flat_map(of_part).map(in_list).collect()
    };
    match condition {
        Condition::All(parts) => of_list(parts, Condition::All),
        Condition::Any(parts) => of_list(parts, Condition::Any),
        Condition::Is(fact) => {
            let [always, never] = [Condition::All(Vec::new()), Condition::Any(Vec::new())];
            vec![
                Weakening { fact: *fact, always: true, condition: always },
                Weakening { fact: *fact, always: false, condition: never },
            ]
        }
    }
}

/// The attributes of a row that conditions look at. The default stands for a missing row, and
/// for attributes that the table does not have.
#[derive(Default)]
struct Attributes<'a> {
    exists: bool,
    in_circulation: bool,
    available_at: Option<Timestamp>,
    reusable_at: Option<Timestamp>,
    order_id: Option<&'a OrderId>,
    revision: Option<u64>,
    version: Option<u64>,
    unassigned: bool,
    pool: Option<&'a PoolId>,
}

pub(crate) fn holds_of_order(condition: &Condition<'_>, row: Option<&Order>) -> bool {
    let attributes = row.map(|row| Attributes {
        exists: true,
        revision: Some(row.revision),
        version: Some(row.version),
        unassigned: matches!(row.state, State::Unassigned(_)),
        pool: row.pool.as_ref(),
        ..Attributes::default()
    });
    attributes.unwrap_or_default().satisfy(condition)
}

pub(crate) fn holds_of_number(condition: &Condition<'_>, row: Option<&NumberRow>) -> bool {
    let attributes = row.map(|row| Attributes {
        exists: true,
        in_circulation: row.in_circulation,
        available_at: Some(row.available_at),
        order_id: row.order_id.as_ref(),
        ..Attributes::default()
    });
    attributes.unwrap_or_default().satisfy(condition)
}

pub(crate) fn holds_of_route(condition: &Condition<'_>, row: Option<&RouteRow>) -> bool {
    let attributes = row.map(|row| Attributes {
        exists: true,
        reusable_at: Some(row.reusable_at),
        order_id: Some(&row.order_id),
        ..Attributes::default()
    });
    attributes.unwrap_or_default().satisfy(condition)
}

impl Attributes<'_> {
    fn satisfy(&self, condition: &Condition<'_>) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().all(|part| self.satisfy(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.satisfy(part)),
            Condition::Is(fact) => self.are(fact),
        }
    }

    fn are(&self, fact: &Fact<'_>) -> bool {
        match *fact {
            Fact::Absent => !self.exists,
            Fact::InCirculation => self.in_circulation,
            Fact::FreeAt(now) => self.available_at.is_some_and(|it| it <= now),
            Fact::ReusableAt(now) => self.reusable_at.is_some_and(|it| it <= now),
            Fact::OfOrder(order_id) => self.order_id == Some(order_id),
            Fact::AtRevision(revision) => self.revision == Some(revision),
            Fact::Unassigned => self.unassigned,
            Fact::VersionBelow(version) => self.version.is_some_and(|it| it < version),
            Fact::WithoutPool => self.pool.is_none(),
            Fact::OfPool(pool) => self.pool == Some(pool),
        }
    }
}

//! The conditions of a transaction by name, and each without one of its facts.

use masking::{Commit, Condition, ExpectedRow, Fact, Plan, Timestamp, Write};
use masking_memory::weakenings;

use crate::{Claims, SystemState, Without};

/// An item of a transaction, by its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// The order's row, when a read found none.
    FirstRow,
    /// The order's row, when it was read.
    ReadRow,
    /// The order's row, in the blind try.
    BlindRow,
    /// A number that is claimed.
    Claim,
    /// A number that is kept.
    Keep,
    /// A number that is released.
    Release,
    /// A route that is opened on a number that is claimed.
    FreshRoute,
    /// A route that is opened on a number that is kept.
    KeptRoute,
    /// A route that is ended.
    EndedRoute,
}

impl Item {
    /// The item of a plan: a write, or the order's row.
    pub fn of(expects: ExpectedRow, write: Option<&Write>) -> Self {
        match (write, expects) {
            (None, ExpectedRow::Absent) => Self::FirstRow,
            (None, ExpectedRow::Revision(_)) => Self::ReadRow,
            (None, ExpectedRow::Free) => Self::BlindRow,
            (Some(Write::ClaimNumber { .. }), _) => Self::Claim,
            (Some(Write::KeepNumber { .. }), _) => Self::Keep,
            (Some(Write::ReleaseNumber { .. }), _) => Self::Release,
            (Some(Write::OpenRoute { kept: false, .. }), _) => Self::FreshRoute,
            (Some(Write::OpenRoute { kept: true, .. }), _) => Self::KeptRoute,
            (Some(Write::EndRoute { .. }), _) => Self::EndedRoute,
        }
    }

    /// All items. The match makes the compiler check that none is missing.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::successors(Some(Self::FirstRow), |item| match item {
            Self::FirstRow => Some(Self::ReadRow),
            Self::ReadRow => Some(Self::BlindRow),
            Self::BlindRow => Some(Self::Claim),
            Self::Claim => Some(Self::Keep),
            Self::Keep => Some(Self::Release),
            Self::Release => Some(Self::FreshRoute),
            Self::FreshRoute => Some(Self::KeptRoute),
            Self::KeptRoute => Some(Self::EndedRoute),
            Self::EndedRoute => None,
        })
    }
}

/// The name of a fact.
pub fn fact_name(fact: &Fact<'_>) -> &'static str {
    match fact {
        Fact::Absent => "absent",
        Fact::InCirculation => "in circulation",
        Fact::FreeAt(_) => "free",
        Fact::ReusableAt(_) => "reusable",
        Fact::OfOrder(_) => "of the order",
        Fact::AtRevision(_) => "at the revision",
        Fact::Unassigned => "unassigned",
        Fact::VersionBelow(_) => "of a lower version",
        Fact::WithoutPool => "without a pool",
        Fact::OfPool(_) => "of the pool",
    }
}

impl Claims {
    /// Writes a plan, without the condition that this model takes out.
    pub(crate) fn commit(&self, state: &mut SystemState, plan: &Plan, now: Timestamp) -> Commit {
        let commit = state.tables.judge(plan, now, |write, condition| {
            let item = Item::of(plan.expects, write);
            match self.without {
                Some(Without::Fact(without, name)) if without == item => {
                    without_fact(condition, name, true)
                }
                Some(Without::OwnNumberIsFree) if item == Item::Claim => {
                    let own = [Fact::InCirculation, Fact::OfOrder(&plan.order.order_id)];
                    let own = Condition::All(own.map(Condition::Is).to_vec());
                    Condition::Any(vec![condition, own])
                }
                _ => condition,
            }
        });
        match commit {
            Commit::Done => state.write(plan),
            Commit::Lost(lost) if self.lacks(Without::AllOrNothing) => {
                let mut rest = plan.clone();
                rest.writes.retain(|write| !lost.contains(write));
                state.write(&rest);
            }
            commit => return commit,
        }
        Commit::Done
    }
}

impl SystemState {
    fn write(&mut self, plan: &Plan) {
        self.tables.change(|tables| tables.write(plan));
    }
}

/// The condition in which a fact always holds, or never.
pub fn without_fact<'a>(condition: Condition<'a>, name: &str, always: bool) -> Condition<'a> {
    let mut weakened = weakenings(&condition).into_iter();
    let weakened = weakened.find(|it| it.always == always && fact_name(&it.fact) == name);
    weakened.map_or(condition, |it| it.condition)
}

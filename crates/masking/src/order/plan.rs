//! Plans the writes of a change: the difference between the present and the next state of an
//! order. Claims, amendments, releases and closes all use the same mechanism.
//!
//! A plan is one transaction. It is written whole or not at all, and only if the order's
//! row is still the one from which the plan was made.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use super::decide::AssignmentRequest;
use super::row::{
    ClaimTerms, Closed, HeldNumber, HeldRoute, Holding, KnownRow, Order, Person, State, Unassigned,
};
use super::transaction::{ExpectedRow, Plan, Write};
use crate::{Allocation, Number, OrderId, PhoneHash, Pool, PoolId, Timestamp};

/// The conflicts that failed writes of an attempt have shown: rows of numbers and routes that
/// are not as the order's row implies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Conflicts {
    /// Numbers of the order's row that the order no longer holds.
    numbers_gone: BTreeSet<Number>,
    /// Numbers of the order on which a person who joins has a route of another order.
    numbers_to_exchange: BTreeSet<Number>,
    /// Routes of the order's row that no longer belong to the order.
    routes_gone: BTreeSet<(Number, PhoneHash)>,
    /// Routes on candidate numbers that belong to another order.
    routes_taken: BTreeSet<(Number, PhoneHash)>,
}

/// The numbers that the people of an order need, beyond those that the order keeps.
#[derive(Clone, Debug)]
pub struct NumbersNeeded<'a> {
    /// The pool to take the numbers from.
    pub pool: &'a Pool,
    /// The allocation of the order's claim. The pool's may have changed since.
    pub allocation: Allocation,
    /// How many earlier claims of the same event failed.
    pub claims_lost: u32,
    change: Change<'a>,
    people: &'a [Person],
    /// The people whose roles have no number yet.
    without: Vec<&'a Person>,
}

/// The facts from which the plan of a change is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// The order's row, as far as it is known.
    pub(crate) row: &'a KnownRow,
    /// The order to change.
    pub(crate) order_id: &'a OrderId,
    /// The version of the event.
    pub(crate) version: u64,
    /// The conflicts that earlier writes of the attempt have shown.
    pub(crate) conflicts: &'a Conflicts,
    /// The moment of the change.
    pub(crate) now: Timestamp,
}

impl Conflicts {
    /// Records writes of a plan whose conditions failed. The failed claim of a number needs no
    /// record, since the next try takes other numbers.
    pub(crate) fn record<'a>(&mut self, writes: impl IntoIterator<Item = &'a Write>) {
        for write in writes {
            match write {
                Write::ClaimNumber { .. } => {}
                Write::OpenRoute { number, caller, kept: false, .. } => {
                    self.routes_taken.insert((number.clone(), caller.clone()));
                }
                Write::KeepNumber { number, .. } | Write::ReleaseNumber { number, .. } => {
                    self.numbers_gone.insert(number.clone());
                }
                Write::OpenRoute { number, kept: true, .. } => {
                    self.numbers_to_exchange.insert(number.clone());
                }
                Write::EndRoute { number, caller, .. } => {
                    self.routes_gone.insert((number.clone(), caller.clone()));
                }
            }
        }
    }
}

impl NumbersNeeded<'_> {
    /// Returns how many numbers are needed.
    pub fn count(&self) -> usize {
        self.without.len()
    }

    /// Picks, for each person without a number, the first candidate that may serve the person.
    /// Returns nothing if a person gets none.
    pub fn pick<N: Borrow<Number>>(&self, candidates: &[N]) -> Option<Vec<Number>> {
        let mut picked: Vec<Number> = Vec::with_capacity(self.count());
        for person in &self.without {
            let number = candidates
                .iter()
                .map(Borrow::borrow)
                .find(|number| self.may_serve(number, person) && !picked.contains(number))?;
            picked.push(number.clone());
        }
        Some(picked)
    }

    /// Whether a number may be tried for a person. Numbers of the order's own row are
    /// excluded, even if they look free. So is a number that is the phone of one of the people,
    /// and one on which another person of the order, who would dial it, is known to have
    /// another order's route.
    fn may_serve(&self, number: &Number, person: &Person) -> bool {
        let taken = &self.change.conflicts.routes_taken;
        let mut others = self.people.iter().filter(|other| other.role != person.role);
        let is_own = holds(self.change.before(), number);
        !is_own
            && !is_a_phone_of(self.people, number)
            && (taken.is_empty()
                || others.all(|it| !taken.contains(&(number.clone(), it.caller.clone()))))
    }
}

impl<'a> Change<'a> {
    /// Finds which people of a request need a number, since their roles keep none.
    pub(crate) fn needed(
        &self,
        request: &'a AssignmentRequest<'_>,
        pool: &'a Pool,
        allocation: Allocation,
        claims_lost: u32,
    ) -> NumbersNeeded<'a> {
        let people = &request.people;
        let without = people.iter().filter(|person| self.kept(person, people).is_none()).collect();
        NumbersNeeded { pool, allocation, claims_lost, change: *self, people, without }
    }

    /// Plans the numbers and routes of an assignment. `fresh` are the numbers to claim.
    /// Returns nothing if they are too few.
    pub(crate) fn assign(
        &self,
        request: &AssignmentRequest<'_>,
        pool: &Pool,
        terms: ClaimTerms,
        expires_at: Timestamp,
        fresh: Vec<Number>,
    ) -> Option<Plan> {
        let mut fresh = fresh.into_iter();
        let participants = request
            .people
            .iter()
            .map(|person| {
                let number = match self.kept(person, &request.people) {
                    Some(held) => held.number.clone(),
                    None => fresh.next()?,
                };
                let caller = Some(person.caller.clone());
                Some(HeldNumber { role: person.role.clone(), number, caller })
            })
            .collect::<Option<Vec<_>>>()?;
        let holding = Holding { terms, participants, expires_at, waiting: false };
        Some(self.plan(State::Assigned(holding), Some(&pool.id), &request.people))
    }

    /// Plans only what an amendment ends, and marks the row as waiting for the rest: all that
    /// can be done while the pool is dry. Returns nothing if the row already says so.
    pub(crate) fn end_alone(
        &self,
        request: &AssignmentRequest<'_>,
        pool: &Pool,
        expires_at: Timestamp,
    ) -> Option<Plan> {
        let before = self.row.order()?.holding(self.now)?;
        let participants = request
            .people
            .iter()
            .filter_map(|person| {
                let mut held = self.kept(person, &request.people)?.clone();
                held.caller = held.caller.filter(|caller| *caller == person.caller);
                Some(held)
            })
            .collect();
        let holding = Holding {
            terms: before.terms,
            participants,
            expires_at: before.expires_at.min(expires_at),
            waiting: true,
        };
        let plan = self.plan(State::Assigned(holding), Some(&pool.id), &request.people);
        let same_row = self.row.order().is_some_and(|order| {
            order.state == plan.order.state && order.version == plan.order.version
        });
        (!same_row).then_some(plan)
    }

    /// Plans the release of everything, because the assignment has already expired.
    pub(crate) fn expire(&self, pool: &Pool) -> Plan {
        self.plan(State::Unassigned(Unassigned::Expired), Some(&pool.id), &[])
    }

    /// Plans the release of everything. The order may be assigned again.
    pub(crate) fn unassign(&self) -> Plan {
        let pool = self.row.order().and_then(|order| order.pool.as_ref());
        self.plan(State::Unassigned(Unassigned::ByEvent), pool, &[])
    }

    /// Plans the release of everything, for good.
    pub(crate) fn close(&self, why: Closed) -> Plan {
        let pool = self.row.order().and_then(|order| order.pool.as_ref());
        self.plan(State::Closed(why), pool, &[])
    }

    /// Returns what the order's row holds, even if it has expired.
    fn before(&self) -> Option<&'a Holding> {
        holding_in(&self.row.order()?.state)
    }

    /// Returns the number that a person's role keeps. If somebody joins whose phone is that
    /// number, it is exchanged: they could not be called on it.
    fn kept(&self, person: &Person, people: &[Person]) -> Option<&'a HeldNumber> {
        let before = self.row.order()?.holding(self.now)?;
        before.participants.iter().find(|held| {
            held.role == person.role
                && !self.conflicts.numbers_gone.contains(&held.number)
                && !self.conflicts.numbers_to_exchange.contains(&held.number)
                && !is_a_phone_of(people, &held.number)
        })
    }

    fn plan(&self, state: State, pool: Option<&PoolId>, people: &[Person]) -> Plan {
        let (expects, version, revision) = match self.row {
            KnownRow::Unread => (ExpectedRow::Free, self.version, 1),
            KnownRow::Absent => (ExpectedRow::Absent, self.version, 1),
            KnownRow::Present(order) => (
                ExpectedRow::Revision(order.revision),
                order.version.max(self.version),
                order.revision.saturating_add(1),
            ),
        };
        let mut writes = Vec::new();
        if let Some(before) = self.before() {
            self.end(before, &state, &mut writes);
        }
        if let State::Assigned(after) = &state {
            self.begin(after, people, &mut writes);
        }
        let order_id = self.order_id.clone();
        let order = Order { order_id, version, revision, pool: pool.cloned(), state };
        Plan { expects, ttl: order.ttl(self.now), order, writes }
    }

    /// Releases the numbers and routes that the new state no longer has. If the lease has
    /// already expired, only the phones are removed from its routes: the numbers may be
    /// another order's by now.
    fn end(&self, before: &Holding, state: &State, writes: &mut Vec<Write>) {
        let after = holding_in(state);
        let end = match state {
            State::Closed(Closed::Completed) => self.now.after(before.terms.grace_seconds),
            _ => self.now,
        }
        .min(before.expires_at);
        let cooled = end.after(before.terms.cooldown_seconds);

        if before.terms.allocation == Allocation::Exclusive && self.now < before.expires_at {
            for held in &before.participants {
                let number = &held.number;
                if !holds(after, number) && !self.conflicts.numbers_gone.contains(number) {
                    writes.push(Write::ReleaseNumber {
                        number: number.clone(),
                        available_at: cooled,
                    });
                }
            }
        }
        for route in before.routes() {
            let key = (route.number.clone(), route.caller.clone());
            let stays = after.is_some_and(|after| after.routes().any(|it| it.same_key(&route)));
            if !stays && !self.conflicts.routes_gone.contains(&key) {
                let (number, caller) = key;
                writes.push(Write::EndRoute {
                    number,
                    caller,
                    expires_at: end,
                    reusable_at: cooled,
                    strip: end <= self.now,
                });
            }
        }
    }

    /// Claims the numbers and opens the routes that the new state adds, and changes the end of
    /// those that it keeps.
    fn begin(&self, after: &Holding, people: &[Person], writes: &mut Vec<Write>) {
        let before = self.before();
        let expires_at = after.expires_at;
        let available_at = expires_at.after(after.terms.cooldown_seconds);
        let moved = before.is_none_or(|before| before.expires_at != expires_at);

        if after.terms.allocation == Allocation::Exclusive {
            for HeldNumber { number, .. } in &after.participants {
                let number = number.clone();
                if !holds(before, &number) {
                    writes.push(Write::ClaimNumber { number, available_at });
                } else if moved {
                    writes.push(Write::KeepNumber { number, available_at });
                }
            }
        }
        for route in after.routes() {
            let unchanged = !moved && before.is_some_and(|it| it.routes().any(|it| it == route));
            let callee = people.iter().find(|person| person.caller == *route.callee);
            if let (false, Some(callee)) = (unchanged, callee) {
                writes.push(Write::OpenRoute {
                    number: route.number.clone(),
                    caller: route.caller.clone(),
                    connect_to: callee.phone.clone(),
                    shown_number: route.shown_number.clone(),
                    roles: route.roles(),
                    expires_at,
                    reusable_at: available_at,
                    kept: holds(before, route.number),
                });
            }
        }
    }
}

impl HeldRoute<'_> {
    /// Whether both routes are the same row of the routes table.
    fn same_key(&self, other: &HeldRoute<'_>) -> bool {
        self.number == other.number && self.caller == other.caller
    }
}

/// Whether a number is the phone of one of these people.
fn is_a_phone_of(people: &[Person], number: &Number) -> bool {
    people.iter().any(|person| person.phone.is(number))
}

fn holding_in(state: &State) -> Option<&Holding> {
    match state {
        State::Assigned(holding) => Some(holding),
        State::Unassigned(_) | State::Closed(_) => None,
    }
}

fn holds(holding: Option<&Holding>, number: &Number) -> bool {
    holding.is_some_and(|it| it.participants.iter().any(|held| held.number == *number))
}

#[cfg(test)]
mod tests;

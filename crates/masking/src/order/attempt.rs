//! Applies one event to its order's row: reads the row, decides, plans, writes, and tries
//! again until the row has taken in the event. The attempt is a value without I/O:
//! [`Attempt::next`] returns the next task, and the driver that performs the task reports the
//! result back to the attempt.
//!
//! Only the order's row shows success. If the answer to a write is lost, the attempt reads
//! the row. Either the row has taken in the event, which is then a duplicate of itself, or
//! it has not, and the event is decided again.

use std::time::Duration;

use super::announcement::Announcement;
use super::decide::{AssignmentRequest, Decision, Ignored, Next, OrderRequest, decide};
use super::plan::{Change, Conflicts, NumbersNeeded};
use super::row::{ClaimTerms, KnownRow};
use super::transaction::{Commit, Plan, Write};
use crate::{Allocation, Invalid, Number, OrderId, Pool, PoolId, Timestamp};

/// The attempt to apply one event to its order's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt<'a> {
    order_id: &'a OrderId,
    version: u64,
    request: &'a OrderRequest<'a>,
    /// The order's row, as far as it is known.
    row: KnownRow,
    /// The conflicts that failed writes have shown. Dropped when the order's row has
    /// changed or may have, since they belong to the row before.
    conflicts: Conflicts,
    /// How many times the event has been decided.
    tries: u32,
    /// How many plans have failed because of writes of other orders.
    claims_lost: u32,
    /// Whether the answer to a write has been lost before.
    failed: bool,
    /// A task without a result, to perform before the next stage.
    errand: Option<Errand<'a>>,
    stage: Stage<'a>,
}

/// The next task of an attempt.
#[derive(Debug)]
pub enum Task<'a> {
    /// Read the order's row with a strongly consistent read. Report it to [`Attempt::saw`].
    ReadRow,
    /// Find numbers that look free. Report them to [`Attempt::took`].
    TakeNumbers(NumbersNeeded<'a>),
    /// Write this plan whole or not at all. Report the result to [`Attempt::answered`], or an
    /// error to [`Attempt::unanswered`].
    Commit {
        /// The transaction to write.
        plan: &'a Plan,
        /// The moment at which the plan was made. The conditions of its writes compare with
        /// it.
        now: Timestamp,
    },
    /// Put back numbers that were taken but not tried, as candidates of other events.
    PutBack {
        /// The pool that the numbers were taken from.
        pool: &'a Pool,
        /// The numbers to put back.
        numbers: Vec<Number>,
    },
    /// Forget which numbers of the pool looked free: other orders are claiming them.
    Forget {
        /// The pool whose candidates are outdated.
        pool: &'a Pool,
    },
    /// Back off for a random time, so that events that collided do not collide again.
    Pause {
        /// The longest time to wait. The driver draws a time below it.
        longest: Duration,
    },
    /// Stop: the event has this outcome.
    Done(Outcome),
}

/// The outcome of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The row has taken in the event, now or earlier. This announces the row.
    Announce(Announcement),
    /// The event does nothing to the order.
    Ignored {
        /// Why the event does nothing.
        why: Ignored,
        /// The version of the order's row.
        stored_version: u64,
    },
    /// The pool is dry: it has too few numbers for the event. The releases of the event are
    /// written, and its claims are not.
    Dry {
        /// The pool.
        pool: PoolId,
    },
    /// The event contradicts the order. It will not be applied later either.
    Refused(Invalid),
    /// Every try lost against other writes of the same rows. The event may succeed later.
    Contended,
}

/// The stage of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage<'a> {
    /// The order's row is to be read.
    Read,
    /// The next try is to begin.
    Begin,
    /// The assignment needs numbers.
    Take(Assignment<'a>),
    /// A plan is to be written. An assignment has a pool. Its plan is `whole` if it also has
    /// the event's claims, and not only its releases.
    Write { plan: Plan, now: Timestamp, pool: Option<&'a Pool>, whole: bool },
    /// The attempt has ended.
    Done(Outcome),
}

/// A task without a result, to perform before the next stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Errand<'a> {
    PutBack(&'a Pool, Vec<Number>),
    Forget(&'a Pool),
    Pause,
}

/// The decision to assign numbers to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Assignment<'a> {
    request: &'a AssignmentRequest<'a>,
    pool: &'a Pool,
    terms: ClaimTerms,
    expires_at: Timestamp,
    now: Timestamp,
}

/// After this many failed claims, an event treats a shared pool as dry. It is lower than
/// [`Attempt::MOST_TRIES`], which leaves tries to read the row and to write the event's
/// releases.
const MOST_LOST: u32 = 7;

impl<'a> Attempt<'a> {
    /// How many times an event is decided before it goes back to its queue. More than the
    /// seven claims in a shared pool that may fail, so that the event's releases are still
    /// written.
    pub const MOST_TRIES: u32 = 10;

    /// Starts an attempt. If `blind`, it makes its first write without reading the row, as if
    /// the order had none. This saves a read in the common case.
    pub fn new(
        order_id: &'a OrderId,
        version: u64,
        request: &'a OrderRequest<'a>,
        blind: bool,
    ) -> Self {
        Self {
            order_id,
            version,
            request,
            row: KnownRow::Unread,
            conflicts: Conflicts::default(),
            tries: 0,
            claims_lost: 0,
            failed: false,
            errand: None,
            stage: if blind { Stage::Begin } else { Stage::Read },
        }
    }

    /// Returns the next task. A task that has a result is returned until the result is
    /// reported.
    pub fn next(&mut self, now: Timestamp) -> Task<'_> {
        if let Some(errand) = self.errand.take() {
            return self.task_of(errand);
        }
        if self.stage == Stage::Begin {
            self.stage = self.begin(now);
        }
        match &self.stage {
            Stage::Read | Stage::Begin => Task::ReadRow,
            Stage::Take(assignment) => Task::TakeNumbers(self.numbers_needed(assignment)),
            Stage::Write { plan, now, .. } => Task::Commit { plan, now: *now },
            Stage::Done(outcome) => Task::Done(outcome.clone()),
        }
    }

    /// Reports the order's row.
    pub fn saw(&mut self, row: KnownRow) {
        (self.row, self.stage) = (row, Stage::Begin);
    }

    /// Reports the numbers that were found: as many as were needed, or none if there were too
    /// few.
    pub fn took(&mut self, numbers: Option<Vec<Number>>) {
        if let Stage::Take(assignment) = self.stage {
            self.stage = self.assign(&assignment, numbers);
        }
    }

    /// Reports the result of writing the plan.
    pub fn answered(&mut self, commit: Commit) {
        let Stage::Write { plan, now, pool, whole } = &self.stage else { return };
        self.stage = match commit {
            Commit::Done => Stage::Done(match pool {
                Some(pool) if !whole => Outcome::Dry { pool: pool.id.clone() },
                _ => Outcome::Announce(plan.order.announcement(*now)),
            }),
            Commit::Moved(row) => {
                self.errand = pool.map(|pool| Errand::PutBack(pool, claimed(plan)));
                (self.row, self.conflicts) = (row, Conflicts::default());
                Stage::Begin
            }
            Commit::Lost(writes) => {
                self.errand = pool.map(Errand::Forget);
                self.claims_lost += 1;
                self.conflicts.record(&writes);
                Stage::Begin
            }
            Commit::Busy => {
                self.errand = Some(Errand::Pause);
                Stage::Begin
            }
        };
    }

    /// Reports that the answer to the write is lost, so that the plan may be written or not.
    /// The first time, the attempt goes on by reading the order's row, and this returns true.
    /// The second time, it returns false, and the caller of this method gives up with the
    /// error.
    #[must_use]
    pub fn unanswered(&mut self) -> bool {
        if self.failed {
            return false;
        }
        self.failed = true;
        self.errand = Some(Errand::Pause);
        (self.conflicts, self.stage) = (Conflicts::default(), Stage::Read);
        true
    }

    /// Returns the attempt with all its tries left. For the model of the protocol, whose
    /// handlers may give up at any time instead of after a number of tries.
    #[must_use]
    pub fn with_all_tries(self) -> Self {
        Self { tries: 0, claims_lost: 0, failed: false, ..self }
    }

    /// Begins the next try: decides the event from the row as far as it is known.
    fn begin(&mut self, now: Timestamp) -> Stage<'a> {
        if self.tries == Self::MOST_TRIES {
            return Stage::Done(Outcome::Contended);
        }
        self.tries += 1;
        let next = match decide(&self.row, self.version, self.request, now) {
            Ok(Decision::Become(next)) => next,
            Ok(Decision::Ignore { why, stored_version }) => {
                return Stage::Done(Outcome::Ignored { why, stored_version });
            }
            Ok(Decision::AnnounceAgain(announcement)) => {
                return Stage::Done(Outcome::Announce(announcement));
            }
            // The row may say that the event has another pool, or that it is ignored.
            Err(_) if self.row == KnownRow::Unread => return Stage::Read,
            Err(invalid) => return Stage::Done(Outcome::Refused(invalid)),
        };
        let change = self.change(now);
        let (plan, pool) = match next {
            Next::Assigned { request, pool, terms, expires_at } => {
                let assignment = Assignment { request, pool, terms, expires_at, now };
                let is_shared = terms.allocation == Allocation::Shared;
                return if self.numbers_needed(&assignment).count() == 0 {
                    self.assign(&assignment, Some(Vec::new()))
                } else if is_shared && MOST_LOST <= self.claims_lost {
                    self.assign(&assignment, None)
                } else {
                    Stage::Take(assignment)
                };
            }
            Next::Expired { pool } => (change.expire(pool), Some(pool)),
            Next::Unassigned => (change.unassign(), None),
            Next::Closed(why) => (change.close(why), None),
        };
        Stage::Write { plan, now, pool, whole: true }
    }

    /// Plans an assignment with these numbers. If they are too few, plans only its releases.
    fn assign(&self, assignment: &Assignment<'a>, numbers: Option<Vec<Number>>) -> Stage<'a> {
        let Assignment { request, pool, terms, expires_at, now } = *assignment;
        let change = self.change(now);
        let whole = numbers.and_then(|it| change.assign(request, pool, terms, expires_at, it));
        if let Some(plan) = whole {
            return Stage::Write { plan, now, pool: Some(pool), whole: true };
        }
        // The blind try assumed a new order. Read the row before believing that the pool
        // is dry.
        if self.row == KnownRow::Unread {
            return Stage::Read;
        }
        match change.end_alone(request, pool, expires_at) {
            Some(plan) => Stage::Write { plan, now, pool: Some(pool), whole: false },
            None => Stage::Done(Outcome::Dry { pool: pool.id.clone() }),
        }
    }

    fn numbers_needed(&self, assignment: &Assignment<'a>) -> NumbersNeeded<'_> {
        let Assignment { request, pool, terms, now, .. } = assignment;
        self.change(*now).needed(request, pool, terms.allocation, self.claims_lost)
    }

    fn change(&self, now: Timestamp) -> Change<'_> {
        let Self { row, order_id, version, conflicts, .. } = self;
        Change { row, order_id, version: *version, conflicts, now }
    }

    /// Returns the task of an errand.
    fn task_of(&self, errand: Errand<'a>) -> Task<'a> {
        match errand {
            Errand::PutBack(pool, numbers) => Task::PutBack { pool, numbers },
            Errand::Forget(pool) => Task::Forget { pool },
            Errand::Pause => Task::Pause { longest: longest_pause(self.tries) },
        }
    }
}

/// Returns the numbers that a plan claims.
fn claimed(plan: &Plan) -> Vec<Number> {
    let claimed = plan.writes.iter().filter_map(|write| match write {
        Write::ClaimNumber { number, .. } => Some(number.clone()),
        _ => None,
    });
    claimed.collect()
}

/// Returns the longest back-off after that many tries: 20 ms, which doubles up to 640 ms.
fn longest_pause(tries: u32) -> Duration {
    Duration::from_millis(10 << tries.min(6))
}

#[cfg(test)]
mod tests;

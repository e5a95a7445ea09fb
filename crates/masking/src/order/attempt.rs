//! One event on its way into its order's row: read, decide, plan, write, and again
//! until the row says what the event asks for. A value without I/O: [`Attempt::next`]
//! says what to do, and whoever does it tells the attempt what came of it.
//!
//! Success is judged on the order's row alone. A write whose answer was lost is found
//! out by reading the row: either the row says what was to be written, and the event is
//! a duplicate of itself, or the row says something else, and the event is decided anew.

use std::time::Duration;

use super::announcement::Announcement;
use super::decide::{AssignmentRequest, Decision, Ignored, Next, OrderRequest, decide};
use super::plan::{Change, Conflicts, NumbersNeeded};
use super::row::{ClaimTerms, KnownRow};
use super::transaction::{Commit, Plan, Write};
use crate::{Allocation, Invalid, Number, OrderId, Pool, Timestamp};

/// One event on its way into its order's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt<'a> {
    order_id: &'a OrderId,
    version: u64,
    request: &'a OrderRequest<'a>,
    /// What is known of the order's row.
    row: KnownRow,
    /// What lost writes have taught about other rows, as long as the order's row is
    /// the same.
    conflicts: Conflicts,
    /// How often the event was decided.
    tries: u32,
    /// How many plans were lost to other orders' writes.
    claims_lost: u32,
    /// Whether the answer of a write got lost before.
    failed: bool,
    /// What has to be done before the next stage, and needs no answer.
    errand: Option<Errand>,
    stage: Stage<'a>,
}

/// What to do next.
#[derive(Debug)]
pub enum Task<'a> {
    /// Read the order's row, strongly consistent, and tell [`Attempt::saw`].
    ReadRow,
    /// Find numbers that look free, and tell [`Attempt::took`].
    TakeNumbers(NumbersNeeded<'a>),
    /// Write this plan as of that moment, whole or not at all, and tell
    /// [`Attempt::answered`], or [`Attempt::unanswered`].
    Commit {
        /// What to write.
        plan: &'a Plan,
        /// The moment at which the plan was made, for its conditions.
        now: Timestamp,
    },
    /// Give these numbers back: they were taken, and not tried.
    PutBack {
        /// The pool that they were taken from.
        pool: &'a Pool,
        /// The numbers.
        numbers: Vec<Number>,
    },
    /// Forget which numbers of the pool looked free: others are claiming them.
    Forget {
        /// The pool.
        pool: &'a Pool,
    },
    /// Wait for a random time of at most this, so that events that collided once do not
    /// collide again.
    Pause {
        /// The longest time.
        longest: Duration,
    },
    /// Nothing: this came of the event.
    Done(Outcome),
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The row has taken the event in, now or earlier. This is what the row says.
    Announce(Announcement),
    /// The event does nothing to the order.
    Ignored {
        /// Why.
        why: Ignored,
        /// The version of the order's row.
        stored_version: u64,
    },
    /// The pool has too few free numbers. What the event ends has ended.
    Dry,
    /// The event contradicts the order. It will not be applied later either.
    Refused(Invalid),
    /// Other writes were at the same rows in each try. It may be applied later.
    Contended,
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage<'a> {
    /// The order's row is to be read.
    Read,
    /// The next try is to begin.
    Begin,
    /// The order is to be assigned, and needs numbers for it.
    Take(Assignment<'a>),
    /// A plan is to be written. It is not whole if numbers are missing.
    Write { plan: Plan, now: Timestamp, whole: bool },
    /// The end.
    Done(Outcome),
}

/// What has to be done before the next stage, and needs no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Errand {
    PutBack(Vec<Number>),
    Forget,
    Pause,
}

/// The decision to let an order hold numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Assignment<'a> {
    request: &'a AssignmentRequest<'a>,
    terms: ClaimTerms,
    expires_at: Timestamp,
    now: Timestamp,
}

/// After this many lost claims, an event treats a shared pool as dry.
const MOST_LOST: u32 = 7;

impl<'a> Attempt<'a> {
    /// How often an event is decided before it goes back to its queue. More often than
    /// a claim in a shared pool may be lost, so that what the event ends still ends.
    pub const MOST_TRIES: u32 = 10;

    /// An event that has done nothing yet. With `blind`, the first write is tried as if
    /// the order had no row, which spares the common case a read.
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

    /// What to do next. A task that needs an answer stays the same until it is told.
    pub fn next(&mut self, now: Timestamp) -> Task<'_> {
        if let Some(errand) = self.errand.take()
            && let Some(task) = self.task_of(errand)
        {
            return task;
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

    /// Takes in the order's row.
    pub fn saw(&mut self, row: KnownRow) {
        (self.row, self.stage) = (row, Stage::Begin);
    }

    /// Takes in the numbers that were found: as many as were needed, or nothing.
    pub fn took(&mut self, numbers: Option<Vec<Number>>) {
        if let Stage::Take(assignment) = self.stage {
            self.stage = self.assign(&assignment, numbers);
        }
    }

    /// Takes in how the plan's write ended.
    pub fn answered(&mut self, commit: Commit) {
        let Stage::Write { plan, now, whole } = &self.stage else { return };
        self.stage = match commit {
            Commit::Done if *whole => Stage::Done(Outcome::Announce(plan.order.announcement(*now))),
            Commit::Done => Stage::Done(Outcome::Dry),
            Commit::Moved(row) => {
                self.errand = Some(Errand::PutBack(claimed(plan)));
                (self.row, self.conflicts) = (row, Conflicts::default());
                Stage::Begin
            }
            Commit::Lost(writes) => {
                self.errand = Some(Errand::Forget);
                self.claims_lost += 1;
                self.conflicts.lost(&writes);
                Stage::Begin
            }
            Commit::Busy => {
                self.errand = Some(Errand::Pause);
                Stage::Begin
            }
        };
    }

    /// Takes in that nobody knows whether the plan was written: the order's row will
    /// tell. Returns false if it happened before. The error is then what came of the
    /// event.
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

    /// The same attempt with all its tries to go. For the model of the protocol, in
    /// which a handler may give up at any time, and need not after a number of tries.
    #[must_use]
    pub fn with_all_tries(self) -> Self {
        Self { tries: 0, claims_lost: 0, failed: false, ..self }
    }

    /// Decides the event against what is known of the row.
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
            Err(invalid) => return Stage::Done(Outcome::Refused(invalid)),
        };
        let change = self.change(now);
        let plan = match next {
            Next::Assigned { request, terms, expires_at } => {
                let assignment = Assignment { request, terms, expires_at, now };
                let is_shared = terms.allocation == Allocation::Shared;
                return if self.numbers_needed(&assignment).count() == 0 {
                    self.assign(&assignment, Some(Vec::new()))
                } else if is_shared && MOST_LOST <= self.claims_lost {
                    self.assign(&assignment, None)
                } else {
                    Stage::Take(assignment)
                };
            }
            Next::Expired { request } => change.expire(request),
            Next::Unassigned => change.unassign(),
            Next::Closed(why) => change.close(why),
        };
        Stage::Write { plan, now, whole: true }
    }

    /// Plans an assignment on these numbers, or what it ends where they are too few.
    fn assign(&self, assignment: &Assignment<'a>, numbers: Option<Vec<Number>>) -> Stage<'a> {
        let Assignment { request, terms, expires_at, now } = *assignment;
        let change = self.change(now);
        if let Some(plan) = numbers.and_then(|it| change.assign(request, terms, expires_at, it)) {
            return Stage::Write { plan, now, whole: true };
        }
        // The blind try assumed a new order. Read the row before believing that the pool
        // is dry.
        if self.row == KnownRow::Unread {
            return Stage::Read;
        }
        match change.end_alone(request, expires_at) {
            Some(plan) => Stage::Write { plan, now, whole: false },
            None => Stage::Done(Outcome::Dry),
        }
    }

    fn numbers_needed(&self, assignment: &Assignment<'a>) -> NumbersNeeded<'_> {
        let Assignment { request, terms, now, .. } = assignment;
        self.change(*now).needed(request, terms.allocation, self.claims_lost)
    }

    fn change(&self, now: Timestamp) -> Change<'_> {
        let Self { row, order_id, version, conflicts, .. } = self;
        Change { row, order_id, version: *version, conflicts, now }
    }

    /// The task of an errand; nothing where the event takes no numbers from a pool.
    fn task_of(&self, errand: Errand) -> Option<Task<'a>> {
        let pool = match self.request {
            OrderRequest::Assign(request) => Some(request.pool),
            OrderRequest::Unassign | OrderRequest::Close(_) => None,
        };
        Some(match errand {
            Errand::PutBack(numbers) => Task::PutBack { pool: pool?, numbers },
            Errand::Forget => Task::Forget { pool: pool? },
            Errand::Pause => Task::Pause { longest: longest_pause(self.tries) },
        })
    }
}

/// The numbers that a plan would have claimed.
fn claimed(plan: &Plan) -> Vec<Number> {
    let claimed = plan.writes.iter().filter_map(|write| match write {
        Write::ClaimNumber { number, .. } => Some(number.clone()),
        _ => None,
    });
    claimed.collect()
}

/// The longest pause after that many tries: 20 ms, doubling to 640 ms.
fn longest_pause(tries: u32) -> Duration {
    Duration::from_millis(10 << tries.min(6))
}

#[cfg(test)]
mod tests;

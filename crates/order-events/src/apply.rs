//! Drives an [`Attempt`]: performs its tasks, and reports their results back to it.

use std::time::Duration;

use lambda_support::Clock;
use masking::{
    Attempt, Commit, Ignored, KnownRow, Number, NumbersNeeded, OrderId, OrderRequest, Outcome,
    Pool, PoolId, Task, Timestamp,
};
use masking_store::{Orders, StoreError};

/// One event of an order, with its request parsed and its phones hashed.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The order that the event is about.
    pub order_id: &'a OrderId,
    /// The version of the event.
    pub version: u64,
    /// The request of the event.
    pub request: OrderRequest<'a>,
}

/// A source of numbers that look free.
pub trait Candidates {
    /// Takes numbers that look free and may serve. Returns `None` if there are too few.
    ///
    /// # Errors
    ///
    /// The numbers table could not be read.
    fn take(
        &self,
        needed: &NumbersNeeded<'_>,
    ) -> impl Future<Output = Result<Option<Vec<Number>>, StoreError>>;

    /// Puts back numbers that were taken but not tried.
    fn put_back(&self, pool: &Pool, numbers: Vec<Number>) -> impl Future<Output = ()>;

    /// Forgets the pool's candidates: claims fail, so that they are outdated.
    fn forget(&self, pool: &Pool) -> impl Future<Output = ()>;
}

/// The source of events that need no numbers.
#[derive(Clone, Copy, Debug)]
pub struct NoCandidates;

impl Candidates for NoCandidates {
    async fn take(&self, _: &NumbersNeeded<'_>) -> Result<Option<Vec<Number>>, StoreError> {
        Ok(None)
    }

    async fn put_back(&self, _: &Pool, _: Vec<Number>) {}

    async fn forget(&self, _: &Pool) {}
}

/// The result of an event, and what was done for it.
#[derive(Debug)]
pub struct Applied {
    /// The outcome. An error if a read failed, or two writes got no answer: the event may have
    /// been applied.
    pub outcome: Result<Outcome, StoreError>,
    /// What was done for the event.
    pub effort: Effort,
}

/// What was done for an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// How many plans were written, or tried to be.
    pub tries: u32,
    /// How many of these lost against other writes.
    pub conflicts: u32,
    /// Whether the row took in the event now, and not at an earlier delivery.
    pub wrote: bool,
    /// Whether the order held numbers before.
    pub held_before: bool,
    /// The order's pool, as far as it was seen.
    pub pool: Option<PoolId>,
    /// Why the event was ignored, if it was, and the version of the order's row.
    pub ignored: Option<(Ignored, u64)>,
}

/// Applies an event to its order. If `blind`, it makes its first write without reading the
/// order's row, which saves a read in the common case.
pub async fn apply(
    orders: &Orders,
    clock: &Clock,
    step: &Step<'_>,
    blind: bool,
    candidates: &impl Candidates,
) -> Applied {
    let mut effort = Effort::default();
    let outcome = drive(orders, clock, step, blind, candidates, &mut effort).await;
    Applied { outcome, effort }
}

async fn drive(
    orders: &Orders,
    clock: &Clock,
    step: &Step<'_>,
    blind: bool,
    candidates: &impl Candidates,
    effort: &mut Effort,
) -> Result<Outcome, StoreError> {
    let now = || Timestamp::from_seconds(clock.unix_seconds());
    let mut attempt = Attempt::new(step.order_id, step.version, &step.request, blind);
    loop {
        match attempt.next(now()) {
            Task::ReadRow => {
                let row = orders.order(step.order_id).await?;
                effort.saw(&row, now());
                attempt.saw(row);
            }
            Task::TakeNumbers(needed) => {
                let numbers = candidates.take(&needed).await?;
                attempt.took(numbers);
            }
            Task::Commit { plan, now } => {
                effort.tries += 1;
                effort.pool.clone_from(&plan.order.pool);
                match orders.commit(plan, now).await {
                    Ok(commit) => {
                        effort.committed(&commit, now);
                        attempt.answered(commit);
                    }
                    Err(error) => {
                        if !attempt.unanswered() {
                            return Err(error);
                        }
                        // The row will tell whether it was written; if so, it was now.
                        effort.wrote = true;
                    }
                }
            }
            Task::PutBack { pool, numbers } => candidates.put_back(pool, numbers).await,
            Task::Forget { pool } => candidates.forget(pool).await,
            Task::Pause { longest } => pause(longest).await,
            Task::Done(outcome) => {
                if let Outcome::Ignored { why, stored_version } = outcome {
                    effort.ignored = Some((why, stored_version));
                }
                return Ok(outcome);
            }
        }
    }
}

impl Effort {
    fn saw(&mut self, row: &KnownRow, now: Timestamp) {
        if let KnownRow::Present(order) = row {
            self.pool.clone_from(&order.pool);
            self.held_before = order.holding(now).is_some();
        }
    }

    fn committed(&mut self, commit: &Commit, now: Timestamp) {
        match commit {
            Commit::Done => self.wrote = true,
            Commit::Moved(row) => {
                self.conflicts += 1;
                self.saw(row, now);
            }
            Commit::Lost(_) | Commit::Busy => self.conflicts += 1,
        }
    }
}

async fn pause(longest: Duration) {
    let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..longest))).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_differ_and_none_is_longer_than_it_may_be() {
        let longest = Duration::from_millis(640);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let began = Instant::now();
            pause(longest).await;
            pauses.push(began.elapsed());
        }
        assert!(pauses.iter().all(|it| *it <= longest), "{pauses:?}");
        pauses.dedup();
        assert!(1 < pauses.len(), "{pauses:?}");
    }
}

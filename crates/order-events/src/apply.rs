//! Drives an [`Attempt`]: performs its tasks, and reports their results back to it.

use std::time::Duration;

use lambda_support::Clock;
use masking::{
    Attempt, Ignored, Number, NumbersNeeded, OrderId, OrderRequest, Outcome, Pool, Task, Timestamp,
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

/// Applies an event to its order. If `blind`, it makes its first write without reading the
/// order's row, which saves a read in the common case.
///
/// # Errors
///
/// A read failed, or two writes got no answer. The event may have been applied.
pub async fn apply(
    orders: &Orders,
    clock: &Clock,
    step: &Step<'_>,
    blind: bool,
    candidates: &impl Candidates,
) -> Result<Outcome, StoreError> {
    let mut attempt = Attempt::new(step.order_id, step.version, &step.request, blind);
    loop {
        match attempt.next(Timestamp::from_seconds(clock.unix_seconds())) {
            Task::ReadRow => attempt.saw(orders.order(step.order_id).await?),
            Task::TakeNumbers(needed) => {
                let numbers = candidates.take(&needed).await?;
                attempt.took(numbers);
            }
            Task::Commit { plan, now } => match orders.commit(plan, now).await {
                Ok(commit) => attempt.answered(commit),
                Err(error) => {
                    if !attempt.unanswered() {
                        return Err(error);
                    }
                }
            },
            Task::PutBack { pool, numbers } => candidates.put_back(pool, numbers).await,
            Task::Forget { pool } => candidates.forget(pool).await,
            Task::Pause { longest } => pause(longest).await,
            Task::Done(outcome) => {
                if let Outcome::Ignored { why, stored_version } = outcome {
                    log_ignored(step, why, stored_version);
                }
                return Ok(outcome);
            }
        }
    }
}

fn log_ignored(step: &Step<'_>, why: Ignored, stored_version: u64) {
    let message = match why {
        Ignored::Closed => "ignored an event of a closed order",
        Ignored::Stale => "ignored a stale event",
        Ignored::SameVersion => "ignored an event of the version of another one",
    };
    tracing::info!(order.id = %step.order_id, event.version = step.version, stored_version, "{message}");
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

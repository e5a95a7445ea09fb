//! Read, decide, plan, write; and again, until the order's row says what the event
//! asks for.
//!
//! Success is judged on the order's row alone. A write whose answer was lost is
//! found out by reading the row: either it says what was to be written, and the
//! event is a duplicate of itself, or it does not, and the decision is made anew.

use std::time::Duration;

use lambda_support::Clock;
use masking::{
    Allocation, Announcement, Asked, Change, Decision, Ignored, Invalid, Learnt, MOST_LOST, Next,
    Number, OrderId, Plan, Pool, Row, Timestamp, Wanted, Write, decide,
};
use masking_store::{Commit, Orders, StoreError};

/// One event, on its way into its order's row.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The order.
    pub order_id: &'a OrderId,
    /// The version of the event.
    pub version: u64,
    /// What it asks.
    pub asked: Asked<'a>,
}

/// What came of an event.
#[derive(Debug)]
pub enum Applied {
    /// The row has taken it in, now or earlier; this is what the row says.
    Says(Announcement),
    /// It does nothing to the order.
    Ignored,
    /// The pool has too few free numbers. What the event ends has ended.
    Dry,
}

/// Why an event was not applied.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// It contradicts the order; it will not be applied later either.
    #[error(transparent)]
    Refused(#[from] Invalid),
    /// The tables did not take it; it may be applied later.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// Others were at the same rows all the time; it may be applied later.
    #[error("lost {TRIES} times against other writes of the same rows")]
    Contended,
}

/// How often an event is tried before it goes back to its queue. (More often than
/// [`MOST_LOST`]: what is left is for what the event ends.)
const TRIES: u32 = 10;

/// What to write, and whether that is all that the event asks for.
enum Planned {
    Whole(Plan),
    /// The pool is dry; this is what ends all the same.
    Dry(Option<Plan>),
}

/// Where free numbers are looked for.
pub trait Candidates {
    /// Takes numbers of the pool that look free and may serve; none when there are
    /// too few. So many claims of the same event were `lost` before.
    fn take(
        &self,
        pool: &Pool,
        allocation: Allocation,
        wanted: &Wanted<'_>,
        lost: u32,
    ) -> impl Future<Output = Result<Option<Vec<Number>>, StoreError>>;

    /// Gives numbers back that were taken and not tried.
    fn put_back(&self, pool: &Pool, numbers: Vec<Number>) -> impl Future<Output = ()>;

    /// Learns that some were taken: what was found with them is getting old.
    fn forget(&self, pool: &Pool) -> impl Future<Output = ()>;
}

/// For events that need no numbers.
#[derive(Clone, Copy, Debug)]
pub struct NoCandidates;

impl Candidates for NoCandidates {
    async fn take(
        &self,
        _: &Pool,
        _: Allocation,
        _: &Wanted<'_>,
        _: u32,
    ) -> Result<Option<Vec<Number>>, StoreError> {
        Ok(None)
    }

    async fn put_back(&self, _: &Pool, _: Vec<Number>) {}

    async fn forget(&self, _: &Pool) {}
}

async fn plan(
    change: &Change<'_>,
    next: Next<'_>,
    candidates: &impl Candidates,
    lost: u32,
) -> Result<Planned, StoreError> {
    let (wish, terms, expires_at) = match next {
        Next::Assigned { wish, terms, expires_at } => (wish, terms, expires_at),
        Next::Expired { wish } => return Ok(Planned::Whole(change.expire(wish))),
        Next::Unassigned => return Ok(Planned::Whole(change.unassign())),
        Next::Closed(why) => return Ok(Planned::Whole(change.close(why))),
    };
    let wanted = change.wanted(&wish.people);
    let fresh = match terms.allocation {
        _ if wanted.count() == 0 => Some(Vec::new()),
        Allocation::Shared if MOST_LOST <= lost => None,
        allocation => candidates.take(wish.pool, allocation, &wanted, lost).await?,
    };
    Ok(match fresh.and_then(|fresh| change.assign(wish, terms, expires_at, fresh)) {
        Some(plan) => Planned::Whole(plan),
        None => Planned::Dry(change.end_alone(wish, expires_at)),
    })
}

/// Applies an event to its order. With `blind`, the first write is tried before
/// anything is read, which spares the common case a read.
pub async fn apply(
    orders: &Orders,
    clock: &Clock,
    step: &Step<'_>,
    blind: bool,
    candidates: &impl Candidates,
) -> Result<Applied, NotApplied> {
    let mut row = if blind { Row::Unread } else { orders.order(step.order_id).await? };
    let mut learnt = Learnt::default();
    let mut failed_once = false;
    let mut claims_lost = 0;

    for attempt in 0..TRIES {
        let now = Timestamp::from_seconds(clock.unix_seconds());
        let next = match decide(&row, step.version, &step.asked, now)? {
            Decision::Ignore(why) => {
                log_ignored(step, &row, why);
                return Ok(Applied::Ignored);
            }
            Decision::AnnounceAgain => {
                let order = row.order();
                return Ok(order.map_or(Applied::Ignored, |it| Applied::Says(it.announcement(now))));
            }
            Decision::Become(next) => next,
        };
        let (order_id, version) = (step.order_id, step.version);
        let change = Change { row: &row, order_id, version, learnt: &learnt, now };
        let (plan, applied) = match plan(&change, next, candidates, claims_lost).await? {
            Planned::Whole(plan) => {
                let says = plan.order.announcement(now);
                (plan, Applied::Says(says))
            }
            // Only the row tells whether the event needs as many numbers as it seemed.
            Planned::Dry(_) if matches!(row, Row::Unread) => {
                row = orders.order(step.order_id).await?;
                continue;
            }
            Planned::Dry(Some(plan)) => (plan, Applied::Dry),
            Planned::Dry(None) => return Ok(Applied::Dry),
        };
        match orders.commit(&plan, now).await {
            Ok(Commit::Done) => return Ok(applied),
            Ok(Commit::Moved(found)) => {
                put_back(step, &plan, candidates).await;
                (row, learnt) = (found, Learnt::default());
            }
            Ok(Commit::Lost(lost)) => {
                if let Asked::Assign(wish) = &step.asked {
                    candidates.forget(wish.pool).await;
                }
                claims_lost += 1;
                learnt.lost(lost);
            }
            Ok(Commit::Busy) => pause(attempt).await,
            Err(error) if failed_once => return Err(error.into()),
            // It may have been written all the same: the row tells.
            Err(_) => {
                failed_once = true;
                pause(attempt).await;
                (row, learnt) = (orders.order(step.order_id).await?, Learnt::default());
            }
        }
    }
    Err(NotApplied::Contended)
}

/// Gives back the numbers that a plan would have claimed.
async fn put_back(step: &Step<'_>, plan: &Plan, candidates: &impl Candidates) {
    let Asked::Assign(wish) = &step.asked else { return };
    let numbers = plan.writes.iter().filter_map(|write| match write {
        Write::ClaimNumber { number, .. } => Some(number.clone()),
        _ => None,
    });
    candidates.put_back(wish.pool, numbers.collect()).await;
}

fn log_ignored(step: &Step<'_>, row: &Row, why: Ignored) {
    let message = match why {
        Ignored::Closed => "ignored an event of a closed order",
        Ignored::Stale => "ignored a stale event",
        Ignored::SameVersion => "ignored an event of the version of another one",
    };
    let stored_version = row.order().map(|order| order.version);
    tracing::info!(order.id = %step.order_id, event.version = step.version, stored_version, "{message}");
}

/// Waits before the next try: a random time, so that those who collided once do
/// not collide again.
async fn pause(attempt: u32) {
    let longest = 20 << attempt.min(5);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..longest))).await;
}

//! The numbers of shared pools, as this environment read them last.
//!
//! Any of them may serve any order whose people have no route on it: what a claim
//! finds out. The list is only a hint, so it is kept for a while: a number that is
//! withdrawn is handed out no longer than that.

use std::collections::HashMap;
use std::sync::Arc;

use masking::{Number, NumbersNeeded, Pool, PoolId, Timestamp};
use masking_store::{Numbers, StoreError};
use tokio::sync::Mutex;

/// How long a list is good, in seconds.
const KEPT_SECONDS: u64 = 10;
/// A list in which no number would do is read again if it is older than this.
const KEPT_IN_VAIN_SECONDS: u64 = 2;

/// The numbers of the shared pools.
#[derive(Debug, Default)]
pub(crate) struct Rosters(Mutex<HashMap<PoolId, Roster>>);

/// The numbers of a shared pool, and when they were read.
#[derive(Clone, Debug)]
struct Roster {
    numbers: Arc<[Number]>,
    read_at: Timestamp,
}

impl Rosters {
    /// How many numbers a pool has.
    pub(crate) async fn size(
        &self,
        numbers: &Numbers,
        pool: &Pool,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        Ok(self.roster(numbers, pool, now, KEPT_SECONDS).await?.numbers.len())
    }

    /// Picks numbers that may serve, at random, so that orders spread over the pool.
    /// Nothing if too few may.
    pub(crate) async fn pick(
        &self,
        numbers: &Numbers,
        needed: &NumbersNeeded<'_>,
        now: Timestamp,
    ) -> Result<Option<Vec<Number>>, StoreError> {
        let roster = self.roster(numbers, needed.pool, now, KEPT_SECONDS).await?;
        if let Some(picked) = pick_at_random(&roster.numbers, needed) {
            return Ok(Some(picked));
        }
        let roster = self.roster(numbers, needed.pool, now, KEPT_IN_VAIN_SECONDS).await?;
        Ok(pick_at_random(&roster.numbers, needed))
    }

    /// The list, read again if it is older than that. Whoever needs it meanwhile waits.
    async fn roster(
        &self,
        numbers: &Numbers,
        pool: &Pool,
        now: Timestamp,
        kept_seconds: u64,
    ) -> Result<Roster, StoreError> {
        let mut rosters = self.0.lock().await;
        if let Some(roster) = rosters.get(&pool.id)
            && now < roster.read_at.after(kept_seconds)
        {
            return Ok(roster.clone());
        }
        let rows = numbers.in_circulation(pool).await?;
        let roster =
            Roster { numbers: rows.into_iter().map(|row| row.number).collect(), read_at: now };
        rosters.insert(pool.id.clone(), roster.clone());
        Ok(roster)
    }
}

fn pick_at_random(numbers: &[Number], needed: &NumbersNeeded<'_>) -> Option<Vec<Number>> {
    let mut candidates: Vec<&Number> = numbers.iter().collect();
    fastrand::shuffle(&mut candidates);
    needed.pick(&candidates)
}

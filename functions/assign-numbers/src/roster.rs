//! The numbers of shared pools, cached by this environment.
//!
//! A number may serve any order whose people have no route on it, which only the claim's
//! condition decides. The list is a hint, so it may be cached: a withdrawn number is
//! handed out until the cached list expires, and no longer.

use std::collections::HashMap;
use std::sync::Arc;

use masking::{Number, NumbersNeeded, Pool, PoolId, Timestamp};
use masking_store::{Numbers, StoreError};
use tokio::sync::Mutex;

/// How long a list is cached, in seconds.
const KEPT_SECONDS: u64 = 10;
/// How long a list is cached, in seconds, for an event that finds no usable number in it:
/// an import must help the events that wait.
const KEPT_IF_EXHAUSTED_SECONDS: u64 = 2;

/// The cached numbers of all shared pools.
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

    /// Picks usable numbers at random, so that orders spread over the pool. `None` if the
    /// pool has too few.
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
        let roster = self.roster(numbers, needed.pool, now, KEPT_IF_EXHAUSTED_SECONDS).await?;
        Ok(pick_at_random(&roster.numbers, needed))
    }

    /// Returns a pool's list, and reads it again if it is `kept_seconds` old. Holds the
    /// lock while reading, so that concurrent events share one read.
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

//! The numbers that the events of one batch draw from.
//!
//! Of an exclusive pool, a page of a random shard is read when the first event needs
//! it, and serves the whole batch. Numbers are picked from it at random, so that
//! functions at work on the same shard seldom pick the same ones. It is dropped with
//! the batch: kept longer, more and more of its numbers would be taken.
//!
//! Of a shared pool, all numbers are on the environment's roster, which outlives it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::PoisonError;

use masking::{Allocation, Number, NumbersNeeded, Pool, PoolId, Timestamp};
use masking_store::{Numbers, PageKey, StoreError};
use order_events::Candidates;
use tokio::sync::Mutex;

use crate::roster::Rosters;

/// Free numbers read at a time. With S shards, λ claims a second and candidates of
/// T seconds, about λ·T/(S·K) of the claims collide.
const PAGE: u64 = 200;
/// The most, where a pool's low water asks for more than a page.
const LONGEST_PAGE: u64 = 1000;
/// A claim in a shared pool that is lost so often means that the pool runs low.
const MANY_LOST: u32 = 3;

/// The numbers that the events of one batch draw from.
pub(crate) struct Stock<'a> {
    numbers: &'a Numbers,
    rosters: &'a Rosters,
    now: Timestamp,
    shelves: Mutex<HashMap<PoolId, Shelf>>,
    low: std::sync::Mutex<HashSet<PoolId>>,
}

/// What is known of a pool's free numbers.
struct Shelf {
    free: Vec<Number>,
    /// Where to read on: the shards that have not been read to their end.
    shards: VecDeque<(u64, Option<PageKey>)>,
    shards_begun: u64,
}

impl Shelf {
    /// An empty shelf that begins to read at a random shard.
    fn new(pool: &Pool) -> Self {
        let mut shards: VecDeque<_> = (0..pool.shards).map(|shard| (shard, None)).collect();
        shards.rotate_left(fastrand::usize(0..shards.len().max(1)));
        Self { free: Vec::new(), shards, shards_begun: 0 }
    }
}

impl<'a> Stock<'a> {
    /// An empty stock; what is free is judged at `now`.
    pub(crate) fn new(numbers: &'a Numbers, rosters: &'a Rosters, now: Timestamp) -> Self {
        let (shelves, low) = (Mutex::default(), std::sync::Mutex::default());
        Self { numbers, rosters, now, shelves, low }
    }

    /// Looks whether the pool runs low: into one shard, if none was looked into yet, or
    /// at the roster.
    pub(crate) async fn look(&self, pool: &Pool) -> Result<(), StoreError> {
        if pool.allocation == Allocation::Shared {
            let size = self.rosters.size(self.numbers, pool, self.now).await?;
            if u64::try_from(size).unwrap_or(u64::MAX) < pool.min_free.max(1) {
                self.runs_low(pool);
            }
            return Ok(());
        }
        let mut shelves = self.shelves.lock().await;
        let shelf = shelves.entry(pool.id.clone()).or_insert_with(|| Shelf::new(pool));
        if shelf.shards_begun == 0 {
            self.read_on(pool, shelf).await?;
        }
        Ok(())
    }

    /// The pools that were seen to run low: a shard had too few free numbers, or
    /// was not enough.
    pub(crate) fn low_pools(&self) -> Vec<PoolId> {
        self.low.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn runs_low(&self, pool: &Pool) {
        self.low.lock().unwrap_or_else(PoisonError::into_inner).insert(pool.id.clone());
    }

    /// Takes numbers of an exclusive pool.
    async fn draw(&self, needed: &NumbersNeeded<'_>) -> Result<Option<Vec<Number>>, StoreError> {
        let pool = needed.pool;
        let mut shelves = self.shelves.lock().await;
        let shelf = shelves.entry(pool.id.clone()).or_insert_with(|| Shelf::new(pool));
        loop {
            fastrand::shuffle(&mut shelf.free);
            if let Some(picked) = needed.pick(&shelf.free) {
                shelf.free.retain(|number| !picked.contains(number));
                return Ok(Some(picked));
            }
            if !self.read_on(pool, shelf).await? {
                return Ok(None);
            }
        }
    }

    /// Reads the next page. Returns false after the last page of the last shard.
    async fn read_on(&self, pool: &Pool, shelf: &mut Shelf) -> Result<bool, StoreError> {
        let Some((shard, from)) = shelf.shards.front().cloned() else { return Ok(false) };
        let low_water = pool.low_water_per_shard();
        let limit = low_water.clamp(PAGE, LONGEST_PAGE);
        let first_page = from.is_none();

        let limit_i32 = i32::try_from(limit).unwrap_or(i32::MAX);
        let page = self.numbers.free(pool, shard, self.now, limit_i32, from).await?;

        let found = u64::try_from(page.numbers.len()).unwrap_or(u64::MAX);
        let low = found < low_water.min(limit) || 0 < shelf.shards_begun;
        if first_page {
            shelf.shards_begun += 1;
            if low {
                self.runs_low(pool);
            }
        }
        shelf.shards.pop_front();
        if page.next.is_some() {
            shelf.shards.push_front((shard, page.next));
        }
        shelf.free.extend(page.numbers);
        Ok(true)
    }
}

impl Candidates for Stock<'_> {
    /// A number of an exclusive pool is given out once, unless it is put back.
    async fn take(&self, needed: &NumbersNeeded<'_>) -> Result<Option<Vec<Number>>, StoreError> {
        match needed.allocation {
            Allocation::Exclusive => self.draw(needed).await,
            Allocation::Shared => {
                if MANY_LOST <= needed.claims_lost {
                    self.runs_low(needed.pool);
                }
                let picked = self.rosters.pick(self.numbers, needed, self.now).await?;
                if picked.is_none() {
                    self.runs_low(needed.pool);
                }
                Ok(picked)
            }
        }
    }

    async fn put_back(&self, pool: &Pool, numbers: Vec<Number>) {
        if let Some(shelf) = self.shelves.lock().await.get_mut(&pool.id) {
            shelf.free.extend(numbers);
        }
    }

    /// Reads anew, from another shard: where some are taken, others work.
    async fn forget(&self, pool: &Pool) {
        self.shelves.lock().await.remove(&pool.id);
    }
}

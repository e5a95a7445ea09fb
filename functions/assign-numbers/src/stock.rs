//! The numbers that the events of one batch draw from.
//!
//! Exclusive pools: the first event that needs numbers reads a page of free numbers from
//! a random shard, and the whole batch shares it. Events pick from the page at random, so
//! that functions that work on the same shard seldom pick the same numbers. The page is
//! dropped after the batch, since other functions take more and more of its numbers.
//!
//! Shared pools: all numbers are on the environment's roster, which outlives the batch.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use masking::{Allocation, Announcement, Number, NumbersNeeded, Pool, PoolId, Timestamp};
use masking_store::{IndexedNumber, Numbers, PageKey, StoreError};
use order_events::{Candidates, Verdict};
use tokio::sync::Mutex;

use crate::AssignNumbers;
use crate::dry_pools::DryPools;
use crate::roster::Rosters;

/// How many free numbers are read at a time. With S shards, λ claims a second, pages of
/// K numbers and T seconds from reading a page to claiming, about λ·T/(S·K) of the claims
/// collide. With 64 concurrent functions, an order takes 1.13 tries with pages of 200, and
/// 1.24 with pages of 100 (`docs/performance.md`).
const PAGE: u64 = 200;
/// The most that are read at a time, for a pool whose low water is more than a page.
const LONGEST_PAGE: u64 = 1000;
/// After this many lost claims of one event, a shared pool counts as running low.
const MANY_LOST: u32 = 3;

/// The numbers that the events of one batch draw from.
pub(crate) struct Stock<'a> {
    numbers: &'a Numbers,
    dry_pools: &'a DryPools,
    rosters: &'a Rosters,
    now: Timestamp,
    /// Each has a lock of its own: while one pool is read, the events of others go on.
    shelves: std::sync::Mutex<HashMap<PoolId, Arc<Mutex<Shelf>>>>,
    low: std::sync::Mutex<HashSet<PoolId>>,
    /// Since when each number that was read has been free, for the journal.
    free_since: std::sync::Mutex<HashMap<Number, Timestamp>>,
}

/// The free numbers of an exclusive pool that were read and not yet taken.
struct Shelf {
    free: Vec<Number>,
    /// The shards that have not been read to their end, each with its next page.
    shards: VecDeque<(u64, Option<PageKey>)>,
    /// The number of shards whose first page was read.
    shards_begun: u64,
}

impl Shelf {
    /// An empty shelf whose first page will be of a random shard.
    fn new(pool: &Pool) -> Self {
        let mut shards: VecDeque<_> = (0..pool.shards).map(|shard| (shard, None)).collect();
        shards.rotate_left(fastrand::usize(0..shards.len().max(1)));
        Self { free: Vec::new(), shards, shards_begun: 0 }
    }
}

impl<'a> Stock<'a> {
    /// An empty stock. It holds numbers that are free at `now`.
    pub(crate) fn new(function: &'a AssignNumbers, now: Timestamp) -> Self {
        let AssignNumbers { numbers, dry_pools, rosters, .. } = function;
        let (shelves, low, free_since) = Default::default();
        Self { numbers, dry_pools, rosters, now, shelves, low, free_since }
    }

    /// Checks whether the pool runs low: reads one shard if the batch has read none yet,
    /// or counts the roster of a shared pool.
    pub(crate) async fn look(&self, pool: &Pool) -> Result<(), StoreError> {
        if pool.allocation == Allocation::Shared {
            let size = self.rosters.size(self.numbers, pool, self.now).await?;
            if u64::try_from(size).unwrap_or(u64::MAX) < pool.min_free.max(1) {
                self.mark_low(pool);
            }
            return Ok(());
        }
        let shelf = self.shelf(pool);
        let mut shelf = shelf.lock().await;
        if shelf.shards_begun == 0 {
            self.read_next_page(pool, &mut shelf).await?;
        }
        Ok(())
    }

    /// The pools that run low: a shard had too few free numbers, or one shard was not
    /// enough.
    pub(crate) fn low_pools(&self) -> Vec<PoolId> {
        self.low.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The longest time that one of the announced numbers had been free before this batch. Those
    /// that the order held before, and those of a shared pool, do not count.
    pub(crate) fn longest_free(&self, verdict: &Verdict, now: Timestamp) -> Option<Duration> {
        let Some(Announcement::Assigned { participants, .. }) = &verdict.announcement else {
            return None;
        };
        let free_since = self.free_since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = participants.iter().filter_map(|it| free_since.get(&it.number));
        let longest = since.map(|since| now.seconds().saturating_sub(since.seconds())).max();
        longest.map(Duration::from_secs)
    }

    fn shelf(&self, pool: &Pool) -> Arc<Mutex<Shelf>> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Mutex::new(Shelf::new(pool)));
        Arc::clone(shelves.entry(pool.id.clone()).or_insert_with(new))
    }

    fn mark_low(&self, pool: &Pool) {
        self.low.lock().unwrap_or_else(PoisonError::into_inner).insert(pool.id.clone());
    }

    /// Takes numbers of an exclusive pool; `None` if it has too few free ones.
    async fn draw(&self, needed: &NumbersNeeded<'_>) -> Result<Option<Vec<Number>>, StoreError> {
        let pool = needed.pool;
        let shelf = self.shelf(pool);
        let mut shelf = shelf.lock().await;
        loop {
            fastrand::shuffle(&mut shelf.free);
            if let Some(picked) = needed.pick(&shelf.free) {
                shelf.free.retain(|number| !picked.contains(number));
                return Ok(Some(picked));
            }
            if shelf.shards_begun == 0
                && self.dry_pools.have_too_few(&pool.id, needed.count(), self.now)
            {
                return Ok(None);
            }
            if !self.read_next_page(pool, &mut shelf).await? {
                self.dry_pools.note(&pool.id, shelf.free.len(), self.now);
                return Ok(None);
            }
        }
    }

    /// Reads the next page. Returns false after the last page of the last shard.
    async fn read_next_page(&self, pool: &Pool, shelf: &mut Shelf) -> Result<bool, StoreError> {
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
                self.mark_low(pool);
            }
        }
        shelf.shards.pop_front();
        if page.next.is_some() {
            shelf.shards.push_front((shard, page.next));
        }
        let mut free_since = self.free_since.lock().unwrap_or_else(PoisonError::into_inner);
        for IndexedNumber { number, available_at } in page.numbers {
            free_since.insert(number.clone(), available_at);
            shelf.free.push(number);
        }
        Ok(true)
    }
}

impl Candidates for Stock<'_> {
    /// Gives a number of an exclusive pool out once, unless it is put back.
    async fn take(&self, needed: &NumbersNeeded<'_>) -> Result<Option<Vec<Number>>, StoreError> {
        match needed.allocation {
            Allocation::Exclusive => self.draw(needed).await,
            Allocation::Shared => {
                if MANY_LOST <= needed.claims_lost {
                    self.mark_low(needed.pool);
                }
                let picked = self.rosters.pick(self.numbers, needed, self.now).await?;
                if picked.is_none() {
                    self.mark_low(needed.pool);
                }
                Ok(picked)
            }
        }
    }

    async fn put_back(&self, pool: &Pool, numbers: Vec<Number>) {
        self.shelf(pool).lock().await.free.extend(numbers);
    }

    /// Drops what was read, so that the next draw reads a random shard again: where
    /// numbers are taken, another function is at work.
    async fn forget(&self, pool: &Pool) {
        *self.shelf(pool).lock().await = Shelf::new(pool);
    }
}

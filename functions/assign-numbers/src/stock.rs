//! The numbers that the events of one batch draw from.
//!
//! A page of a random shard is read when the first event needs it, and shared.
//! Numbers are picked from it at random, so that functions at work on the same
//! shard seldom pick the same ones. It is dropped with the batch: kept longer,
//! more and more of its numbers would be taken.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::PoisonError;

use masking::{Number, Pool, PoolId, Timestamp};
use masking_store::{Numbers, PageKey, StoreError};
use order_events::Candidates;
use tokio::sync::Mutex;

/// Free numbers read at a time. With S shards, λ claims a second and candidates of
/// T seconds, about λ·T/(S·K) of the claims collide.
const PAGE: u64 = 100;
/// The most, where a pool's low water asks for more than a page.
const LONGEST_PAGE: u64 = 1000;

/// The numbers that the events of one batch draw from.
pub(crate) struct Stock<'a> {
    numbers: &'a Numbers,
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
    pub(crate) fn new(numbers: &'a Numbers, now: Timestamp) -> Self {
        Self { numbers, now, shelves: Mutex::default(), low: std::sync::Mutex::default() }
    }

    /// Looks into one shard, if none was looked into yet.
    pub(crate) async fn look(&self, pool: &Pool) -> Result<(), StoreError> {
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
                self.low.lock().unwrap_or_else(PoisonError::into_inner).insert(pool.id.clone());
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
    /// A number is given out once, unless it is put back.
    async fn take(
        &self,
        pool: &Pool,
        count: usize,
        own: &HashSet<Number>,
    ) -> Result<Option<Vec<Number>>, StoreError> {
        let mut shelves = self.shelves.lock().await;
        let shelf = shelves.entry(pool.id.clone()).or_insert_with(|| Shelf::new(pool));
        loop {
            if let Some(picked) = pick(&mut shelf.free, count, own) {
                return Ok(Some(picked));
            }
            if !self.read_on(pool, shelf).await? {
                return Ok(None);
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

/// Picks at random, and takes what it picks away; nothing if there are too few.
fn pick(free: &mut Vec<Number>, count: usize, own: &HashSet<Number>) -> Option<Vec<Number>> {
    fastrand::shuffle(free);
    // What may be picked comes last.
    free.sort_by_key(|number| !own.contains(number));
    let usable = free.iter().filter(|number| !own.contains(*number)).count();
    (count <= usable).then(|| free.split_off(free.len() - count))
}

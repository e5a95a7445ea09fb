//! The exclusive pools that this environment has just found dry. When thousands of events wait
//! for one pool, most of their tries would query all of its shards again for nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use masking::{PoolId, Timestamp};

/// The pools that were found dry, each until the second is over in which its shards were read.
/// Cool-downs end at whole seconds, so that a second look in the same second finds no number
/// that has rested meanwhile. It would only find one that was imported, or released without a
/// cool-down.
#[derive(Debug, Default)]
pub(crate) struct DryPools(Mutex<HashMap<PoolId, DryPool>>);

/// The numbers that were left when all shards had been read.
#[derive(Clone, Copy, Debug)]
struct DryPool {
    free: usize,
    read_at: Timestamp,
}

impl DryPools {
    /// Notes that all shards of a pool, read at that second, had no more free numbers than
    /// these.
    pub(crate) fn note(&self, pool: &PoolId, free: usize, read_at: Timestamp) {
        self.lock().insert(pool.clone(), DryPool { free, read_at });
    }

    /// Whether the pool is known to have fewer free numbers than needed.
    pub(crate) fn have_too_few(&self, pool: &PoolId, needed: usize, now: Timestamp) -> bool {
        self.lock().get(pool).is_some_and(|dry| dry.read_at == now && dry.free < needed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PoolId, DryPool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_known_as_dry_within_a_second_for_orders_that_need_more_than_it_has() {
        let (dry_pools, at) = (DryPools::default(), Timestamp::from_seconds);
        let [a, b] = ["a", "b"].map(|id| PoolId::parse(id).unwrap());
        dry_pools.note(&a, 1, at(100));
        assert!(dry_pools.have_too_few(&a, 2, at(100)));
        assert!(!dry_pools.have_too_few(&a, 1, at(100)), "it has one");
        assert!(!dry_pools.have_too_few(&a, 2, at(101)), "one may have become free");
        assert!(!dry_pools.have_too_few(&b, 2, at(100)), "another pool");
    }
}

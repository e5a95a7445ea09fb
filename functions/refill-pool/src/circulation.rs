//! The numbers of a pool that may be handed out, and when each is free.

use std::collections::HashMap;

use masking::{Allocation, Number, Pool, Timestamp};
use masking_store::IndexedNumber;

/// When each number of a pool is free. Has no withdrawn numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circulation(HashMap<Number, Timestamp>);

impl Circulation {
    /// How many numbers may serve an order at the time `by`: those that are free then,
    /// or all numbers of a shared pool.
    pub(crate) fn usable(&self, pool: &Pool, by: Timestamp) -> u64 {
        match pool.allocation {
            Allocation::Exclusive => count(self.0.values().filter(|free_at| **free_at <= by)),
            Allocation::Shared => count(self.0.values()),
        }
    }

    /// How many numbers there are, free or not.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn insert(&mut self, number: Number, free_at: Timestamp) {
        self.0.insert(number, free_at);
    }

    pub(crate) fn remove(&mut self, number: &Number) {
        self.0.remove(number);
    }
}

impl FromIterator<IndexedNumber> for Circulation {
    fn from_iter<T: IntoIterator<Item = IndexedNumber>>(rows: T) -> Self {
        Self(rows.into_iter().map(|row| (row.number, row.available_at)).collect())
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use masking::Pools;

    use super::*;

    #[test]
    fn a_number_is_usable_once_it_is_free_and_a_shared_one_always() {
        let mut circulation = Circulation::default();
        for (number, free_at) in [("+622150001", 9), ("+622150002", 10), ("+622150003", 11)] {
            circulation.insert(number.parse().unwrap(), Timestamp::from_seconds(free_at));
        }
        for (allocation, usable) in [("exclusive", 2), ("shared", 3)] {
            let pools = format!(r#"[{{"id":"a","allocation":"{allocation}"}}]"#);
            let pools = Pools::parse(&pools).unwrap();
            let pool = pools.named(None).unwrap();
            assert_eq!(circulation.usable(pool, Timestamp::from_seconds(10)), usable);
        }
        assert_eq!(circulation.len(), 3);
    }
}

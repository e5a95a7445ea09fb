//! The numbers of a pool that may be handed out, and when each is free.

use std::collections::HashMap;

use masking::{Allocation, Number, Pool, Timestamp};
use masking_store::IndexedNumber;

/// When each number of a pool is free. Has no withdrawn numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circulation(HashMap<Number, Timestamp>);

/// How many numbers of a pool are in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Numbers that may serve an order.
    pub(crate) free: u64,
    /// Numbers that orders hold. In a shared pool, no number is held.
    pub(crate) held: u64,
    /// Numbers that rest after an order.
    pub(crate) cooling: u64,
}

impl Circulation {
    /// How many numbers may serve an order at the time `by`: those that are free then,
    /// or all numbers of a shared pool.
    pub(crate) fn usable(&self, pool: &Pool, by: Timestamp) -> u64 {
        match pool.allocation {
            Allocation::Exclusive => {
                count(self.0.values().filter(|free_at| **free_at <= by).count())
            }
            Allocation::Shared => count(self.0.len()),
        }
    }

    /// How many numbers there are, free or not.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many numbers are free, held and cooling. A held number is free again after its
    /// order's end and the cool-down, so later than a cool-down from now.
    pub(crate) fn stock(&self, pool: &Pool, now: Timestamp) -> Stock {
        let free = self.usable(pool, now);
        let rested = self.usable(pool, now.after(pool.cooldown_seconds));
        Stock { free, cooling: rested - free, held: count(self.len()) - rested }
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

pub(crate) fn count(numbers: usize) -> u64 {
    u64::try_from(numbers).unwrap_or(u64::MAX)
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
    }

    #[test]
    fn a_number_that_rests_is_free_within_a_cool_down_and_a_held_one_later() {
        let mut circulation = Circulation::default();
        for (number, free_at) in
            [("+622150001", 10), ("+622150002", 11), ("+622150003", 70), ("+622150004", 71)]
        {
            circulation.insert(number.parse().unwrap(), Timestamp::from_seconds(free_at));
        }
        for (allocation, free, cooling, held) in [("exclusive", 1, 2, 1), ("shared", 4, 0, 0)] {
            let pools =
                format!(r#"[{{"id":"a","allocation":"{allocation}","cooldown_seconds":60}}]"#);
            let pools = Pools::parse(&pools).unwrap();
            let pool = pools.named(None).unwrap();
            let stock = circulation.stock(pool, Timestamp::from_seconds(10));
            assert_eq!(stock, Stock { free, held, cooling });
        }
    }
}

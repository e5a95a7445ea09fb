//! The waits for a dry pool that this environment has announced. An event that waits is
//! delivered again and again, but announced as `unavailable` once. (The receive count
//! can't tell: an earlier delivery may have died before it found the pool dry.)

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use masking::OrderId;

/// How many waits are remembered, which bounds the memory. After more than this at a time,
/// all are forgotten, and announced once more.
const REMEMBERED: usize = 10_000;

/// The waits that were announced: order and version of the event.
#[derive(Debug, Default)]
pub(crate) struct AnnouncedWaits(Mutex<HashSet<(OrderId, u64)>>);

impl AnnouncedWaits {
    /// Notes that a wait is announced. Returns false if it was noted before.
    pub(crate) fn note(&self, order_id: &OrderId, version: u64) -> bool {
        let mut waits = self.lock();
        if REMEMBERED <= waits.len() {
            waits.clear();
        }
        waits.insert((order_id.clone(), version))
    }

    /// Forgets a wait that is over, or that could not be announced.
    pub(crate) fn forget(&self, order_id: &OrderId, version: u64) {
        self.lock().remove(&(order_id.clone(), version));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(OrderId, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_new_once_until_it_is_forgotten() {
        let waits = AnnouncedWaits::default();
        let order_id = OrderId::parse("o-1").unwrap();
        assert!(waits.note(&order_id, 1) && waits.note(&order_id, 2));
        assert!(!waits.note(&order_id, 1));
        waits.forget(&order_id, 1);
        assert!(waits.note(&order_id, 1));
        assert!(!waits.note(&order_id, 2));
    }

    #[test]
    fn the_number_of_remembered_waits_is_bounded() {
        let waits = AnnouncedWaits::default();
        let order_id = OrderId::parse("o-1").unwrap();
        for version in 0..=REMEMBERED as u64 {
            waits.note(&order_id, version);
        }
        assert!(waits.lock().len() <= REMEMBERED);
    }
}

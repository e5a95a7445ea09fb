//! Decides what a pool's ledger says: how many numbers the account may hold by now, and
//! until when the provider wants to be left alone.

use std::time::Duration;

use masking::Timestamp;
use masking_store::Ledger;

/// How long after an order or a loss the count stays as high as it was, in seconds. A wrong
/// listing may last for hours, and must not buy a pool again.
const DOUBT: u64 = 24 * 3600;
/// The longest pause that is believed.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The ledger after a listing, by which the account holds `held` numbers. Only a listing
/// that is `certain`, long after the last order and the last loss, lowers the count.
pub(crate) fn after_listing(ledger: Ledger, held: u64, certain: bool, now: Timestamp) -> Ledger {
    let lowers = certain && ledger.changed_at.after(DOUBT) <= now;
    let paid = if lowers { held } else { ledger.paid.max(held) };
    Ledger { paid, ..ledger }
}

/// The ledger before a number is ordered. `None` if the pool has its most numbers.
pub(crate) fn before_order(ledger: Ledger, most: u64, now: Timestamp) -> Option<Ledger> {
    (ledger.paid < most).then(|| Ledger { paid: ledger.paid + 1, changed_at: now, ..ledger })
}

/// The ledger after an order by which certainly nothing was sold.
pub(crate) fn after_no_sale(ledger: Ledger) -> Ledger {
    Ledger { paid: ledger.paid.saturating_sub(1), ..ledger }
}

/// The ledger before numbers that the account lacks are withdrawn.
pub(crate) fn before_loss(ledger: Ledger, now: Timestamp) -> Ledger {
    Ledger { changed_at: now, ..ledger }
}

/// The ledger after the provider asked to be left alone.
pub(crate) fn after_rate_limit(ledger: Ledger, pause: Duration, now: Timestamp) -> Ledger {
    let pause = pause.min(LONGEST_PAUSE);
    Ledger { paused_until: now.after(pause.as_secs()), ..ledger }
}

/// Whether the provider wants to be left alone now.
pub(crate) fn is_paused(ledger: Ledger, now: Timestamp) -> bool {
    now < ledger.paused_until
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn now() -> Timestamp {
        Timestamp::from_seconds(NOW)
    }

    fn ledger(changed_ago: u64) -> Ledger {
        let changed_at = Timestamp::from_seconds(NOW - changed_ago);
        Ledger { revision: 1, paid: 5, changed_at, ..Ledger::default() }
    }

    #[test]
    fn only_a_certain_listing_a_day_after_orders_and_losses_lowers_the_count() {
        for (ledger, held, certain, paid) in [
            (ledger(DOUBT), 3, true, 3),
            (ledger(DOUBT), 3, false, 5),
            (ledger(DOUBT - 1), 3, true, 5),
            (ledger(0), 8, false, 8),
            (Ledger::default(), 8, true, 8),
            (Ledger::default(), 8, false, 8),
        ] {
            assert_eq!(after_listing(ledger, held, certain, now()).paid, paid, "{ledger:?}");
        }
    }

    #[test]
    fn an_order_counts_before_it_is_sent_and_not_beyond_the_most() {
        let before = ledger(60);
        let after = before_order(before, 6, now()).unwrap();
        assert_eq!(after, Ledger { paid: 6, changed_at: now(), ..before });
        assert_eq!(before_order(after, 6, now()), None);
        assert_eq!(after_no_sale(after).paid, 5);
        assert_eq!(after_no_sale(Ledger::default()).paid, 0);
    }

    #[test]
    fn a_pause_is_as_long_as_asked_for_up_to_an_hour() {
        for (asked_for, seconds) in [(90, 90), (86_400, 3600)] {
            let paused = after_rate_limit(ledger(0), Duration::from_secs(asked_for), now());
            assert!(is_paused(paused, now().after(seconds - 1)), "{asked_for}");
            assert!(!is_paused(paused, now().after(seconds)), "{asked_for}");
        }
    }

    #[test]
    fn a_loss_is_remembered() {
        assert_eq!(before_loss(ledger(9), now()), ledger(0));
    }
}

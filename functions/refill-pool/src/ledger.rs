//! Decides what a pool's ledger says: how many numbers the account may hold by now, and
//! until when the provider wants to be left alone.

use std::time::Duration;

use masking::Timestamp;
use masking_store::Ledger;

/// How long complete listings must show fewer numbers than were paid for, before they are
/// believed, in seconds. A wrong listing may last for hours, and must not buy a pool again.
const DOUBT: u64 = 24 * 3600;
/// The longest pause that is believed.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The ledger after a listing, by which the account holds `held` numbers. Only listings that
/// are `certain`, for a whole day without an order or a loss, lower the count: to the most
/// that any of them showed.
pub(crate) fn after_listing(ledger: Ledger, held: u64, certain: bool, now: Timestamp) -> Ledger {
    let is_first = ledger.revision == 0;
    if ledger.paid <= held || is_first {
        let paid = ledger.paid.max(held);
        return Ledger { paid, most_seen: 0, seen_since: Timestamp::default(), ..ledger };
    }
    if !certain {
        return ledger;
    }
    if ledger.seen_since == Timestamp::default() || ledger.seen_since < ledger.changed_at {
        return Ledger { most_seen: held, seen_since: now, ..ledger };
    }
    let most_seen = ledger.most_seen.max(held);
    if ledger.seen_since.after(DOUBT) <= now {
        return Ledger {
            paid: most_seen,
            most_seen: 0,
            seen_since: Timestamp::default(),
            ..ledger
        };
    }
    Ledger { most_seen, ..ledger }
}

/// The ledger before a number is ordered. `None` if the pool has its most numbers.
pub(crate) fn before_order(ledger: Ledger, most: u64, now: Timestamp) -> Option<Ledger> {
    (ledger.paid < most).then(|| Ledger { paid: ledger.paid + 1, changed_at: now, ..ledger })
}

/// The ledger after an order by which certainly nothing was sold. `before` is the ledger
/// before the order.
pub(crate) fn after_no_sale(ledger: Ledger, before: Ledger) -> Ledger {
    Ledger { changed_at: before.changed_at, ..after_return(ledger) }
}

/// The ledger after a number was certainly given back.
pub(crate) fn after_return(ledger: Ledger) -> Ledger {
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

    /// The ledger after listings by which the account holds so many numbers, each at a
    /// number of seconds from now.
    fn listed(ledger: Ledger, listings: &[(u64, u64)]) -> Ledger {
        listings.iter().fold(ledger, |ledger, (after, held)| {
            after_listing(ledger, *held, true, now().after(*after))
        })
    }

    #[test]
    fn the_count_rises_at_once_and_falls_after_a_day_to_the_most_that_was_seen() {
        for (listings, paid) in [
            (&[(0, 8)][..], 8),
            (&[(0, 3)], 5),
            (&[(0, 3), (DOUBT - 1, 3)], 5),
            (&[(0, 3), (DOUBT, 3)], 3),
            (&[(0, 0), (60, 4), (DOUBT, 3)], 4),
            (&[(0, 3), (60, 5), (DOUBT, 3), (2 * DOUBT - 1, 3)], 5),
            (&[(0, 3), (60, 5), (DOUBT, 3), (2 * DOUBT, 3)], 3),
        ] {
            assert_eq!(listed(ledger(0), listings).paid, paid, "{listings:?}");
        }
        assert_eq!(listed(Ledger::default(), &[(0, 8)]).paid, 8);
    }

    #[test]
    fn uncertain_listings_orders_and_losses_let_the_count_stand() {
        let seen = listed(ledger(0), &[(0, 3)]);
        assert_eq!(after_listing(seen, 2, false, now().after(DOUBT)), seen);
        let ordered = before_order(seen, 9, now().after(60)).unwrap();
        assert_eq!(listed(ordered, &[(DOUBT, 3)]).paid, 6, "the day begins again");
        let lost = before_loss(seen, now().after(60));
        assert_eq!(listed(lost, &[(DOUBT, 3), (2 * DOUBT - 1, 3)]).paid, 5);
        assert_eq!(listed(lost, &[(DOUBT, 3), (2 * DOUBT, 3)]).paid, 3);
    }

    #[test]
    fn an_order_counts_before_it_is_sent_and_not_beyond_the_most() {
        let before = ledger(60);
        let after = before_order(before, 6, now()).unwrap();
        assert_eq!(after, Ledger { paid: 6, changed_at: now(), ..before });
        assert_eq!(before_order(after, 6, now()), None);
        assert_eq!(after_no_sale(after, before), before);
        assert_eq!(after_return(after).paid, 5);
        assert_eq!(after_return(Ledger::default()).paid, 0);
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

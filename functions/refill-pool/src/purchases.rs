//! Decides how many numbers to buy for a pool, and when to stop.

use std::collections::HashSet;
use std::time::Duration;

use masking::{Number, Pool, Timestamp};

use crate::circulation::Circulation;

/// No purchase begins with less time than this: it may take 10 s to fail, and if it is
/// cut off, its outcome is unknown.
const TIME_TO_BUY: Duration = Duration::from_secs(10);
/// How many more numbers are searched for than needed: other customers buy too, and among
/// many, two pools that search at the same moment draw different ones.
const SPARE_CANDIDATES: usize = 50;
/// The time until the next check, in seconds: the schedule in `infra/template.yaml`.
const NEXT_CHECK: u64 = 15 * 60;

/// The decision about the next candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Buy it.
    Buy,
    /// Stop: enough numbers were bought.
    Enough,
    /// Stop: too little time is left. The next check goes on.
    OutOfTime,
}

/// How many numbers to buy for a pool that has `paid` for some already. A number that is
/// free before the next check counts as free.
pub(crate) fn shortfall(
    pool: &Pool,
    circulation: &Circulation,
    paid: u64,
    now: Timestamp,
) -> usize {
    let usable = circulation.usable(pool, now.after(NEXT_CHECK));
    usize::try_from(pool.shortfall(usable, paid)).unwrap_or(usize::MAX)
}

/// How many numbers to search for, in order to buy `shortfall` of them.
pub(crate) fn candidates(shortfall: usize) -> usize {
    shortfall.saturating_add(SPARE_CANDIDATES)
}

/// Draws the numbers to try from those for sale, at random, without those of which the
/// account or the table knows already.
pub(crate) fn draw(
    mut for_sale: Vec<Number>,
    known: &HashSet<Number>,
    limit: usize,
) -> Vec<Number> {
    for_sale.retain(|number| !known.contains(number));
    fastrand::shuffle(&mut for_sale);
    for_sale.truncate(limit);
    for_sale
}

/// Decides about the next candidate, with `still_wanted` numbers to buy and `time_left`
/// to do it.
pub(crate) fn next_step(still_wanted: usize, time_left: Duration) -> Step {
    if still_wanted == 0 {
        Step::Enough
    } else if time_left < TIME_TO_BUY {
        Step::OutOfTime
    } else {
        Step::Buy
    }
}

#[cfg(test)]
mod tests {
    use masking::Pools;

    use super::*;

    const NOW: u64 = 1000;

    /// The shortfall of a pool with a target of 5, at most 8 numbers, and a cool-down
    /// of a day. Its numbers are free in `free_after` seconds each.
    fn shortfall_of(allocation: &str, free_after: &[u64], paid: u64) -> usize {
        let pools = format!(
            r#"[{{"id":"a","min_free":0,"target_free":5,"max_numbers":8,"cooldown_seconds":86400,
                  "allocation":"{allocation}"}}]"#
        );
        let pools = Pools::parse(&pools).unwrap();
        let mut circulation = Circulation::default();
        for (index, seconds) in free_after.iter().enumerate() {
            let number = format!("+62215000{index}").parse().unwrap();
            circulation.insert(number, Timestamp::from_seconds(NOW + seconds));
        }
        let now = Timestamp::from_seconds(NOW);
        shortfall(pools.named(None).unwrap(), &circulation, paid, now)
    }

    #[test]
    fn a_number_that_is_free_before_the_next_check_counts_as_free() {
        for (free_after, expected) in [
            (&[][..], 5),
            (&[0, 0, 0, 0, 0], 0),
            (&[0, 1, 899, 900], 1),
            (&[0, 901, 86_400], 4),
            (&[0, 0, 0, 0, 0, 0], 0),
        ] {
            assert_eq!(shortfall_of("exclusive", free_after, 3), expected, "{free_after:?}");
        }
        assert_eq!(shortfall_of("shared", &[0, 901, 86_400], 3), 2, "all of them serve");
    }

    #[test]
    fn the_account_never_holds_more_than_max_numbers() {
        for (paid, expected) in [(3, 5), (4, 4), (7, 1), (8, 0), (9, 0)] {
            assert_eq!(shortfall_of("exclusive", &[], paid), expected, "{paid} paid");
        }
    }

    #[test]
    fn candidates_are_drawn_at_random_from_those_that_nobody_here_knows() {
        let number = |n: usize| -> Number { format!("+6221500{n:02}").parse().unwrap() };
        let for_sale: Vec<Number> = (0..50).map(number).collect();
        let known = HashSet::from([number(3), number(70)]);
        let drawn = draw(for_sale.clone(), &known, 100);
        assert_eq!(drawn.len(), 49);
        assert!(!drawn.contains(&number(3)));
        assert_eq!(draw(for_sale.clone(), &known, 5).len(), 5);
        let firsts: HashSet<Number> =
            (0..20).filter_map(|_| draw(for_sale.clone(), &known, 1).pop()).collect();
        assert!(1 < firsts.len(), "twenty draws of fifty are not all the same");
    }

    #[test]
    fn a_search_asks_for_more_numbers_than_needed() {
        assert_eq!(candidates(4), 54);
        assert_eq!(candidates(usize::MAX), usize::MAX);
    }

    #[test]
    fn buying_stops_when_there_are_enough_or_time_is_short() {
        let (enough, short) = (Duration::from_secs(10), Duration::from_millis(9999));
        for (still_wanted, time_left, step) in [
            (2, enough, Step::Buy),
            (1, enough, Step::Buy),
            (1, short, Step::OutOfTime),
            (0, enough, Step::Enough),
            (0, short, Step::Enough),
        ] {
            assert_eq!(next_step(still_wanted, time_left), step, "{still_wanted} {time_left:?}");
        }
    }
}

//! What `refill-pool` does for an exclusive pool, and how many free numbers it must aim at.
//!
//! A check counts the numbers that are free now or before the next check, and buys what is
//! missing to `target_free`. Until the next check, orders live on those numbers alone.

use std::collections::VecDeque;

use masking::Timestamp;

use crate::settings::Settings;

/// The seconds from one check to the next: the schedule in `infra/template.yaml`, and the
/// time ahead within which `refill-pool` counts a number as free.
pub(crate) const BETWEEN_CHECKS: u64 = 15 * 60;

/// The checks of a replay. Purchases take no time.
#[derive(Debug)]
pub(crate) struct Refill {
    pub(crate) settings: Settings,
    pub(crate) next_check: Timestamp,
}

impl Refill {
    /// How many numbers a check buys, when `usable` are free before the next check, of
    /// `owned` in all.
    pub(crate) fn shortfall(&self, usable: u64, owned: u64) -> u64 {
        let wanted = self.settings.target_free.saturating_sub(usable);
        wanted.min(self.settings.max_numbers.saturating_sub(owned))
    }
}

/// When numbers of an exclusive pool were taken, and when they were free again.
#[derive(Debug, Default)]
pub(crate) struct Turnover {
    /// When an order took a number: one entry for each number, the earliest first.
    pub(crate) taken: Vec<Timestamp>,
    /// When a number that was given back has cooled down: one entry each, in any order.
    pub(crate) cooled: Vec<Timestamp>,
}

impl Turnover {
    /// The free numbers that the busiest quarter of an hour asks for, whenever its check comes:
    /// at any moment up to the next check, the numbers taken since this check, and those that
    /// this check counted as free although they cool until after that moment.
    pub(crate) fn of_busiest_quarter(&self) -> u64 {
        let mut cooled = self.cooled.clone();
        cooled.sort_unstable();
        let cooled_by = |moment| cooled.partition_point(|at| *at <= moment);

        // From the last moment to the first, so that the quarter ahead is already known: the
        // moments of the quarter with the numbers in use then. A moment is left out if an
        // earlier one of the quarter has as many.
        let mut ahead: VecDeque<(Timestamp, usize)> = VecDeque::new();
        let mut most = 0;
        for (before, &at) in self.taken.iter().enumerate().rev() {
            let in_use = before + 1 - cooled_by(at);
            while ahead.pop_front_if(|(_, later)| *later <= in_use).is_some() {}
            ahead.push_front((at, in_use));
            let next_check = at.after(BETWEEN_CHECKS);
            while ahead.pop_back_if(|(moment, _)| next_check < *moment).is_some() {}
            let peak = ahead.iter().map(|(_, in_use)| *in_use).next_back().unwrap_or(in_use);
            // The check found `before` numbers taken, of which all but these stay in use.
            most = most.max(peak + cooled_by(next_check) - before);
        }
        most as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_busiest_quarter(taken: &[u64], cooled: &[u64]) -> u64 {
        let at = |seconds: &[u64]| seconds.iter().map(|it| Timestamp::from_seconds(*it)).collect();
        Turnover { taken: at(taken), cooled: at(cooled) }.of_busiest_quarter()
    }

    #[test]
    fn the_busiest_quarter_is_the_one_that_takes_most_numbers() {
        assert_eq!(of_busiest_quarter(&[], &[]), 0);
        assert_eq!(of_busiest_quarter(&[0, 0, 900, 901, 902, 5000], &[]), 3);
        assert_eq!(of_busiest_quarter(&[0, 0, 2000, 2900, 2901], &[]), 2);
    }

    #[test]
    fn a_number_that_cools_when_it_is_needed_has_to_be_there_twice() {
        // Two numbers cool until 3500. A check at 3000 counts them, but they are no help before.
        assert_eq!(of_busiest_quarter(&[0, 0, 3499], &[3500, 3500]), 3);
        assert_eq!(of_busiest_quarter(&[0, 0, 3500], &[3500, 3500]), 2);
        // A check at 2599 does not count them.
        assert_eq!(of_busiest_quarter(&[0, 0, 2599, 2599], &[3500, 3500]), 2);
    }
}

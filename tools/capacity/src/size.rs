//! The number of numbers that a shared pool needs.
//!
//! A pool needs at least as many numbers as one person has routes at the same time, since each
//! route is on another number. Numbers are drawn at random, so a pool needs some more for draws
//! to hit a number that is free for the person. Replays with pools of several sizes show how
//! many.

use indicatif::ProgressBar;
use masking::Pool;

use crate::figures::real;
use crate::replay::{PoolDry, ReplayResult, shared};
use crate::trace::Trace;

/// The most tries of a claim on average, with a pool that is large enough: the target of
/// docs/performance.md.
const MEAN_TRIES: f64 = 1.2;
/// The most tries at the 99th percentile.
const P99_TRIES: u64 = 3;

/// The tries of claims.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tries {
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) most: u64,
}

impl Tries {
    /// From the number of claims that took one try, two tries, and so on.
    pub(crate) fn of(claims_by_tries: &[u64]) -> Self {
        let claims: u64 = claims_by_tries.iter().sum();
        let weighed = (1..).zip(claims_by_tries).map(|(tries, claims): (u64, &u64)| tries * claims);
        let percentile = |percent: u64| {
            let mut so_far = 0;
            let place = claims_by_tries.iter().position(|claims_here| {
                so_far += claims_here;
                claims * percent <= so_far * 100
            });
            place.map_or(0, |place| place as u64 + 1)
        };
        Self {
            mean: real(weighed.sum()) / real(claims),
            p50: percentile(50),
            p99: percentile(99),
            most: percentile(100),
        }
    }

    fn will_do(&self) -> bool {
        self.mean <= MEAN_TRIES && self.p99 <= P99_TRIES
    }
}

/// A replay with one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trial {
    pub(crate) size: u64,
    /// The tries of claims, unless the pool was dry for an order.
    pub(crate) result: Result<Tries, PoolDry>,
}

/// The search for the size.
#[derive(Debug)]
pub(crate) struct SizeSearch {
    /// The replay with the size that was found.
    pub(crate) replayed: ReplayResult,
    /// All replays, the smallest size first.
    pub(crate) trials: Vec<Trial>,
}

/// Finds the smallest pool that is large enough, from the least possible size: doubles the
/// size until it is enough, then bisects.
pub(crate) fn find(
    trace: &Trace,
    pool: &Pool,
    least: u64,
    seed: u64,
    bar: &ProgressBar,
) -> SizeSearch {
    let mut trials = Vec::new();
    let mut replay = |size: u64| {
        bar.set_message(format!("shared, {size} numbers"));
        let replayed = shared(trace, pool, size, seed, bar);
        let result = replayed.as_ref().map(|it| Tries::of(&it.claims_by_tries)).map_err(|it| *it);
        trials.push(Trial { size, result });
        replayed.ok().filter(|_| result.is_ok_and(|tries| tries.will_do()))
    };

    let (mut too_small, mut size) = (least - 1, least);
    let mut best = loop {
        if let Some(replayed) = replay(size) {
            break replayed;
        }
        (too_small, size) = (size, size * 2);
    };
    while too_small + 1 < size {
        let middle = too_small.midpoint(size);
        match replay(middle) {
            Some(replayed) => (best, size) = (replayed, middle),
            None => too_small = middle,
        }
    }
    trials.sort_by_key(|it| it.size);
    SizeSearch { replayed: best, trials }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_summed_up() {
        let tries = Tries::of(&[98, 1, 0, 1]);
        assert_eq!(tries, Tries { mean: 1.04, p50: 1, p99: 2, most: 4 });
        assert!(tries.will_do());
        assert!(!Tries::of(&[70, 30]).will_do(), "1.3 on average");
        assert!(!Tries::of(&[97, 1, 0, 2]).will_do(), "a p99 of 4");
    }
}

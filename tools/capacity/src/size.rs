//! How many numbers a shared pool needs.
//!
//! No pool is smaller than the most routes that one person has at once, since each is
//! on another number. Numbers are drawn at random, so some more are needed for draws to
//! hit one that is free for the person: how many, replays with pools of different
//! sizes tell.

use indicatif::ProgressBar;
use masking::Pool;

use crate::figures::real;
use crate::replay::{Replayed, Waits, shared};
use crate::trace::Trace;

/// A size that will do has no order wait, and takes no more tries than this: on average,
const MEAN_TRIES: f64 = 1.2;
/// and for all but one in a hundred claims.
const P99_TRIES: u64 = 3;

/// How many tries claims took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tries {
    /// On average.
    pub(crate) mean: f64,
    /// Half of the claims took no more.
    pub(crate) p50: u64,
    /// All but one in a hundred took no more.
    pub(crate) p99: u64,
    /// None took more.
    pub(crate) most: u64,
}

impl Tries {
    /// Sums up how many claims took one try, two, and so on.
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

/// A size that was tried, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tried {
    /// How many numbers.
    pub(crate) size: u64,
    /// How many tries claims took, unless an order waited.
    pub(crate) came: Result<Tries, Waits>,
}

/// The size that is found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The replay with it.
    pub(crate) replayed: Replayed,
    /// All sizes that were tried, the smallest first.
    pub(crate) tried: Vec<Tried>,
}

/// Finds the smallest pool that will do, from the least that one could need: doubles
/// until one does, then bisects.
pub(crate) fn find(trace: &Trace, pool: &Pool, least: u64, seed: u64, bar: &ProgressBar) -> Found {
    let mut tried = Vec::new();
    let mut replay = |size: u64| {
        bar.set_message(format!("shared, {size} numbers"));
        let replayed = shared(trace, pool, size, seed, bar);
        let came = replayed.as_ref().map(|it| Tries::of(&it.claims_by_tries)).map_err(|it| *it);
        tried.push(Tried { size, came });
        replayed.ok().filter(|_| came.is_ok_and(|tries| tries.will_do()))
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
    tried.sort_by_key(|it| it.size);
    Found { replayed: best, tried }
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

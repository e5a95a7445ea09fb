//! The number of numbers that a shared pool needs.
//!
//! A pool needs at least as many numbers as one person has routes at the same time, since each
//! route is on another number. Numbers are drawn at random, so a pool needs some more for draws
//! to hit a number that is free for the person. And a number should not serve too many people:
//! carriers and spam labels count them. Replays with pools of several sizes show how many
//! numbers each takes.

use indicatif::ProgressBar;
use masking::Pool;

use crate::figures::real;
use crate::replay::{PoolDry, ReplayResult, shared};
use crate::trace::Trace;

/// The most tries of a claim on average, with a pool that is large enough: the target of
/// docs/performance.md.
pub(crate) const MEAN_TRIES: f64 = 1.2;
/// The most tries at the 99th percentile.
pub(crate) const P99_TRIES: u64 = 3;

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

/// What a pool that was never dry came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) tries: Tries,
    /// The people on the busiest number at once.
    pub(crate) people: u64,
}

impl Load {
    fn of(replayed: &ReplayResult) -> Self {
        let tries = Tries::of(&replayed.claims_by_tries);
        Self { tries, people: replayed.usage.busiest_number }
    }
}

/// A replay with one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trial {
    pub(crate) size: u64,
    /// The load, unless the pool was dry for an order.
    pub(crate) result: Result<Load, PoolDry>,
}

/// What bounds the size of a shared pool from below: the largest of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The routes of the busiest person.
    pub(crate) busiest_person: u64,
    /// The numbers with which no order waits and claims take few tries.
    pub(crate) claims: u64,
    /// The numbers with which none serves too many people, if that takes more than claims do.
    pub(crate) people: Option<u64>,
}

/// The search for the size.
#[derive(Debug)]
pub(crate) struct SizeSearch {
    /// The replay with the size that was found.
    pub(crate) replayed: ReplayResult,
    pub(crate) bounds: Bounds,
    /// All replays, the smallest size first.
    pub(crate) trials: Vec<Trial>,
}

/// Replays a trace with pools of several sizes.
struct Trials<'a> {
    trace: &'a Trace,
    pool: &'a Pool,
    seed: u64,
    bar: &'a ProgressBar,
    done: Vec<Trial>,
}

impl Trials<'_> {
    /// Finds the smallest pool whose load is small enough, to a hundredth, and of at least
    /// `least` numbers: doubles the size until it is enough, then bisects.
    fn smallest(&mut self, least: u64, is_enough: impl Fn(Load) -> bool) -> ReplayResult {
        let mut replay = |size: u64| {
            self.bar.set_message(format!("shared, {size} numbers"));
            let replayed = shared(self.trace, self.pool, size, self.seed, self.bar);
            let result = replayed.as_ref().map(Load::of).map_err(|dry| *dry);
            self.done.push(Trial { size, result });
            replayed.ok().filter(|_| result.is_ok_and(&is_enough))
        };
        let (mut too_small, mut size) = (least - 1, least);
        let mut best = loop {
            if let Some(replayed) = replay(size) {
                break replayed;
            }
            (too_small, size) = (size, size * 2);
        };
        while too_small + 1 + size / 100 < size {
            let middle = too_small.midpoint(size);
            match replay(middle) {
                Some(replayed) => (best, size) = (replayed, middle),
                None => too_small = middle,
            }
        }
        best
    }
}

/// Finds the smallest pool that is large enough, from the routes of the busiest person:
/// first for claims, then, if a number of that pool serves more than `people_per_number` at
/// once, for people.
pub(crate) fn find(
    trace: &Trace,
    pool: &Pool,
    busiest_person: u64,
    people_per_number: u64,
    seed: u64,
    bar: &ProgressBar,
) -> SizeSearch {
    let mut trials = Trials { trace, pool, seed, bar, done: Vec::new() };
    let mut replayed = trials.smallest(busiest_person, |load| load.tries.will_do());
    let mut bounds = Bounds { busiest_person, claims: replayed.numbers, people: None };
    if people_per_number < replayed.usage.busiest_number {
        // With fewer, the mean would be more.
        let of_mean = replayed.usage.most_routes.div_ceil(people_per_number);
        replayed = trials.smallest(of_mean.max(bounds.claims + 1), |load| {
            load.tries.will_do() && load.people <= people_per_number
        });
        bounds.people = Some(replayed.numbers);
    }
    let mut trials = trials.done;
    trials.sort_by_key(|it| it.size);
    SizeSearch { replayed, bounds, trials }
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

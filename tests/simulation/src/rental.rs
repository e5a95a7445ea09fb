//! The simulation of refill: real checks of pools at a provider's account that lies.
//!
//! Two stacks share one account, one of them with two pools. Listings lag, are empty or cut
//! short; purchases are lost, repeated, late, or answered as if they were new; functions die
//! between two requests; operators change things by hand on both sides. After every request
//! `account` checks what must always hold, and `rest` checks the end.

mod account;
mod people;
mod rest;
mod schedule;
mod stack;

use std::sync::Arc;

use fastrand::Rng;
use futures_util::future::join_all;

use self::account::Account;
use self::schedule::Kind;
use self::stack::Environment;
use crate::report::{Report, Violation};
use crate::run::{Story, in_virtual_time};

pub use self::schedule::{Op, Schedule};

/// A pool of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stack: usize,
    pub(crate) pool: &'static str,
}

pub(crate) const STACKS: [&str; 2] = ["one", "two"];
pub(crate) const PLACES: [Place; 3] =
    [Place { stack: 0, pool: "a" }, Place { stack: 0, pool: "b" }, Place { stack: 1, pool: "a" }];
/// The numbers that each pool wants to have free, and may have at most.
pub(crate) const TARGET: usize = 3;
pub(crate) const MOST: usize = 6;

impl Place {
    /// The tag under which the account has the pool's numbers.
    pub(crate) fn tag(self) -> String {
        format!("{}/{}", STACKS[self.stack], self.pool)
    }
}

/// The letters of a tag: the account may store it in another form.
pub(crate) fn letters(tag: &str) -> String {
    tag.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// One account, and an environment of the functions for each pool.
pub(crate) struct Rental {
    pub(crate) account: Arc<Account>,
    pub(crate) environments: Vec<Environment>,
    history: Vec<String>,
    orders: usize,
    deaths: u64,
    checks: u64,
}

impl Story for Schedule {
    fn draw(seed: u64) -> Self {
        Self::drawn(seed)
    }

    fn steps(&self) -> usize {
        self.ops.len()
    }

    fn without(&self, steps: std::ops::Range<usize>) -> Self {
        let mut shorter = self.clone();
        shorter.ops.drain(steps);
        shorter
    }

    fn calm(&self) -> Self {
        Self { fault_rate: 0, ..self.clone() }
    }

    fn run(&self) -> Result<Report, Violation> {
        in_virtual_time().block_on(async {
            let mut rental = Rental::new(self);
            let result = rental.live(&self.ops).await;
            rental.end(result)
        })
    }
}

impl Rental {
    fn new(schedule: &Schedule) -> Self {
        let account = Account::open(schedule);
        let clouds = STACKS.map(|_| stack::cloud(&account, schedule.provider));
        let environments = PLACES
            .iter()
            .map(|place| Environment::new(*place, schedule, &clouds[place.stack], &account))
            .collect();
        let history = vec![schedule.settings()];
        Self { account, environments, history, orders: 0, deaths: 0, checks: 0 }
    }

    async fn live(&mut self, ops: &[Op]) -> Result<(), Vec<String>> {
        for op in ops {
            self.account.reseed(op.seed);
            fastrand::seed(op.seed);
            self.happen(&op.kind, &mut Rng::with_seed(op.seed ^ 1)).await;
            self.account.verdict()?;
        }
        self.rest().await
    }

    async fn happen(&mut self, kind: &Kind, rng: &mut Rng) {
        self.note(&format!("{kind:?}"));
        match kind {
            Kind::Check { places, dies_after } => self.check(places, *dies_after).await,
            Kind::Pass(seconds) => self.account.seconds_pass(*seconds).await,
            Kind::Serve(place) => self.serve(*place).await,
            Kind::Tell { kind, place, of } => self.tell(kind, *place, *of, rng).await,
            Kind::ByHand(deed) => self.account.by_hand(*deed, rng),
            Kind::Mood(mood) => self.account.set_mood(*mood),
        }
    }

    /// Checks pools at the same moment. `dies_after` are the steps until the first of the
    /// environments dies.
    pub(crate) async fn check(&mut self, places: &[usize], dies_after: Option<u32>) {
        if let (Some(steps), Some(first)) = (dies_after, places.first()) {
            self.environments[*first].dies_after(steps);
        }
        let before = self.account.tally();
        let checks = places.iter().map(|place| self.environments[*place].check());
        let ends = join_all(checks).await;
        for (place, end) in places.iter().zip(ends) {
            self.checks += 1;
            if end.is_none() {
                self.deaths += 1;
                self.note(&format!("the environment of {:?} dies", PLACES[*place]));
                self.environments[*place].restart();
            }
        }
        let after = self.account.tally();
        if before != after {
            self.note(&format!("the account has {after}"));
        }
    }

    fn note(&mut self, what: &str) {
        let at = self.account.elapsed();
        self.history.push(format!("{at:>7} s  {what}"));
    }

    fn end(self, result: Result<(), Vec<String>>) -> Result<Report, Violation> {
        match result {
            Ok(()) => {
                let mut report = self.account.report();
                report.batches = self.checks;
                report.deaths = self.deaths;
                Ok(report)
            }
            Err(found) => Err(Violation { found, history: self.history }),
        }
    }
}

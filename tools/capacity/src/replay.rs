//! Replays a trace through the rules of the functions: each event is a [`masking::Attempt`] on
//! tables in memory.
//!
//! Events come one after the other, each once, and see all earlier writes. So no claim is lost
//! to a concurrent one, and no list of numbers is stale.

use std::collections::{BTreeSet, HashMap};

use fastrand::Rng;
use indicatif::ProgressBar;
use masking::{
    AssignmentRequest, Attempt, Closed, Commit, Number, NumbersNeeded, OrderId, OrderRequest,
    Person, Phone, PhoneHash, Plan, Pool, PoolChoice, Task, Timestamp, Write,
};
use masking_memory::{NumberRow, Tables};

use crate::refill::{BETWEEN_CHECKS, Refill, Turnover};
use crate::settings::Settings;
use crate::trace::{self, Trace};
use crate::units;
use crate::usage::Usage;

/// The result of a replay.
#[derive(Debug, Default)]
pub(crate) struct ReplayResult {
    /// The numbers of the pool at the end.
    pub(crate) numbers: u64,
    /// The number of claims that took one try, two tries, and so on.
    pub(crate) claims_by_tries: Vec<u64>,
    /// The most live orders at the same time, and since when.
    pub(crate) most_live_orders: Option<(u64, Timestamp)>,
    /// The numbers and people in use.
    pub(crate) usage: Usage,
    /// When numbers of an exclusive pool were taken, and when they were free again.
    pub(crate) turnover: Turnover,
    /// The most orders that one number served.
    pub(crate) most_orders_of_a_number: u64,
    /// Write units of claims, those of lost tries included.
    pub(crate) units_to_assign: u64,
    /// Write units of completions.
    pub(crate) units_to_complete: u64,
    /// Read units of claims and completions.
    pub(crate) units_to_read: u64,
    /// The state at regular intervals.
    pub(crate) samples: Vec<Sample>,
}

/// The state at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// When.
    pub(crate) at: Timestamp,
    /// Live orders.
    pub(crate) orders: u64,
    /// Numbers in use.
    pub(crate) numbers: u64,
    /// Routes of the person with the most routes.
    pub(crate) of_busiest_caller: u64,
}

/// The pool was dry for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolDry {
    /// The start of that order.
    pub(crate) since: Timestamp,
}

/// The numbers of a pool, as the service finds them.
enum Stock {
    /// The index `available`, oldest first. The pool grows when no number is free, or, if it
    /// is refilled, by checks alone.
    Exclusive { available: BTreeSet<(Timestamp, Number)>, refill: Option<Refill> },
    /// All numbers of the pool, drawn at random.
    Shared { numbers: Vec<Number>, rng: Rng },
}

/// A replay in progress.
struct Replay<'a> {
    pool: &'a Pool,
    people: Vec<(Phone, PhoneHash)>,
    tables: Tables,
    stock: Stock,
    orders_of_numbers: HashMap<Number, u64>,
    live_orders: u64,
    done: ReplayResult,
}

/// The number of intervals between samples: five minutes each in a day.
const SAMPLES: u64 = 288;

/// Replays a trace on an exclusive pool, which gets another number when none is free.
pub(crate) fn exclusive(trace: &Trace, pool: &Pool, bar: &ProgressBar) -> ReplayResult {
    let stock = Stock::Exclusive { available: BTreeSet::new(), refill: None };
    Replay::new(trace, pool, stock).run(trace, bar).expect("a pool that grows is never dry")
}

/// Replays a trace on an exclusive pool that is empty at first and refilled as set, until it is
/// dry for an order. The first check comes `ahead` seconds before the first order.
pub(crate) fn refilled(
    trace: &Trace,
    pool: &Pool,
    settings: Settings,
    ahead: u64,
    bar: &ProgressBar,
) -> Result<ReplayResult, PoolDry> {
    let next_check = Timestamp::from_seconds(first(trace).seconds().saturating_sub(ahead));
    let refill = Some(Refill { settings, next_check });
    let stock = Stock::Exclusive { available: BTreeSet::new(), refill };
    Replay::new(trace, pool, stock).run(trace, bar)
}

/// Replays a trace on a shared pool of `size` numbers, until the pool is dry for an order.
pub(crate) fn shared(
    trace: &Trace,
    pool: &Pool,
    size: u64,
    seed: u64,
    bar: &ProgressBar,
) -> Result<ReplayResult, PoolDry> {
    let stock = Stock::Shared {
        numbers: (1..=size).map(made_up_number).collect(),
        rng: Rng::with_seed(seed),
    };
    Replay::new(trace, pool, stock).run(trace, bar)
}

/// The person of a trace for whom a caller stands.
pub(crate) fn person_of(caller: &PhoneHash) -> usize {
    caller.as_str().parse().expect("a caller that was made up here")
}

fn made_up_number(number: u64) -> Number {
    format!("+888{number:09}").parse().expect("E.164")
}

/// Adds a number to a pool, free from `now` on.
fn add_number(tables: &mut Tables, now: Timestamp) -> Number {
    let number = made_up_number(tables.numbers.len() as u64 + 1);
    let row = NumberRow { available_at: now, order_id: None, in_circulation: true };
    tables.numbers.insert(number.clone(), row);
    number
}

fn made_up_person(person: usize) -> (Phone, PhoneHash) {
    let phone = format!("+999{person:09}").parse().expect("E.164");
    (phone, PhoneHash::from_stored(person.to_string()))
}

fn order_id(index: usize) -> OrderId {
    OrderId::parse(&format!("o-{index}")).expect("an order id")
}

impl<'a> Replay<'a> {
    fn new(trace: &Trace, pool: &'a Pool, stock: Stock) -> Self {
        let mut tables = Tables::default();
        if let Stock::Shared { numbers, .. } = &stock {
            let row =
                NumberRow { available_at: first(trace), order_id: None, in_circulation: true };
            tables.numbers = numbers.iter().map(|it| (it.clone(), row.clone())).collect();
        }
        Self {
            pool,
            people: (0..trace.people.len()).map(made_up_person).collect(),
            tables,
            stock,
            orders_of_numbers: HashMap::new(),
            live_orders: 0,
            done: ReplayResult::default(),
        }
    }

    fn run(mut self, trace: &Trace, bar: &ProgressBar) -> Result<ReplayResult, PoolDry> {
        let mut events: Vec<(Timestamp, bool, usize)> = Vec::new();
        for (index, order) in trace.orders.iter().enumerate() {
            events.push((order.start, true, index));
            events.push((order.end, false, index));
        }
        // At the same moment, ends come before starts.
        events.sort_unstable();
        bar.reset();
        bar.set_length(events.len() as u64);

        let begin = first(trace);
        let end = events.last().map_or(begin, |(at, _, _)| *at);
        let step = (end.seconds() - begin.seconds()).div_ceil(SAMPLES).max(1);
        let mut next_sample = begin;
        for (done, (now, is_start, index)) in events.into_iter().enumerate() {
            while next_sample <= now {
                self.sweep(next_sample);
                self.sample(next_sample);
                next_sample = next_sample.after(step);
            }
            self.sweep(now);
            self.refill(now);
            let order = &trace.orders[index];
            if is_start {
                self.assign(index, order, now)?;
            } else {
                self.complete(index, now);
            }
            if done % 1000 == 0 {
                bar.set_position(done as u64);
            }
        }
        self.sweep(end);
        self.sample(end);

        self.done.numbers = self.tables.numbers.len() as u64;
        self.done.most_orders_of_a_number = self.orders_of_numbers.into_values().max().unwrap_or(0);
        Ok(self.done)
    }

    /// Deletes routes that anybody may claim, as TTL does. That changes no condition.
    fn sweep(&mut self, now: Timestamp) {
        while let Some(key) = self.done.usage.cooled(now) {
            self.tables.routes.remove(&key);
        }
    }

    /// Does the checks that are due.
    fn refill(&mut self, now: Timestamp) {
        let Stock::Exclusive { available, refill: Some(refill) } = &mut self.stock else { return };
        while refill.next_check <= now {
            let check = refill.next_check;
            refill.next_check = check.after(BETWEEN_CHECKS);
            let usable = available.iter().take_while(|(at, _)| *at <= refill.next_check).count();
            let owned = self.tables.numbers.len() as u64;
            for _ in 0..refill.shortfall(usable as u64, owned) {
                available.insert((check, add_number(&mut self.tables, check)));
            }
        }
    }

    fn sample(&mut self, at: Timestamp) {
        self.done.samples.push(Sample {
            at,
            orders: self.live_orders,
            numbers: self.done.usage.numbers(),
            of_busiest_caller: self.done.usage.most_of_a_caller(),
        });
    }

    fn assign(
        &mut self,
        index: usize,
        order: &trace::Order,
        now: Timestamp,
    ) -> Result<(), PoolDry> {
        let people = order.people.iter().map(|(role, person)| {
            let (phone, caller) = self.people[*person].clone();
            Person { role: role.clone(), phone, caller }
        });
        let request = AssignmentRequest {
            pool: PoolChoice::Named(self.pool),
            expires_at: None,
            people: people.collect(),
        };
        let request = OrderRequest::Assign(request);
        let order_id = order_id(index);
        let mut attempt = Attempt::new(&order_id, 1, &request, true);
        let mut lost = 0;
        loop {
            match attempt.next(now) {
                Task::TakeNumbers(needed) => {
                    let numbers = self.take(&needed, now);
                    attempt.took(numbers);
                }
                Task::Commit { plan, now } => {
                    let commit = self.tables.commit(plan, now);
                    if commit == Commit::Done {
                        self.done.units_to_assign += units::written(plan);
                        self.claimed(plan, lost, now);
                        return Ok(());
                    }
                    self.done.units_to_assign += units::lost(plan);
                    lost += 1;
                    attempt.answered(commit);
                }
                Task::Forget { .. } => {}
                // A new order reads its row only to be sure that the pool is dry.
                Task::ReadRow => return Err(PoolDry { since: now }),
                other => unreachable!("nobody else writes, and a first claim is taken: {other:?}"),
            }
        }
    }

    fn claimed(&mut self, plan: &Plan, lost: u32, now: Timestamp) {
        let by_tries = &mut self.done.claims_by_tries;
        let lost = lost as usize;
        by_tries.resize(by_tries.len().max(lost + 1), 0);
        by_tries[lost] += 1;
        self.live_orders += 1;
        if self.done.most_live_orders.is_none_or(|(most, _)| most < self.live_orders) {
            self.done.most_live_orders = Some((self.live_orders, now));
        }
        let holding = plan.order.holding(now);
        for held in holding.into_iter().flat_map(|it| &it.participants) {
            *self.orders_of_numbers.entry(held.number.clone()).or_default() += 1;
        }
        self.written(plan);
    }

    fn complete(&mut self, index: usize, now: Timestamp) {
        let order_id = order_id(index);
        let request = OrderRequest::Close(Closed::Completed);
        let mut attempt = Attempt::new(&order_id, 2, &request, false);
        attempt.saw(self.tables.order(&order_id));
        // The order's row, strongly consistent.
        self.done.units_to_read += 1;
        let Task::Commit { plan, now } = attempt.next(now) else {
            unreachable!("a live order is closed by a write");
        };
        let Commit::Done = self.tables.commit(plan, now) else {
            unreachable!("nobody else writes what the order holds");
        };
        // The order gets no more events: its row can leave memory.
        self.tables.orders.remove(&order_id);
        self.done.units_to_complete += units::written(plan);
        self.live_orders -= 1;
        self.written(plan);
    }

    /// Updates the index and the usage. (A claimed number leaves the index until it is released,
    /// which in a replay is always before its lease ends.)
    fn written(&mut self, plan: &Plan) {
        for write in &plan.writes {
            self.done.usage.written(write);
            if let (
                Stock::Exclusive { available, .. },
                Write::ReleaseNumber { number, available_at },
            ) = (&mut self.stock, write)
            {
                available.insert((*available_at, number.clone()));
                self.done.turnover.cooled.push(*available_at);
            }
        }
    }

    /// Takes numbers to try, as `assign_numbers::Stock` does.
    fn take(&mut self, needed: &NumbersNeeded<'_>, now: Timestamp) -> Option<Vec<Number>> {
        match &mut self.stock {
            Stock::Exclusive { available, refill } => {
                // A page of the index.
                self.done.units_to_read += 1;
                let free = available.iter().take_while(|(at, _)| *at <= now).take(needed.count());
                let mut taken: Vec<(Timestamp, Number)> = free.cloned().collect();
                for key in &taken {
                    available.remove(key);
                }
                while refill.is_none() && taken.len() < needed.count() {
                    taken.push((now, add_number(&mut self.tables, now)));
                }
                self.done.turnover.taken.extend(taken.iter().map(|_| now));
                let taken: Vec<Number> = taken.into_iter().map(|(_, number)| number).collect();
                needed.pick(&taken)
            }
            Stock::Shared { numbers, rng } => {
                rng.shuffle(numbers);
                needed.pick(numbers)
            }
        }
    }
}

fn first(trace: &Trace) -> Timestamp {
    trace.orders.iter().map(|order| order.start).min().unwrap_or(Timestamp::from_seconds(0))
}

#[cfg(test)]
mod tests;

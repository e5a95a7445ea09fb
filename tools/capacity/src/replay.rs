//! A trace, replayed through the rules that the functions run: what an event does to
//! an order, what is then claimed, and what a claim that was lost teaches. The loop is
//! that of `order_events::apply`, over tables in memory.
//!
//! Events come one after the other, each once, and find what was written before them.
//! So no claim is lost to another that is made at the same moment, and no list of
//! numbers is out of date.

use std::collections::{BTreeSet, HashMap};

use fastrand::Rng;
use indicatif::ProgressBar;
use masking::{
    Asked, Caller, Change, Closed, Decision, Learnt, MOST_LOST, Next, Number, Order, OrderId,
    Person, Phone, Plan, Pool, Row, Timestamp, Wanted, Wish, Write, decide,
};
use masking_memory::{Commit, NumberRow, Tables};

use crate::trace::{self, Trace};
use crate::units;
use crate::usage::Usage;

/// What came of a replay.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// How many numbers the pool has in the end.
    pub(crate) numbers: u64,
    /// How many claims took one try, two, and so on.
    pub(crate) claims_by_tries: Vec<u64>,
    /// The most orders that lived at once, and since when.
    pub(crate) most_live_orders: Option<(u64, Timestamp)>,
    /// Which numbers and people were in use.
    pub(crate) usage: Usage,
    /// The most numbers at once that no order held, and that had not cooled down.
    pub(crate) most_cooling: u64,
    /// The most orders that one number served.
    pub(crate) most_orders_of_a_number: u64,
    /// Write units of claims, those in vain included.
    pub(crate) units_to_assign: u64,
    /// Write units of completions.
    pub(crate) units_to_complete: u64,
    /// Read units.
    pub(crate) units_to_read: u64,
    /// How it was from time to time.
    pub(crate) samples: Vec<Sample>,
}

/// How it was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The moment.
    pub(crate) at: Timestamp,
    /// Orders that live.
    pub(crate) orders: u64,
    /// Numbers that are in use.
    pub(crate) numbers: u64,
    /// Routes of the person who has the most.
    pub(crate) of_busiest_caller: u64,
}

/// An order found no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// When.
    pub(crate) since: Timestamp,
}

/// A pool, and how its numbers are found.
enum Stock {
    /// The index `available`, oldest first. There are as many numbers as it takes.
    Exclusive { available: BTreeSet<(Timestamp, Number)> },
    /// All numbers of the pool, drawn from at random.
    Shared { numbers: Vec<Number>, rng: Rng },
}

/// A replay under way.
struct Replay<'a> {
    pool: &'a Pool,
    people: Vec<(Phone, Caller)>,
    tables: Tables,
    stock: Stock,
    orders_of_numbers: HashMap<Number, u64>,
    live_orders: u64,
    live_numbers: u64,
    done: Replayed,
}

/// Into so many parts the samples divide a trace.
const SAMPLES: u64 = 288;

/// Replays a trace on an exclusive pool, which gets a number more whenever none is free.
pub(crate) fn exclusive(trace: &Trace, pool: &Pool, bar: &ProgressBar) -> Replayed {
    let stock = Stock::Exclusive { available: BTreeSet::new() };
    Replay::new(trace, pool, stock).run(trace, bar).expect("a pool that grows is never dry")
}

/// Replays a trace on a shared pool of so many numbers, until an order has to wait.
pub(crate) fn shared(
    trace: &Trace,
    pool: &Pool,
    size: u64,
    seed: u64,
    bar: &ProgressBar,
) -> Result<Replayed, Waits> {
    let stock = Stock::Shared {
        numbers: (1..=size).map(made_up_number).collect(),
        rng: Rng::with_seed(seed),
    };
    Replay::new(trace, pool, stock).run(trace, bar)
}

/// The person of a trace whom a caller stands for.
pub(crate) fn person_of(caller: &Caller) -> usize {
    caller.as_str().parse().expect("a caller that was made up here")
}

fn made_up_number(number: u64) -> Number {
    format!("+888{number:09}").parse().expect("E.164")
}

fn made_up_person(person: usize) -> (Phone, Caller) {
    let phone = format!("+999{person:09}").parse().expect("E.164");
    (phone, Caller::from_stored(person.to_string()))
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
            live_numbers: 0,
            done: Replayed::default(),
        }
    }

    fn run(mut self, trace: &Trace, bar: &ProgressBar) -> Result<Replayed, Waits> {
        let mut events: Vec<(Timestamp, bool, usize)> = Vec::new();
        for (index, order) in trace.orders.iter().enumerate() {
            events.push((order.start, true, index));
            events.push((order.end, false, index));
        }
        // At the same moment, what ends goes first.
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
            let order = &trace.orders[index];
            if is_start {
                self.assign(index, order, now)?;
            } else {
                self.complete(index, order, now);
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

    /// Forgets routes that anybody may claim, as TTL does: it changes no condition.
    fn sweep(&mut self, now: Timestamp) {
        while let Some(key) = self.done.usage.cooled(now) {
            self.tables.routes.remove(&key);
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

    fn assign(&mut self, index: usize, order: &trace::Order, now: Timestamp) -> Result<(), Waits> {
        let people = order.people.iter().map(|(role, person)| {
            let (phone, caller) = self.people[*person].clone();
            Person { role: role.clone(), phone, caller }
        });
        let wish = Wish { pool: self.pool, expires_at: None, people: people.collect() };
        let asked = Asked::Assign(wish);
        let (row, order_id, mut learnt) = (Row::Unread, order_id(index), Learnt::default());
        let Ok(Decision::Become(Next::Assigned { wish, terms, expires_at })) =
            decide(&row, 1, &asked, now)
        else {
            unreachable!("a first assignment that ends later is taken");
        };
        for lost in 0_u32.. {
            let change =
                Change { row: &row, order_id: &order_id, version: 1, learnt: &learnt, now };
            let fresh = self.take(&change.wanted(&wish.people), lost, now);
            let plan = fresh.and_then(|fresh| change.assign(wish, terms, expires_at, fresh));
            let Some(plan) = plan else { break };
            match self.tables.commit(&plan, now) {
                Commit::Done => {
                    self.done.units_to_assign += units::written(&plan);
                    self.claimed(&plan, lost, now);
                    return Ok(());
                }
                Commit::Lost(writes) => {
                    self.done.units_to_assign += units::lost(&plan);
                    learnt.lost(writes);
                }
                Commit::Moved => unreachable!("nobody else writes the order"),
            }
        }
        Err(Waits { since: now })
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
            self.live_numbers += 1;
            *self.orders_of_numbers.entry(held.number.clone()).or_default() += 1;
        }
        self.written(plan);
    }

    fn complete(&mut self, index: usize, order: &trace::Order, now: Timestamp) {
        let order_id = order_id(index);
        // Nothing of the order comes after this: its row goes, and leaves memory.
        let row = self.tables.orders.get(&order_id).expect("the row of an assigned order");
        let row = Row::Present(Order::clone(&row.0));
        let learnt = Learnt::default();
        let change = Change { row: &row, order_id: &order_id, version: 2, learnt: &learnt, now };
        let plan = change.close(Closed::Completed);
        let Commit::Done = self.tables.commit(&plan, now) else {
            unreachable!("nobody else writes what the order holds");
        };
        self.tables.orders.remove(&order_id);
        self.done.units_to_complete += units::written(&plan);
        // The order's row, strongly consistent.
        self.done.units_to_read += 1;
        self.live_orders -= 1;
        self.live_numbers -= order.people.len() as u64;
        self.written(&plan);
        if let Stock::Exclusive { .. } = self.stock {
            self.sweep(now);
            let cooling = self.done.usage.numbers() - self.live_numbers;
            self.done.most_cooling = self.done.most_cooling.max(cooling);
        }
    }

    /// Keeps the index and the usage up to date. (A claimed number is out of the index
    /// until it is released, which here is always before its lease runs out.)
    fn written(&mut self, plan: &Plan) {
        for write in &plan.writes {
            self.done.usage.written(write);
            if let (Stock::Exclusive { available }, Write::ReleaseNumber { number, available_at }) =
                (&mut self.stock, write)
            {
                available.insert((*available_at, number.clone()));
            }
        }
    }

    /// Numbers to try: `assign_numbers::Stock`.
    fn take(&mut self, wanted: &Wanted<'_>, lost: u32, now: Timestamp) -> Option<Vec<Number>> {
        match &mut self.stock {
            Stock::Exclusive { available } => {
                // A page of the index.
                self.done.units_to_read += 1;
                let free = available.iter().take_while(|(at, _)| *at <= now).take(wanted.count());
                let mut taken: Vec<(Timestamp, Number)> = free.cloned().collect();
                for key in &taken {
                    available.remove(key);
                }
                while taken.len() < wanted.count() {
                    let number = made_up_number(self.tables.numbers.len() as u64 + 1);
                    let row = NumberRow { available_at: now, order_id: None, in_circulation: true };
                    self.tables.numbers.insert(number.clone(), row);
                    taken.push((now, number));
                }
                let taken: Vec<Number> = taken.into_iter().map(|(_, number)| number).collect();
                wanted.pick(&taken)
            }
            Stock::Shared { .. } if MOST_LOST <= lost => None,
            Stock::Shared { numbers, rng } => {
                rng.shuffle(numbers);
                wanted.pick(numbers)
            }
        }
    }
}

fn first(trace: &Trace) -> Timestamp {
    trace.orders.iter().map(|order| order.start).min().unwrap_or(Timestamp::from_seconds(0))
}

#[cfg(test)]
mod tests {
    use masking::Pools;

    use super::*;

    /// An agent who carries one order after the other.
    const SUCCESSION: &str = "start,end,customer,agent\n\
        2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1\n\
        2026-11-23T10:30:00Z,2026-11-23T10:55:00Z,c-2,a-1\n";
    /// An agent who carries three orders at once.
    const THREE_AT_ONCE: &str = "start,end,customer,agent\n\
        2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1\n\
        2026-11-23T10:01:00Z,2026-11-23T10:26:00Z,c-2,a-1\n\
        2026-11-23T10:02:00Z,2026-11-23T10:27:00Z,c-3,a-1\n";
    const SEEDS: std::ops::Range<u64> = 0..50;

    fn trace(text: &str) -> Trace {
        Trace::read(text.as_bytes()).unwrap()
    }

    fn pool(allocation: &str, cooldown: u64) -> Pool {
        let text =
            format!(r#"[{{"id":"p","allocation":"{allocation}","cooldown_seconds":{cooldown}}}]"#);
        Pools::parse(&text).unwrap().named(None).unwrap().clone()
    }

    fn exclusively(text: &str, cooldown: u64) -> Replayed {
        exclusive(&trace(text), &pool("exclusive", cooldown), &ProgressBar::hidden())
    }

    fn sharing(text: &str, size: u64, seed: u64) -> Result<Replayed, Waits> {
        shared(&trace(text), &pool("shared", 600), size, seed, &ProgressBar::hidden())
    }

    fn tries(replayed: &Replayed) -> u64 {
        (1..).zip(&replayed.claims_by_tries).map(|(tries, claims)| tries * claims).sum()
    }

    #[test]
    fn an_exclusive_number_serves_another_order_once_it_has_cooled_down() {
        for (cooldown, numbers, of_a_number, cooling) in
            [(0, 2, 2, 0), (300, 2, 2, 2), (301, 4, 1, 2)]
        {
            let replayed = exclusively(SUCCESSION, cooldown);
            assert_eq!(replayed.numbers, numbers, "after {cooldown} s");
            assert_eq!(replayed.most_orders_of_a_number, of_a_number);
            assert_eq!(replayed.most_cooling, cooling);
        }
        let replayed = exclusively(THREE_AT_ONCE, 600);
        assert_eq!(replayed.numbers, 6);
        let (most, since) = replayed.most_live_orders.unwrap();
        assert_eq!((most, since.to_string().as_str()), (3, "2026-11-23T10:02:00Z"));
    }

    #[test]
    fn a_shared_pool_needs_a_number_for_each_route_of_the_busiest_person() {
        for (text, size) in [(SUCCESSION, 2), (THREE_AT_ONCE, 3)] {
            let (most, caller) = exclusively(text, 600).usage.busiest_caller.unwrap();
            assert_eq!((most, trace(text).people[person_of(&caller)].name()), (size, "a-1".into()));
            for seed in SEEDS {
                let replayed = sharing(text, size, seed).unwrap();
                assert_eq!(replayed.usage.busiest_caller.unwrap().0, size);
            }
        }
        for seed in SEEDS {
            let Waits { since } = sharing(THREE_AT_ONCE, 2, seed).unwrap_err();
            assert_eq!(since.to_string(), "2026-11-23T10:02:00Z");
        }
    }

    #[test]
    fn an_order_of_two_takes_14_write_units_exclusive_and_6_shared_and_so_does_its_end() {
        let replayed = exclusively(SUCCESSION, 600);
        assert_eq!((replayed.units_to_assign, replayed.units_to_complete), (2 * 14, 2 * 14));
        let (mut first_tries, mut lost) = (0, 0);
        for seed in SEEDS {
            let replayed = sharing(SUCCESSION, 2, seed).unwrap();
            // A try in vain costs as much as one that is not.
            assert_eq!(replayed.units_to_assign, tries(&replayed) * 6);
            assert_eq!(replayed.units_to_complete, 2 * 6);
            first_tries += u32::from(tries(&replayed) == 2);
            lost += u32::from(tries(&replayed) == 3);
        }
        assert!(0 < first_tries && 0 < lost, "{first_tries} at the first try, {lost} not");
    }

    #[test]
    fn three_people_take_three_numbers_and_six_routes() {
        let text = "start,end,customer,agent,merchant\n\
            2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1,m-1\n";
        let replayed = exclusively(text, 600);
        assert_eq!((replayed.numbers, replayed.units_to_assign), (3, 2 + 3 * 4 + 6 * 2));
        assert_eq!(sharing(text, 3, 0).unwrap().units_to_assign, 2 + 6 * 2);
        assert!(sharing(text, 2, 0).is_err());
    }

    #[test]
    fn samples_show_what_is_in_use() {
        let replayed = exclusively(SUCCESSION, 600);
        let at = |time: &str| {
            let time = Timestamp::parse(&format!("2026-11-23T{time}:00Z")).unwrap();
            let sample = replayed.samples.iter().rfind(|it| it.at <= time).unwrap();
            (sample.orders, sample.numbers, sample.of_busiest_caller)
        };
        assert_eq!(at("10:20"), (1, 2, 1));
        assert_eq!(at("10:28"), (0, 2, 1));
        assert_eq!(at("10:33"), (1, 4, 2));
        assert_eq!(at("10:40"), (1, 2, 1));
    }
}

//! A random day from a few parameters, for users without a trace. The same parameters and seed
//! make the same day.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::f64::consts::TAU;

use fastrand::Rng;
use masking::{Role, Timestamp};

use crate::figures::{real, whole};
use crate::trace::{Order, Person, Trace};

/// The parameters of the day.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Day {
    /// The number of orders.
    pub(crate) orders: usize,
    /// The rate of orders at the peak, divided by the average of the day.
    pub(crate) peak_factor: f64,
    /// The average life of an order, in minutes. Each lives 0.5 to 1.5 times as long.
    pub(crate) minutes: f64,
    /// The number of agents.
    pub(crate) agents: usize,
    /// The most orders that an agent carries at once.
    pub(crate) at_once: usize,
    /// The seed of all random choices.
    pub(crate) seed: u64,
}

/// The day has too few agents.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("all agents are busy at {at}: raise --agents or --at-once, or lower --minutes")]
pub(crate) struct TooFewAgents {
    at: Timestamp,
}

const BEGIN: &str = "2026-01-01T00:00:00Z";
const DAY: u64 = 24 * 3600;
/// The second of the peak, in the evening.
const PEAK: u64 = 19 * 3600;
/// Customers to choose from, for each order of the day. With five, about one order in ten is
/// from a customer who has another order that day.
const CUSTOMERS_PER_ORDER: usize = 5;

impl Day {
    /// Draws the day.
    pub(crate) fn trace(&self) -> Result<Trace, TooFewAgents> {
        let role = |name| Role::parse(name).expect("a role");
        let (customer, agent) = (role("customer"), role("agent"));
        let begin = Timestamp::parse(BEGIN).expect("a date and time");
        let mut rng = Rng::with_seed(self.seed);
        let mut crew = Crew::new(self);
        let mut people: Vec<Person> = (1..=self.agents)
            .map(|number| Person::new(format!("agent {number}"), agent.clone(), 0))
            .collect();
        let mut customers = HashMap::new();
        let mut orders = Vec::with_capacity(self.orders);
        for start in self.starts(&mut rng) {
            let life = whole(self.minutes * 60.0 * (0.5 + rng.f64())).max(1);
            let (start, end) = (begin.after(start), begin.after(start + life));
            let carrier = crew.next(&mut rng, start, end).ok_or(TooFewAgents { at: start })?;
            let number = rng.usize(1..=self.orders * CUSTOMERS_PER_ORDER);
            let caller = *customers.entry(number).or_insert_with(|| {
                people.push(Person::new(format!("customer {number}"), customer.clone(), 0));
                people.len() - 1
            });
            let on_it = vec![(customer.clone(), caller), (agent.clone(), carrier)];
            orders.push(Order { start, end, people: on_it });
        }
        Ok(Trace { orders, people })
    }

    /// The second of the day at which each order starts.
    fn starts(&self, rng: &mut Rng) -> Vec<u64> {
        // Rejection sampling: a second is kept with a probability proportional to its rate.
        let steepness = steepness(self.peak_factor);
        let mut start = || loop {
            let second = rng.u64(0..DAY);
            if rng.f64() < rate(second, steepness) {
                return second;
            }
        };
        let mut starts: Vec<u64> = (0..self.orders).map(|_| start()).collect();
        starts.sort_unstable();
        starts
    }
}

/// The rate of orders, 1 at the peak. A higher steepness makes a narrower wave.
fn rate(second: u64, steepness: f64) -> f64 {
    let turns = (real(second) - real(PEAK)) / real(DAY);
    f64::midpoint(1.0, (turns * TAU).cos()).powf(steepness)
}

/// The steepness of a wave with this ratio of peak and average.
fn steepness(peak_factor: f64) -> f64 {
    let average = |steepness| {
        let minutes = (0..DAY).step_by(60);
        minutes.map(|second| rate(second, steepness)).sum::<f64>() / real(DAY / 60)
    };
    let (mut flatter, mut steeper) = (0.0, 1000.0);
    for _ in 0..50 {
        let middle = f64::midpoint(flatter, steeper);
        if average(middle) * peak_factor > 1.0 {
            flatter = middle;
        } else {
            steeper = middle;
        }
    }
    flatter
}

/// The agents and the orders that they carry.
struct Crew {
    at_once: usize,
    carried: Vec<usize>,
    /// The agents who can take another order.
    ready: Vec<usize>,
    /// The end and the agent of each order.
    ends: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl Crew {
    fn new(day: &Day) -> Self {
        let ready: Vec<usize> = (0..day.agents).collect();
        Self { at_once: day.at_once, carried: vec![0; day.agents], ready, ends: BinaryHeap::new() }
    }

    /// Gives an order to a random agent who can take it.
    fn next(&mut self, rng: &mut Rng, start: Timestamp, end: Timestamp) -> Option<usize> {
        while let Some(&Reverse((end, agent))) = self.ends.peek()
            && end <= start
        {
            self.ends.pop();
            if self.carried[agent] == self.at_once {
                self.ready.push(agent);
            }
            self.carried[agent] -= 1;
        }
        if self.ready.is_empty() {
            return None;
        }
        let place = rng.usize(0..self.ready.len());
        let agent = self.ready[place];
        self.carried[agent] += 1;
        if self.carried[agent] == self.at_once {
            self.ready.swap_remove(place);
        }
        self.ends.push(Reverse((end, agent)));
        Some(agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Day {
        Day { orders: 20_000, peak_factor: 3.0, minutes: 30.0, agents: 900, at_once: 2, seed: 1 }
    }

    #[test]
    fn the_same_parameters_and_seed_make_the_same_day() {
        let trace = day().trace().unwrap();
        assert_eq!(day().trace().unwrap(), trace);
        assert_ne!(Day { seed: 2, ..day() }.trace().unwrap(), trace);
    }

    #[test]
    fn the_day_is_as_the_parameters_say() {
        let trace = day().trace().unwrap();
        assert_eq!(trace.orders.len(), 20_000);

        let mut of_hour = [0_u32; 24];
        let mut seconds = 0;
        for order in &trace.orders {
            let second = order.start.seconds() % DAY;
            of_hour[usize::try_from(second / 3600).unwrap()] += 1;
            seconds += order.end.seconds() - order.start.seconds();
        }
        let busiest = f64::from(*of_hour.iter().max().unwrap()) / (20_000.0 / 24.0);
        assert!((2.8..3.2).contains(&busiest), "{busiest}");
        let minutes = real(seconds) / 60.0 / 20_000.0;
        assert!((29.5..30.5).contains(&minutes), "{minutes}");
    }

    #[test]
    fn nobody_carries_more_than_they_can() {
        let trace = day().trace().unwrap();
        let mut most = 0;
        for order in &trace.orders {
            let agent = order.people[1].1;
            let at_start = trace.orders.iter().filter(|other| {
                other.people[1].1 == agent && other.start <= order.start && order.start < other.end
            });
            // Those that start at the same second may come later in the list.
            most = most.max(at_start.count());
            if trace.orders[0].start.after(6 * 3600) < order.start {
                break;
            }
        }
        assert!((1..=2).contains(&most), "{most}");
        let few = Day { agents: 10, ..day() }.trace().unwrap_err().to_string();
        assert!(few.starts_with("all agents are busy at 2026-01-01T0"), "{few}");
    }
}

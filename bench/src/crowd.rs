//! Measurements in virtual time: how often concurrent assigners conflict, and how many round
//! trips a step takes. Transactions that conflict are refused, as DynamoDB refuses them. The
//! index never lags behind its table.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use support::cloud::Tables;
use support::events::{Queue, Route};
use support::functions::Functions;
use tokio::time::Instant;

use crate::effort::Effort;
use crate::endpoint::cloud;
use crate::events::{self, Case};
use crate::function::{self, POOL, SHARED_POOL};
use crate::orders::BATCH;
use crate::progress::step;
use crate::sample::Sample;
use crate::slow::{FIXED, Latency, Role, SlowCloud};
use crate::stage;
use crate::virtual_time::{self, in_virtual_time};

/// The orders of concurrent assigners.
pub(crate) struct CrowdFigures {
    pub(crate) assigners: usize,
    pub(crate) shards: u64,
    /// Transactions for each order.
    pub(crate) tries: f64,
    /// Average milliseconds of a batch of ten.
    pub(crate) batch: f64,
}

/// Orders of one shared pool that all live at the same time.
pub(crate) struct SharedPoolFigures {
    pub(crate) orders: u64,
    pub(crate) agents: u64,
    pub(crate) numbers: u64,
    /// Transactions of each order.
    pub(crate) tries: Sample,
    /// The average of an order.
    pub(crate) write_units: f64,
}

/// The sequential round trips of each step.
pub(crate) struct RoundTrips {
    pub(crate) resolve: f64,
    pub(crate) assign: f64,
    pub(crate) assign_batch: f64,
    pub(crate) release: f64,
    pub(crate) release_batch: f64,
}

/// Measures concurrent assigners on 10,000 numbers, half of them free.
pub(crate) fn measure(effort: &Effort) -> Vec<CrowdFigures> {
    let mut crowds = Vec::new();
    for (assigners, shards) in [(1, 16), (8, 16), (64, 16), (64, 64), (64, 200)] {
        step(&format!("having {assigners} assigners work at once on {shards} shards"));
        crowds.push(in_virtual_time(|| crowd(assigners, shards, effort.crowd_orders)));
    }
    crowds
}

/// Measures 64 assigners on one shared pool, with agents who are on several orders.
pub(crate) fn measure_sharing(effort: &Effort) -> SharedPoolFigures {
    step("having a crowd share a pool");
    in_virtual_time(|| sharing(effort.sharing_orders))
}

async fn sharing(orders: u64) -> SharedPoolFigures {
    const ASSIGNERS: u64 = 64;
    let (agents, numbers) = (orders * 3 / 10, 200);
    let stack = VirtualStack::new(Latency::Real, 16);
    stage::import(stack.tables(), SHARED_POOL, 0..numbers, false).await;
    stack.tables().take_bill();
    let size = BATCH as u64;
    let work = (0..ASSIGNERS).map(async |assigner| {
        for batch in (assigner..orders.div_ceil(size)).step_by(ASSIGNERS as usize) {
            let orders = batch * size..((batch + 1) * size).min(orders);
            stack.assign(orders.map(|order| events::shared(order, order % agents))).await;
        }
    });
    join_all(work).await;
    let write_units = stack.tables().take_bill().write_units / orders as f64;
    let routes = stack.tables().rows("RoutesTable").len() as u64;
    assert_eq!(routes, 2 * orders, "each of two people has a route for each order");
    let mut tries = Sample::default();
    for count in stack.slow.state().tries.values() {
        tries.add(*count as f64);
    }
    SharedPoolFigures { orders, agents, numbers, tries, write_units }
}

/// Counts round trips, by the time of each step when every request takes equally long.
pub(crate) fn round_trips() -> RoundTrips {
    step("counting round trips");
    in_virtual_time(async || {
        let stack = VirtualStack::new(Latency::Fixed, 16);
        stage::import(stack.tables(), POOL, 0..1000, false).await;
        let trips = async |orders: Range<u64>| {
            let begun = Instant::now();
            stack.assign(exclusive(orders.clone())).await;
            let assigned = Instant::now();
            stack.release(orders).await;
            [assigned - begun, assigned.elapsed()].map(trips)
        };
        // The first order and call also read the secrets, once.
        trips(0..1).await;
        stack.call().await;
        let begun = Instant::now();
        stack.call().await;
        let resolve = self::trips(begun.elapsed());
        let [assign, release] = trips(1..2).await;
        let [assign_batch, release_batch] = trips(2..2 + BATCH as u64).await;
        RoundTrips { resolve, assign, assign_batch, release, release_batch }
    })
}

fn trips(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0 / FIXED as f64
}

async fn crowd(assigners: usize, shards: u64, orders: usize) -> CrowdFigures {
    let stack = VirtualStack::new(Latency::Real, shards);
    let held = 5_000 - (assigners * BATCH * 2) as u64;
    stage::import_spread(stack.tables(), POOL, held..10_000, false, shards).await;
    stage::import_spread(stack.tables(), POOL, 0..held, true, shards).await;
    let batches = orders.div_ceil(assigners * BATCH) as u64;
    let assign_time = Mutex::new(Duration::ZERO);
    let size = BATCH as u64;
    // The orders of a batch.
    let batch = |assigner: usize, number: u64| {
        let first = (assigner as u64 * (batches + 1) + number) * size;
        first..first + size
    };
    // Half of the numbers are taken at the beginning, and each batch that ends frees the
    // numbers for the next one. The assigners start at random within 100 ms.
    join_all((0..assigners).map(|assigner| stack.assign(exclusive(batch(assigner, 0))))).await;
    stack.slow.state().tries.clear();
    let work = (0..assigners).map(async |assigner| {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..100))).await;
        for number in 0..batches {
            stack.release(batch(assigner, number)).await;
            let begun = Instant::now();
            stack.assign(exclusive(batch(assigner, number + 1))).await;
            *assign_time.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
        }
    });
    join_all(work).await;
    let count = (assigners as u64 * batches) as f64;
    let time = assign_time.into_inner().unwrap_or_else(PoisonError::into_inner);
    CrowdFigures {
        assigners,
        shards,
        tries: stack.slow.state().tries.values().sum::<u64>() as f64 / (count * size as f64),
        batch: time.as_secs_f64() * 1000.0 / count,
    }
}

/// The functions in this process, on a slow cloud in virtual time.
struct VirtualStack {
    slow: Arc<SlowCloud>,
    /// Their transactions are counted.
    assigners: Functions,
    others: Functions,
}

impl VirtualStack {
    fn new(latency: Latency, shards: u64) -> Self {
        let slow = SlowCloud::new(cloud(), latency);
        let mut pools = function::pools();
        pools[0]["shards"] = shards.into();
        let clock = virtual_time::clock();
        let functions = |role| Functions::on(&slow.clients(role), &pools, &clock);
        let (assigners, others) = (functions(Role::Assigner), functions(Role::Other));
        Self { slow, assigners, others }
    }

    async fn assign(&self, events: impl IntoIterator<Item = String>) {
        let again = receive(&self.assigners, Queue::Assign, events).await;
        assert!(again.is_empty(), "all orders are assigned");
    }

    async fn release(&self, orders: Range<u64>) {
        let again = receive(&self.others, Queue::Release, orders.map(events::completed)).await;
        assert!(again.is_empty(), "all orders are released");
    }

    async fn call(&self) {
        let call = events::call(Route::Switch, "+628111111111", &events::number(0), Case::Reject);
        assert_eq!(self.others.call(&call).await.0, 200);
    }

    fn tables(&self) -> &Tables {
        &self.slow.cloud.tables
    }
}

async fn receive(
    functions: &Functions,
    queue: Queue,
    bodies: impl IntoIterator<Item = String>,
) -> BTreeSet<String> {
    functions.receive(queue, events::batch(queue, bodies), Duration::from_mins(1)).await
}

fn exclusive(orders: Range<u64>) -> impl Iterator<Item = String> {
    orders.map(|order| events::assigned(order, POOL))
}

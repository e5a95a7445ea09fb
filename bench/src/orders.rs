//! Orders through one environment of each function: how many a second, what each costs, and
//! whether that grows with the pool.

use support::cloud::Bill;

use crate::effort::Effort;
use crate::function::{Functions, POOL};
use crate::progress::step;
use crate::sample::Sample;
use crate::stage::{Batch, Stage};

/// Messages in a batch, as in the template's event sources.
pub(crate) const BATCH: usize = 10;
/// The shares of a pool that are taken, in percent.
const TAKEN: [u64; 4] = [0, 50, 90, 99];
/// A share that leaves fewer free numbers than this is not measured.
const LEAST_FREE: u64 = 500;

/// The measurements of one step of orders. Times are milliseconds for one order.
#[derive(Default)]
pub(crate) struct Steps {
    orders: f64,
    pub(crate) time: Sample,
    pub(crate) processor: Sample,
    bill: Bill,
    /// Requests to queues and secrets.
    others: f64,
}

impl Steps {
    fn add(&mut self, batch: &Batch, size: usize) {
        let size = size as f64;
        self.orders += size;
        self.time.add(batch.time / size);
        self.processor.add(batch.processor_time / size);
        self.bill.add(&batch.bill);
        self.others += batch.others as f64;
    }

    /// Orders a second, by the median batch.
    pub(crate) fn a_second(&self) -> f64 {
        1000.0 / self.time.median()
    }

    pub(crate) fn read_units(&self) -> f64 {
        self.bill.read_units / self.orders
    }

    pub(crate) fn write_units(&self) -> f64 {
        self.bill.write_units / self.orders
    }

    pub(crate) fn reads(&self) -> f64 {
        self.bill.total() as f64 / self.orders - self.transactions()
    }

    pub(crate) fn transactions(&self) -> f64 {
        self.bill.count("TransactWriteItems") as f64 / self.orders
    }

    pub(crate) fn others(&self) -> f64 {
        self.others / self.orders
    }
}

#[derive(Default)]
pub(crate) struct Orders {
    pub(crate) assign: Steps,
    pub(crate) release: Steps,
}

impl Orders {
    async fn round(&mut self, stage: &mut Stage, pool: &str, size: usize) {
        self.assign.add(&stage.assign(pool, size).await, size);
        self.release.add(&stage.release(size).await, size);
    }
}

pub(crate) struct OrderFigures {
    pub(crate) alone: Orders,
    pub(crate) batches: Orders,
}

/// Measures orders of a pool of 10,000 numbers, half of them free.
pub(crate) async fn measure(functions: &Functions, effort: &Effort, pool: &str) -> OrderFigures {
    let mut stage = Stage::new(functions, pool, 10_000, 5_000).await;
    let (mut alone, mut batches) = (Orders::default(), Orders::default());
    Orders::default().round(&mut stage, pool, BATCH).await;
    for round in 1..=effort.batches {
        step(&format!("assigning and releasing, {round} of {}", effort.batches));
        alone.round(&mut stage, pool, 1).await;
        batches.round(&mut stage, pool, BATCH).await;
    }
    OrderFigures { alone, batches }
}

pub(crate) struct PoolGrowth {
    pub(crate) numbers: u64,
    /// How many percent of the numbers are taken.
    pub(crate) taken: u64,
    pub(crate) orders: Orders,
}

/// Measures whether orders cost more as a pool grows and is used up.
pub(crate) async fn growth(functions: &Functions, effort: &Effort) -> Vec<PoolGrowth> {
    let mut stages = Vec::new();
    for &numbers in effort.pools {
        step(&format!("filling a pool with {numbers} numbers"));
        stages.push((numbers, 0, Stage::new(functions, POOL, numbers, 0).await));
    }
    let mut all = Vec::new();
    for taken in TAKEN {
        let mut grown: Vec<PoolGrowth> = Vec::new();
        stages.retain(|(numbers, ..)| LEAST_FREE <= numbers - numbers * taken / 100);
        for (numbers, taken_before, stage) in &mut stages {
            step(&format!("taking {taken} % of {numbers} numbers"));
            let taken_now = *numbers * taken / 100;
            stage.take(POOL, *taken_before..taken_now).await;
            *taken_before = taken_now;
            grown.push(PoolGrowth { numbers: *numbers, taken, orders: Orders::default() });
            Orders::default().round(stage, POOL, BATCH).await;
        }
        for round in 1..=effort.batches {
            step(&format!("assigning with {taken} % taken, {round} of {}", effort.batches));
            for ((_, _, stage), grown) in stages.iter_mut().zip(&mut grown) {
                grown.orders.round(stage, POOL, BATCH).await;
            }
        }
        all.extend(grown);
    }
    all
}

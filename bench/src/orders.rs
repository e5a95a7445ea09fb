//! Orders, in batches of ten through one environment of each function: how many a
//! second, and what each costs; and whether that grows with the pool.

use crate::effort::Effort;
use crate::function::{Functions, POOL};
use crate::progress::step;
use crate::sample::Sample;
use crate::stage::{Batch, Stage};

/// What SQS hands over at a time.
pub(crate) const BATCH: usize = 10;
/// The shares of a pool that are taken, in hundredths.
const TAKEN: [u64; 4] = [0, 50, 90, 99];
/// A share is left out where it leaves fewer numbers free than this.
const LEAST_FREE: u64 = 500;

/// What was measured of one step of orders.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    orders: f64,
    /// Milliseconds for one order.
    pub(crate) time: Sample,
    /// The function's own, milliseconds for one order.
    pub(crate) processor: Sample,
    read_units: f64,
    write_units: f64,
    reads: f64,
    transactions: f64,
    others: f64,
}

impl Steps {
    fn add(&mut self, batch: &Batch, size: usize) {
        let size = size as f64;
        self.orders += size;
        self.time.add(batch.time / size);
        self.processor.add(batch.processor_time / size);
        self.read_units += batch.bill.read_units;
        self.write_units += batch.bill.write_units;
        let transactions = batch.bill.count("TransactWriteItems");
        self.transactions += transactions as f64;
        self.reads += (batch.bill.total() - transactions) as f64;
        self.others += batch.others as f64;
    }

    /// Orders a second, by the median batch.
    pub(crate) fn a_second(&self) -> f64 {
        1000.0 / self.time.median()
    }

    pub(crate) fn read_units(&self) -> f64 {
        self.read_units / self.orders
    }

    pub(crate) fn write_units(&self) -> f64 {
        self.write_units / self.orders
    }

    pub(crate) fn reads(&self) -> f64 {
        self.reads / self.orders
    }

    pub(crate) fn transactions(&self) -> f64 {
        self.transactions / self.orders
    }

    /// Requests to queues and secrets.
    pub(crate) fn others(&self) -> f64 {
        self.others / self.orders
    }
}

/// Both steps of orders.
#[derive(Debug, Default)]
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

/// Orders one by one, and in batches.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) alone: Orders,
    pub(crate) batches: Orders,
}

/// Measures orders of a pool of 10,000 numbers, half of them free.
pub(crate) async fn measure(functions: &Functions, effort: &Effort, pool: &str) -> Both {
    let mut stage = Stage::new(functions, pool, 10_000, 5_000).await;
    let (mut alone, mut batches) = (Orders::default(), Orders::default());
    Orders::default().round(&mut stage, pool, BATCH).await;
    for round in 1..=effort.batches {
        step(&format!("assigning and releasing, {round} of {}", effort.batches));
        alone.round(&mut stage, pool, 1).await;
        batches.round(&mut stage, pool, BATCH).await;
    }
    Both { alone, batches }
}

/// A pool of so many numbers, so many hundredths of them taken.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) numbers: u64,
    pub(crate) taken: u64,
    pub(crate) orders: Orders,
}

/// Measures whether orders cost more as a pool grows and is used up.
pub(crate) async fn growth(functions: &Functions, effort: &Effort) -> Vec<Grown> {
    let mut stages = Vec::new();
    for &numbers in effort.pools {
        step(&format!("filling a pool with {numbers} numbers"));
        stages.push((numbers, 0, Stage::new(functions, POOL, numbers, 0).await));
    }
    let mut all = Vec::new();
    for taken in TAKEN {
        let mut grown: Vec<Grown> = Vec::new();
        stages.retain(|(numbers, ..)| LEAST_FREE <= numbers - numbers * taken / 100);
        for (numbers, taken_before, stage) in &mut stages {
            step(&format!("taking {taken} % of {numbers} numbers"));
            let taken_now = *numbers * taken / 100;
            stage.take(POOL, *taken_before..taken_now).await;
            *taken_before = taken_now;
            grown.push(Grown { numbers: *numbers, taken, orders: Orders::default() });
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

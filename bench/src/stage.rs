//! A pool of numbers on one cloud, with assign-numbers and release-numbers as processes.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};
use support::cloud::{Bill, Cloud, Tables};
use support::events::Queue;
use support::functions::NUMBER_EVENTS;

use crate::endpoint::{Endpoint, cloud};
use crate::environment::Environment;
use crate::events;
use crate::function::Functions;

/// Unix seconds: free numbers became free long ago, one after the other, and taken numbers
/// stay taken for long.
const FREE_SINCE: u64 = 1_700_000_000;
const TAKEN_UNTIL: u64 = 4_000_000_000;
/// The default number of shards.
const SHARDS: u64 = 16;

pub(crate) struct Stage {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) endpoint: Endpoint,
    assign: Environment,
    release: Environment,
    orders: u64,
    live: VecDeque<u64>,
}

/// The measurements of a batch. Times are in milliseconds.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) time: f64,
    pub(crate) processor_time: f64,
    pub(crate) bill: Bill,
    /// Requests to queues and secrets.
    pub(crate) others: u64,
    pub(crate) announced: Vec<Value>,
}

impl Stage {
    /// Sets up a pool of `numbers`, the first `taken` of them taken.
    pub(crate) async fn new(functions: &Functions, pool: &str, numbers: u64, taken: u64) -> Self {
        let cloud = cloud();
        let endpoint = Endpoint::http(&cloud).await;
        let assign = Environment::start(&functions.assign_numbers, &endpoint).await;
        let release = Environment::start(&functions.release_numbers, &endpoint).await;
        let stage = Self { cloud, endpoint, assign, release, orders: 0, live: VecDeque::new() };
        import(&stage.cloud.tables, pool, taken..numbers, false).await;
        stage.take(pool, 0..taken).await;
        stage
    }

    /// Marks these numbers of the pool as taken.
    pub(crate) async fn take(&self, pool: &str, numbers: Range<u64>) {
        import(&self.cloud.tables, pool, numbers, true).await;
    }

    /// The assignment of a new order.
    pub(crate) fn next_assigned(&mut self, pool: &str) -> String {
        self.orders += 1;
        self.live.push_back(self.orders);
        events::assigned(self.orders, pool)
    }

    /// The completion of the oldest live order.
    pub(crate) fn next_completed(&mut self) -> String {
        events::completed(self.live.pop_front().expect("an order lives"))
    }

    /// Keeps the oldest live order from ever being completed.
    pub(crate) fn keep_oldest(&mut self) {
        self.live.pop_front();
    }

    /// Assigns a batch of new orders.
    pub(crate) async fn assign(&mut self, pool: &str, size: usize) -> Batch {
        let bodies: Vec<String> = (0..size).map(|_| self.next_assigned(pool)).collect();
        let batch = batch(&self.cloud, &mut self.assign, Queue::Assign, bodies).await;
        assert_eq!(announced(&batch, "numbers.assigned"), size, "{batch:?}");
        batch
    }

    /// Completes the oldest live orders in a batch.
    pub(crate) async fn release(&mut self, size: usize) -> Batch {
        let bodies: Vec<String> = (0..size).map(|_| self.next_completed()).collect();
        let batch = batch(&self.cloud, &mut self.release, Queue::Release, bodies).await;
        assert_eq!(announced(&batch, "numbers.released"), size, "{batch:?}");
        batch
    }
}

fn announced(batch: &Batch, kind: &str) -> usize {
    batch.announced.iter().filter(|it| it["type"] == kind).count()
}

async fn batch(
    cloud: &Cloud,
    environment: &mut Environment,
    queue: Queue,
    bodies: Vec<String>,
) -> Batch {
    cloud.tables.take_bill();
    cloud.take_other_requests();
    let before = environment.processor_time();
    let (time, answer) = environment.invoke(events::batch(queue, bodies).to_string()).await;
    let answer: Value = serde_json::from_slice(&answer).expect("the answer to SQS is JSON");
    assert_eq!(answer["batchItemFailures"], json!([]), "all orders of the batch are done");
    Batch {
        time,
        processor_time: environment.processor_time() - before,
        bill: cloud.tables.take_bill(),
        others: cloud.take_other_requests(),
        announced: cloud.queues.take_json(NUMBER_EVENTS),
    }
}

/// Adds rows of numbers.
pub(crate) async fn import(tables: &Tables, pool: &str, numbers: Range<u64>, taken: bool) {
    import_spread(tables, pool, numbers, taken, SHARDS).await;
}

/// The same, for a pool with this number of shards. Numbers are spread over them at random,
/// as the service spreads them by a hash.
pub(crate) async fn import_spread(
    tables: &Tables,
    pool: &str,
    numbers: Range<u64>,
    taken: bool,
    shards: u64,
) {
    let row = |n: u64| {
        let number = events::number(n);
        // The same shard in every run, also when the number is taken later.
        let shard = fastrand::Rng::with_seed(n).u64(0..shards);
        let available_at = if taken { TAKEN_UNTIL } else { FREE_SINCE + n };
        let mut row = json!({
            "number": {"S": number},
            "pool": {"S": pool},
            "provider": {"S": "manual"},
            "pool_shard": {"S": format!("{pool}#{shard}")},
            "available_at": {"N": available_at.to_string()},
        });
        if taken {
            row["order_id"] = json!({"S": format!("held-{n}")});
        }
        row
    };
    let mut left = numbers;
    while !left.is_empty() {
        let end = left.end.min(left.start + 50_000);
        tables.import("NumbersTable", (left.start..end).map(row));
        left.start = end;
        // Lets the main loop see a signal.
        tokio::task::yield_now().await;
    }
}

//! Measures in virtual time whether orders that wait for a dry pool hold up the orders of
//! another pool.
//!
//! Everything that both have in common is here: the function's environments, each of which
//! handles one batch at a time, from either queue, and the tables. Left out are the time in
//! which Lambda polls a queue and starts an environment, and limits of the account.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use lambda_support::Clock;
use serde_json::Value;
use support::alarms::resources;
use support::cloud::Message;
use support::events::{self, Delivery, Queue};
use support::functions::{Functions, NUMBER_EVENTS, WAITING};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::{Instant, sleep};

use crate::effort::Effort;
use crate::endpoint::cloud;
use crate::events::assigned;
use crate::function::{self, POOL};
use crate::progress::step;
use crate::sample::Sample;
use crate::slow::{Latency, Role, SlowCloud};
use crate::stage;
use crate::virtual_time::{self, in_virtual_time};

/// An exclusive pool without numbers.
const DRY_POOL: &str = "dry";
/// Orders a second in the pool that has numbers: 3 million a day, at a peak of four times the
/// average.
const A_SECOND: f64 = 140.0;

/// The orders of a pool that has numbers, beside those that wait for a dry one.
pub(crate) struct BesideWaiting {
    pub(crate) waiting: usize,
    /// Milliseconds from an order's arrival on the assign queue to its announcement.
    pub(crate) time: Sample,
    /// Tries of orders that wait, each second.
    pub(crate) tries: f64,
    /// Read units of both pools, each second.
    pub(crate) read_units: f64,
    /// The environments that the function needed, also when the orders that wait arrived.
    pub(crate) environments: usize,
}

impl BesideWaiting {
    /// The median and the 99th percentile of the time.
    pub(crate) fn percentiles(&self) -> [f64; 2] {
        [50.0, 99.0].map(|percent| self.time.percentile(percent))
    }
}

/// Measures the same orders alone, and beside orders that wait.
pub(crate) fn measure(effort: &Effort) -> [BesideWaiting; 2] {
    [0, effort.waiting_orders].map(|waiting| {
        step(&format!("assigning beside {waiting} orders that wait"));
        in_virtual_time(|| beside(waiting, effort.timed_orders))
    })
}

async fn beside(waiting: usize, timed: usize) -> BesideWaiting {
    let stack = Stack::new();
    stage::import(&stack.slow.cloud.tables, POOL, 0..4 * timed as u64, false).await;
    let (assign_queue, assign) = mpsc::unbounded_channel();
    let (waiting_queue, again) = mpsc::unbounded_channel();
    let measure = async {
        for order in 0..waiting {
            let _ = assign_queue.send(arriving(assigned((timed + order) as u64, DRY_POOL)));
        }
        stack.until(|seen| waiting <= seen.unavailable).await;

        let (begun, tries) = (Instant::now(), stack.seen.borrow().tries);
        stack.slow.cloud.tables.take_bill();
        // The same moments in every run.
        let mut rng = fastrand::Rng::with_seed(1);
        for order in 0..timed {
            sleep(Duration::from_secs_f64(-(1.0 - rng.f64()).ln() / A_SECOND)).await;
            stack.seen.borrow_mut().arrived.insert(format!("o-{order}"), Instant::now());
            let _ = assign_queue.send(arriving(assigned(order as u64, POOL)));
        }
        let seconds = begun.elapsed().as_secs_f64();
        let tries = (stack.seen.borrow().tries - tries) as f64 / seconds;
        let read_units = stack.slow.cloud.tables.take_bill().read_units / seconds;
        stack.until(|seen| seen.arrived.is_empty()).await;
        BesideWaiting {
            waiting,
            time: std::mem::take(&mut stack.seen.borrow_mut().time),
            tries,
            read_units,
            environments: stack.environments.get(),
        }
    };
    tokio::select! {
        figures = measure => figures,
        () = stack.poll(Queue::Assign, assign) => unreachable!("its queue is open"),
        () = stack.poll(Queue::Waiting, again) => unreachable!("its queue is open"),
        () = stack.deliver(&waiting_queue) => unreachable!("messages go on"),
    }
}

/// assign-numbers with its two queues, on a slow cloud.
struct Stack {
    slow: Arc<SlowCloud>,
    pools: Value,
    clock: Clock,
    environments: Cell<usize>,
    /// The environments that handle no batch.
    idle: RefCell<Vec<Functions>>,
    seen: RefCell<Seen>,
    news: Notify,
}

/// What the announcements and the waiting queue said so far.
#[derive(Default)]
struct Seen {
    /// The orders that are not announced, with the times of their arrival.
    arrived: HashMap<String, Instant>,
    time: Sample,
    unavailable: usize,
    tries: usize,
}

impl Stack {
    fn new() -> Self {
        let mut pools = function::pools();
        let mut dry = pools[0].clone();
        dry["id"] = DRY_POOL.into();
        dry["default"] = false.into();
        pools.as_array_mut().expect("a list").push(dry);
        Self {
            slow: SlowCloud::new(cloud(), Latency::Real),
            pools,
            clock: virtual_time::clock(),
            environments: Cell::new(0),
            idle: RefCell::default(),
            seen: RefCell::default(),
            news: Notify::new(),
        }
    }

    /// Hands the messages of a queue to the function, to as many environments at once as the
    /// template allows the queue.
    async fn poll(&self, queue: Queue, messages: mpsc::UnboundedReceiver<Message>) {
        let (batch_size, concurrency) = bounds(queue);
        let messages = Mutex::new(messages);
        let pollers = (0..concurrency).map(async |_| {
            loop {
                let mut batch = Vec::new();
                messages.lock().await.recv_many(&mut batch, batch_size).await;
                if queue == Queue::Waiting {
                    self.seen.borrow_mut().tries += batch.len();
                }
                self.handle(queue, batch).await;
            }
        });
        join_all(pollers).await;
    }

    async fn handle(&self, queue: Queue, messages: Vec<Message>) {
        let message = |(index, message): (usize, Message)| Delivery {
            id: format!("message-{index}"),
            body: message.body,
            attributes: message.attributes,
            group: None,
            count: 1,
            first_received_at: self.clock.unix_seconds(),
        };
        let batch = events::batch(queue, messages.into_iter().enumerate().map(message));
        let idle = self.idle.borrow_mut().pop();
        let environment = idle.unwrap_or_else(|| {
            self.environments.update(|count| count + 1);
            Functions::on(&self.slow.clients(Role::Assigner), &self.pools, &self.clock)
        });
        let again = environment.receive(queue, batch, Duration::from_mins(1)).await;
        assert!(again.is_empty(), "all orders are assigned, or wait");
        self.idle.borrow_mut().push(environment);
    }

    /// Reads the announcements, and delivers the messages that wait after their delays.
    async fn deliver(&self, waiting_queue: &mpsc::UnboundedSender<Message>) {
        let mut delayed = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.slow.sent.notified() => {
                    for message in self.slow.cloud.queues.take(WAITING) {
                        delayed.push(async {
                            sleep(Duration::from_secs(message.delay)).await;
                            message
                        });
                    }
                    for announcement in self.slow.cloud.queues.take_json(NUMBER_EVENTS) {
                        self.seen.borrow_mut().read(&announcement);
                        self.news.notify_one();
                    }
                }
                Some(message) = delayed.next() => {
                    let _ = waiting_queue.send(message);
                }
            }
        }
    }

    /// Waits until what was seen is as expected.
    async fn until(&self, expected: impl Fn(&Seen) -> bool) {
        while !expected(&self.seen.borrow()) {
            self.news.notified().await;
        }
    }
}

impl Seen {
    fn read(&mut self, announcement: &Value) {
        match announcement["type"].as_str() {
            Some("numbers.assigned") => {
                let order = announcement["order_id"].as_str().expect("an order");
                let arrived = self.arrived.remove(order).expect("it is announced once");
                self.time.add(arrived.elapsed().as_secs_f64() * 1000.0);
            }
            Some("numbers.unavailable") => self.unavailable += 1,
            other => panic!("an announcement of {other:?}"),
        }
    }
}

/// A message as it arrives on the assign queue.
fn arriving(body: String) -> Message {
    Message {
        queue: String::new(),
        body,
        attributes: BTreeMap::new(),
        delay: 0,
        group: None,
        deduplication_id: None,
    }
}

/// The messages in a batch of a queue, and the batches at once, as the template has them.
fn bounds(queue: Queue) -> (usize, usize) {
    let event = if queue == Queue::Waiting { "WaitingEvents" } else { "OrderEvents" };
    let mut functions = resources("AWS::Serverless::Function");
    let (_, function) = functions.find(|(name, _)| *name == "AssignNumbers").expect("a function");
    let mapping = &function["Properties"]["Events"][event]["Properties"];
    [&mapping["BatchSize"], &mapping["ScalingConfig"]["MaximumConcurrency"]]
        .map(|bound| bound.as_i64().expect("a number") as usize)
        .into()
}

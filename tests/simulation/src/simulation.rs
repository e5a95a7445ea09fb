//! A simulation: one faulty cloud, a few environments of the functions, queues, and people who
//! call. A schedule says what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use lambda_support::Clock;
use masking::{Allocation, Timestamp};
use serde_json::{Value, json};
use support::events::{self, Delivery};
use support::functions::{Functions, WAITING, dead_letters};
use support::story::SWITCH_TOKEN;
use tokio::time::{Instant, sleep};

use crate::faulty::FaultyCloud;
use crate::queue::Queue;
use crate::report::{Report, Violation};
use crate::schedule::{Kind, Op, PHONES, Schedule, number, phone};
use crate::truth::Truth;

/// The environments that handle batches. One more answers calls.
pub(crate) const WORKERS: usize = 3;
/// The first second of a simulation.
const BEGINNING: u64 = 1_795_420_800;

type Violations = Vec<String>;

pub(crate) struct Simulation {
    /// The settings. Its steps are removed.
    schedule: Schedule,
    pub(crate) faulty: Arc<FaultyCloud>,
    pools: Value,
    /// Each environment has all four functions. When one dies, a new one replaces it.
    pub(crate) environments: Vec<Functions>,
    pub(crate) queues: Queues,
    /// The events of each order so far.
    events: BTreeMap<String, Vec<Value>>,
    /// The seconds that steps have added to the clock.
    jumped: Arc<AtomicU64>,
    clock: Clock,
    next_number: usize,
    history: Vec<String>,
    report: Report,
}

/// The queues of order events.
pub(crate) struct Queues {
    assign: Queue,
    release: Queue,
    waiting: Queue,
}

impl Queues {
    pub(crate) fn of(&mut self, queue: events::Queue) -> &mut Queue {
        match queue {
            events::Queue::Assign => &mut self.assign,
            events::Queue::Waiting => &mut self.waiting,
            _ => &mut self.release,
        }
    }

    fn new() -> Self {
        Self {
            assign: Queue::new("assign"),
            release: Queue::new("release"),
            waiting: Queue::new("waiting"),
        }
    }

    fn are_empty(&self) -> bool {
        [&self.assign, &self.release, &self.waiting].into_iter().all(Queue::is_empty)
    }
}

/// A batch in an environment.
struct Batch {
    worker: usize,
    queue: events::Queue,
    messages: Vec<Delivery>,
}

impl Simulation {
    pub(crate) fn new(schedule: &Schedule) -> Self {
        let jumped = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let clock = {
            let jumped = Arc::clone(&jumped);
            Clock::new(move || {
                BEGINNING + jumped.load(Ordering::Relaxed) + began.elapsed().as_secs()
            })
        };
        let pools = pools(schedule, schedule.allocation);
        let rest = schedule.cooldown + schedule.grace;
        let truth = Truth::new(clock.clone(), (0..PHONES).map(phone), rest);
        let faulty = FaultyCloud::new(truth, schedule.fault_rate);
        let start = |number| Functions::on(&faulty.clients(number), &pools, &clock);
        let environments = (0..=WORKERS).map(start).collect();
        let settings = format!(
            "{:?}, cool-down {} s, grace {} s, {} numbers, {} of 1000 requests fail",
            schedule.allocation,
            schedule.cooldown,
            schedule.grace,
            schedule.numbers,
            schedule.fault_rate
        );
        Self {
            faulty,
            schedule: Schedule { ops: Vec::new(), ..schedule.clone() },
            pools,
            environments,
            queues: Queues::new(),
            events: BTreeMap::new(),
            jumped,
            clock,
            next_number: schedule.numbers,
            history: vec![settings],
            report: Report::default(),
        }
    }

    pub(crate) async fn live(&mut self, ops: &[Op]) -> Result<(), Violations> {
        let fault_rate = std::mem::take(&mut self.faulty.state().fault_rate);
        self.import(0..self.next_number).await;
        self.faulty.state().fault_rate = fault_rate;
        for op in ops {
            self.faulty.state().rng = Rng::with_seed(op.seed);
            fastrand::seed(op.seed);
            self.happen(&op.kind, &mut Rng::with_seed(op.seed ^ 1)).await;
            self.verdict()?;
        }
        self.settle().await
    }

    /// The result of the simulation.
    pub(crate) fn end(self, result: Result<(), Violations>) -> Result<Report, Violation> {
        let state = self.faulty.state();
        let (checks, faults) = (state.truth.checked, state.faults.clone());
        match result {
            Ok(()) => Ok(Report { checks, faults, ..self.report }),
            Err(found) => Err(Violation { found, history: self.history }),
        }
    }

    pub(crate) fn verdict(&self) -> Result<(), Violations> {
        let found = self.faulty.state().truth.violations.clone();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }

    pub(crate) fn seconds_pass(&self, seconds: u64) {
        self.jumped.fetch_add(seconds, Ordering::Relaxed);
    }

    fn note(&mut self, what: &str) {
        let at = self.now() - BEGINNING;
        self.history.push(format!("{at:>7} s  {what}"));
    }

    async fn happen(&mut self, kind: &Kind, rng: &mut Rng) {
        match kind {
            Kind::Tell(event) => self.tell(event.clone()),
            Kind::Work { batches, calls } => self.work(*batches, calls, rng).await,
            Kind::Pass(seconds) => {
                self.note(&format!("{seconds} s go by"));
                self.seconds_pass(*seconds);
            }
            Kind::Import(count) => {
                let first = self.next_number;
                self.next_number += count;
                self.import(first..first + count).await;
            }
            Kind::Withdraw(index) => {
                self.note(&format!("{} is withdrawn", number(*index)));
                let body =
                    json!({"type": "pool.withdraw", "pool": "p", "numbers": [number(*index)]});
                self.tell_pool(&body).await;
            }
            Kind::Check => self.tell_pool(&json!({"type": "pool.check", "pool": "p"})).await,
            Kind::Move(allocation) => self.deploy(*allocation, rng),
        }
    }

    pub(crate) fn tell(&mut self, mut event: Value) {
        let lives = event.as_object_mut().and_then(|it| it.remove("lives"));
        if let Some(lives) = lives.and_then(|it| it.as_u64()).filter(|it| 0 < *it) {
            let expires_at = Timestamp::from_seconds(self.now() + lives);
            event["expires_at"] = expires_at.to_string().into();
        }
        self.note(&format!("told: {event}"));
        self.queues.of(events::Queue::of(&event)).send(event.to_string());
        let order_id = event["order_id"].as_str().unwrap_or_default().to_owned();
        self.events.entry(order_id).or_default().push(event);
    }

    /// Changes the pool's allocation. Some environments keep the old one.
    fn deploy(&mut self, allocation: Allocation, rng: &mut Rng) {
        self.note(&format!("the pool becomes {allocation:?}"));
        self.pools = pools(&self.schedule, allocation);
        for worker in (0..=WORKERS).filter(|_| rng.bool()) {
            self.restart(worker);
        }
    }

    fn restart(&mut self, worker: usize) {
        let clients = self.faulty.clients(worker);
        self.environments[worker] = Functions::on(&clients, &self.pools, &self.clock);
    }

    pub(crate) async fn import(&mut self, numbers: std::ops::Range<usize>) {
        self.note(&format!("numbers {numbers:?} are imported"));
        let numbers: Vec<String> = numbers.map(number).collect();
        let body = json!({"type": "pool.import", "pool": "p", "numbers": numbers});
        self.faulty.state().truth.imported.extend(numbers);
        self.tell_pool(&body).await;
    }

    /// Sends a pool message until it succeeds, as an operator does.
    async fn tell_pool(&mut self, body: &Value) {
        let queue = events::Queue::Refill;
        for _ in 0..100 {
            let batch = events::batch_of(queue, [body.to_string()], self.now());
            let time = Duration::from_mins(1);
            if self.environments[WORKERS].receive(queue, batch, time).await.is_empty() {
                return;
            }
        }
        self.faulty.state().truth.violations.push("a pool message never succeeds".to_owned());
    }

    /// Functions handle batches at the same time, while people call.
    pub(crate) async fn work(&mut self, batches: usize, calls: &[(usize, usize)], rng: &mut Rng) {
        let taken = self.take(batches, rng);
        self.report.calls += count(calls);
        let (environments, faulty) = (&self.environments, &self.faulty);
        let work = taken.iter().map(|batch| async {
            let event = events::batch(batch.queue, batch.messages.iter().cloned());
            let time = Duration::from_mins(1);
            tokio::select! {
                again = environments[batch.worker].receive(batch.queue, event, time) => Some(again),
                () = faulty.death_of(batch.worker) => None,
            }
        });
        let calls = calls.iter().map(|(caller, called)| self.call(*caller, *called));
        let (ends, _) = tokio::join!(join_all(work), join_all(calls));

        for (batch, again) in taken.into_iter().zip(ends) {
            self.finish(&batch, again, rng);
        }
        self.carry();
    }

    /// Carries out what the functions asked of their queues.
    pub(crate) fn carry(&mut self) {
        let now = self.now();
        for (id, seconds) in self.faulty.cloud.queues.take_waits() {
            for queue in [events::Queue::Assign, events::Queue::Release, events::Queue::Waiting] {
                self.queues.of(queue).show(&id, now + seconds);
            }
        }
        for sent in self.faulty.cloud.queues.take(WAITING) {
            self.queues.waiting.send_later(sent, now);
        }
    }

    /// Receives batches. Some environments will die of theirs.
    fn take(&mut self, batches: usize, rng: &mut Rng) -> Vec<Batch> {
        let now = self.now();
        let mut taken = Vec::new();
        for worker in 0..batches.min(WORKERS) {
            let queue = match rng.u32(0..5) {
                0 | 1 => events::Queue::Assign,
                2 => events::Queue::Waiting,
                _ => events::Queue::Release,
            };
            let messages = self.queues.of(queue).receive(rng, now);
            if messages.is_empty() {
                continue;
            }
            if rng.u32(0..1000) < self.faulty.state().fault_rate {
                let steps = rng.u32(1..25);
                self.faulty.state().deaths.insert(worker, steps);
            }
            let events: Vec<String> = messages.iter().map(|it| brief(&it.body)).collect();
            self.note(&format!("{queue:?} in environment {worker} takes {}", events.join(", ")));
            *match queue {
                events::Queue::Release => &mut self.report.releases,
                _ => &mut self.report.assigns,
            } += count(&messages);
            self.report.batches += 1;
            taken.push(Batch { worker, queue, messages });
        }
        taken
    }

    /// Ends a batch. `again` are the messages to redeliver, or none if the environment died:
    /// then all of them are.
    fn finish(&mut self, batch: &Batch, again: Option<BTreeSet<String>>, rng: &mut Rng) {
        self.faulty.state().deaths.remove(&batch.worker);
        let Some(again) = again else {
            self.note(&format!("environment {} dies", batch.worker));
            self.report.deaths += 1;
            self.restart(batch.worker);
            return;
        };
        let now = self.now();
        for message in batch.messages.iter().filter(|it| !again.contains(&it.id)) {
            self.queues.of(batch.queue).delete(rng, &message.id, now);
        }
    }

    /// A person dials a number within the next 100 ms.
    pub(crate) async fn call(&self, caller: usize, called: usize) {
        let delay = self.faulty.state().rng.u64(0..100);
        sleep(Duration::from_millis(delay)).await;
        let (caller, called) = (phone(caller), number(called));
        let id = self.faulty.state().truth.call_begins(&called, &caller);
        let body = events::switch_body(&caller, &called);
        let event = events::switch_call(&format!("Bearer {SWITCH_TOKEN}"), &body);
        let (_, answer) = self.environments[WORKERS].call(&event).await;
        let answer = serde_json::from_str(&answer).expect("JSON");
        self.faulty.state().truth.call_ends(id, &answer);
    }

    /// Handles all events without faults and with enough numbers, and checks what must hold
    /// then.
    async fn settle(&mut self) -> Result<(), Violations> {
        self.faulty.state().fault_rate = 0;
        // Wait for late requests.
        sleep(Duration::from_secs(10)).await;
        let first = self.next_number;
        self.import(first..first + 15).await;
        self.note("everything comes to rest");
        let mut rng = Rng::with_seed(0);
        for _ in 0..2000 {
            if self.queues.are_empty() {
                break;
            }
            self.work(WORKERS, &[], &mut rng).await;
            self.seconds_pass(1);
            self.verdict()?;
        }
        if !self.queues.are_empty() {
            return Err(vec!["events are left that are never done with".to_owned()]);
        }
        let given_up = self.given_up();
        let cloud = &self.faulty.cloud;
        self.faulty.state().truth.check_at_rest(cloud, &self.events, &given_up);
        self.seconds_pass(200_000);
        self.faulty.state().truth.check_all_free();
        self.verdict()
    }

    /// The orders with a dead letter.
    fn given_up(&self) -> BTreeSet<String> {
        let queues = [events::Queue::Assign, events::Queue::Release].map(dead_letters);
        let letters = queues.iter().flat_map(|it| self.faulty.cloud.queues.take_json(it));
        letters.filter_map(|it| it["order_id"].as_str().map(str::to_owned)).collect()
    }
}

fn pools(schedule: &Schedule, allocation: Allocation) -> Value {
    let allocation = if allocation == Allocation::Shared { "shared" } else { "exclusive" };
    json!([{
        "id": "p", "allocation": allocation, "min_free": 0, "shards": 2,
        "cooldown_seconds": schedule.cooldown, "grace_seconds": schedule.grace,
    }])
}

fn count<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or(0)
}

/// A short form of an event, for the history.
fn brief(body: &str) -> String {
    let event: Value = serde_json::from_str(body).unwrap_or_default();
    let kind = event["type"].as_str().unwrap_or_default().trim_start_matches("order.").to_owned();
    format!("{} v{} {kind}", event["order_id"].as_str().unwrap_or_default(), event["version"])
}

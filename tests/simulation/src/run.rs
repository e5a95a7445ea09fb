//! Runs a schedule, and shortens one that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use fastrand::Rng;
use futures_util::future::join_all;
use masking::{Allocation, Pools, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant as VirtualInstant;

use crate::cloud::{Cloud, Faults};
use crate::environment::Environment;
use crate::queue::Queue;
use crate::schedule::{Kind, Op, Schedule, number, phone};
use crate::truth::Truth;

/// What a schedule did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Calls that were answered and checked.
    pub calls: u64,
    /// Batches that functions took.
    pub batches: u64,
    /// Events of assign-numbers that were delivered.
    pub assigns: u64,
    /// Events of release-numbers that were delivered.
    pub releases: u64,
    /// Environments that died.
    pub deaths: u64,
    /// Writes after which everything was checked.
    pub checks: u64,
    /// Faults by kind.
    pub faults: Faults,
}

/// What must never be, and was.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What was found.
    pub found: Vec<String>,
    /// What happened before, one line each.
    pub history: Vec<String>,
}

impl Report {
    /// Adds another one up.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.batches += other.batches;
        self.assigns += other.assigns;
        self.releases += other.releases;
        self.deaths += other.deaths;
        self.checks += other.checks;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}

/// Environments that take batches; one more answers calls.
const WORKERS: usize = 3;
/// When a world begins.
const BEGINNING: u64 = 1_795_420_800;

/// Runs a schedule to its end, or to the first violation.
pub fn run(schedule: &Schedule) -> Result<Report, Violation> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(schedule);
        let result = world.live(&schedule.ops).await;
        let mut report = world.report;
        let state = world.cloud.state();
        report.checks = state.truth.checked;
        report.faults.clone_from(&state.faults);
        match result {
            Ok(()) => Ok(report),
            Err(found) => Err(Violation { found, history: world.history }),
        }
    })
}

/// Leaves out what a violation does not need, as far as it is found in that time.
pub fn shrink(schedule: &Schedule, time: Duration) -> Schedule {
    let until = Instant::now() + time;
    let mut shortest = schedule.clone();
    let mut chunk = shortest.ops.len() / 2;
    while 0 < chunk {
        let mut at = 0;
        while at < shortest.ops.len() && Instant::now() < until {
            let mut shorter = shortest.clone();
            let end = (at + chunk).min(shorter.ops.len());
            shorter.ops.drain(at..end);
            if run(&shorter).is_err() {
                shortest = shorter;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    let calm = Schedule { fault_rate: 0, ..shortest.clone() };
    if run(&calm).is_err() { calm } else { shortest }
}

struct World {
    /// Its settings.
    schedule: Schedule,
    cloud: Arc<Cloud>,
    pools: Pools,
    environments: Vec<Environment>,
    assign_queue: Queue,
    release_queue: Queue,
    told: BTreeMap<String, Vec<Value>>,
    jumped: Arc<AtomicU64>,
    now: Arc<dyn Fn() -> u64 + Send + Sync>,
    next_number: usize,
    history: Vec<String>,
    report: Report,
}

type Found = Vec<String>;

impl World {
    fn new(schedule: &Schedule) -> Self {
        let jumped = Arc::new(AtomicU64::new(0));
        let began = VirtualInstant::now();
        let now: Arc<dyn Fn() -> u64 + Send + Sync> = {
            let jumped = Arc::clone(&jumped);
            Arc::new(move || BEGINNING + jumped.load(Ordering::Relaxed) + began.elapsed().as_secs())
        };
        let pools = pools(schedule, schedule.allocation);
        let phones: Vec<String> = (0..6).map(phone).collect();
        let truth = Truth::new(Arc::clone(&now), &phones);
        let cloud = Cloud::new(truth, schedule.fault_rate);
        let start = |number| Environment::start(&cloud, number, &pools, &now);
        let environments = (0..=WORKERS).map(start).collect();
        Self {
            cloud,
            schedule: Schedule { ops: Vec::new(), ..schedule.clone() },
            pools,
            environments,
            assign_queue: Queue::new("assign"),
            release_queue: Queue::new("release"),
            told: BTreeMap::new(),
            jumped,
            now,
            next_number: 0,
            history: vec![format!(
                "{:?}, cool-down {} s, grace {} s, {} numbers, {} of 1000 requests fail",
                schedule.allocation,
                schedule.cooldown,
                schedule.grace,
                schedule.numbers,
                schedule.fault_rate
            )],
            report: Report::default(),
        }
        .with_numbers(schedule.numbers)
    }

    fn with_numbers(mut self, count: usize) -> Self {
        self.next_number = count;
        self
    }

    async fn live(&mut self, ops: &[Op]) -> Result<(), Found> {
        let fault_rate = std::mem::take(&mut self.cloud.state().fault_rate);
        self.import(0..self.next_number).await;
        self.cloud.state().fault_rate = fault_rate;
        for op in ops {
            self.cloud.state().rng = Rng::with_seed(op.seed);
            fastrand::seed(op.seed);
            self.happen(&op.kind, &mut Rng::with_seed(op.seed ^ 1)).await;
            self.verdict()?;
        }
        self.settle().await
    }

    fn verdict(&self) -> Result<(), Found> {
        let found = self.cloud.state().truth.violations.clone();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    fn note(&mut self, what: &str) {
        let at = (self.now)() - BEGINNING;
        self.history.push(format!("{at:>7} s  {what}"));
    }

    async fn happen(&mut self, kind: &Kind, rng: &mut Rng) {
        match kind {
            Kind::Tell(event) => self.tell(event.clone()),
            Kind::Work { batches, calls } => self.work(*batches, calls, rng).await,
            Kind::Pass(seconds) => {
                self.note(&format!("{seconds} s go by"));
                self.jumped.fetch_add(*seconds, Ordering::Relaxed);
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

    fn tell(&mut self, mut event: Value) {
        let lives = event.as_object_mut().and_then(|it| it.remove("lives"));
        if let Some(lives) = lives.and_then(|it| it.as_u64()).filter(|it| 0 < *it) {
            let expires_at = Timestamp::from_seconds((self.now)() + lives);
            event["expires_at"] = expires_at.to_string().into();
        }
        self.note(&format!("told: {event}"));
        let kind = event["type"].as_str().unwrap_or_default();
        let to_assign = ["order.created", "order.agent_assigned"].contains(&kind);
        let queue = if to_assign { &mut self.assign_queue } else { &mut self.release_queue };
        queue.send(event.to_string());
        let order_id = event["order_id"].as_str().unwrap_or_default().to_owned();
        self.told.entry(order_id).or_default().push(event);
    }

    /// Changes the pool's allocation. Some environments live on with what it was.
    fn deploy(&mut self, allocation: Allocation, rng: &mut Rng) {
        self.note(&format!("the pool becomes {allocation:?}"));
        self.pools = pools(&self.schedule, allocation);
        for worker in (0..=WORKERS).filter(|_| rng.bool()) {
            self.restart(worker);
        }
    }

    fn restart(&mut self, worker: usize) {
        self.environments[worker] = Environment::start(&self.cloud, worker, &self.pools, &self.now);
    }

    async fn import(&mut self, numbers: std::ops::Range<usize>) {
        self.note(&format!("numbers {numbers:?} are imported"));
        let numbers: Vec<String> = numbers.map(number).collect();
        let body = json!({"type": "pool.import", "pool": "p", "numbers": numbers});
        self.cloud.state().truth.imported.extend(numbers);
        self.tell_pool(&body).await;
    }

    /// Tells the pool until it has understood: an operator repeats what fails.
    async fn tell_pool(&mut self, body: &Value) {
        let record = json!({
            "messageId": "pool", "receiptHandle": "pool", "body": body.to_string(),
            "attributes": {}, "messageAttributes": {},
        });
        let refill = &self.environments[WORKERS].refill;
        for _ in 0..100 {
            let deadline = Instant::now() + Duration::from_mins(1);
            let response = refill.handle(event_of(std::slice::from_ref(&record)), deadline).await;
            if response.batch_item_failures.is_empty() {
                return;
            }
        }
        self.cloud.state().truth.violations.push("a pool message never succeeds".to_owned());
    }

    /// Functions take batches and work at the same time, while people call.
    async fn work(&mut self, batches: usize, calls: &[(usize, usize)], rng: &mut Rng) {
        let now = (self.now)();
        let mut taken = Vec::new();
        for worker in 0..batches.min(WORKERS) {
            let to_assign = rng.bool();
            let queue = if to_assign { &mut self.assign_queue } else { &mut self.release_queue };
            let records = queue.receive(rng, now);
            if !records.is_empty() {
                let dies = rng.u32(0..1000) < self.cloud.state().fault_rate;
                if dies {
                    let steps = rng.u32(1..25);
                    self.cloud.state().deaths.insert(worker, steps);
                }
                taken.push((worker, to_assign, records));
            }
        }
        for (worker, to_assign, records) in &taken {
            let bodies: Vec<&str> = records.iter().filter_map(|it| it["body"].as_str()).collect();
            let versions: Vec<String> = bodies.iter().map(|it| brief(it)).collect();
            let name = if *to_assign { "assign" } else { "release" };
            self.note(&format!("{name} in environment {worker} takes {}", versions.join(", ")));
            let count = u64::try_from(records.len()).unwrap_or(0);
            let counter =
                if *to_assign { &mut self.report.assigns } else { &mut self.report.releases };
            *counter += count;
            self.report.batches += 1;
        }
        self.report.calls += u64::try_from(calls.len()).unwrap_or(0);

        let (environments, cloud) = (&self.environments, &self.cloud);
        let work = taken.iter().map(|(worker, to_assign, records)| async move {
            let environment = &environments[*worker];
            let event = event_of(records);
            let handled = async {
                if *to_assign {
                    environment.assign.handle(event).await
                } else {
                    environment.release.handle(event).await
                }
            };
            tokio::select! {
                response = handled => Some(response),
                () = cloud.death_of(*worker) => None,
            }
        });
        let calls = calls.iter().map(|(caller, called)| {
            call(cloud, &environments[WORKERS], phone(*caller), number(*called))
        });
        let (responses, _) = tokio::join!(join_all(work), join_all(calls));

        for ((worker, to_assign, records), response) in taken.into_iter().zip(responses) {
            self.finish(worker, to_assign, &records, response, rng);
        }
        let now = (self.now)();
        let waits = std::mem::take(&mut self.cloud.state().waits);
        for (id, seconds) in waits {
            self.assign_queue.show(&id, now + seconds);
            self.release_queue.show(&id, now + seconds);
        }
    }

    fn finish(
        &mut self,
        worker: usize,
        to_assign: bool,
        records: &[Value],
        response: Option<SqsBatchResponse>,
        rng: &mut Rng,
    ) {
        self.cloud.state().deaths.remove(&worker);
        let Some(response) = response else {
            self.note(&format!("environment {worker} dies"));
            self.report.deaths += 1;
            self.restart(worker);
            return;
        };
        let failed: BTreeSet<String> =
            response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect();
        let now = (self.now)();
        let queue = if to_assign { &mut self.assign_queue } else { &mut self.release_queue };
        for id in records.iter().filter_map(|it| it["messageId"].as_str()) {
            if !failed.contains(id) {
                queue.delete(rng, id, now);
            }
        }
    }

    /// Lets everything come to rest, without faults and with enough numbers, and
    /// checks what must hold then.
    async fn settle(&mut self) -> Result<(), Found> {
        self.cloud.state().fault_rate = 0;
        // What was given up as lost and is still on its way.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let first = self.next_number;
        self.import(first..first + 15).await;
        self.note("everything comes to rest");
        let mut rng = Rng::with_seed(0);
        for _ in 0..2000 {
            if self.assign_queue.is_empty() && self.release_queue.is_empty() {
                break;
            }
            self.work(WORKERS, &[], &mut rng).await;
            self.jumped.fetch_add(1, Ordering::Relaxed);
            self.verdict()?;
        }
        if !(self.assign_queue.is_empty() && self.release_queue.is_empty()) {
            return Err(vec!["events are left that are never done with".to_owned()]);
        }
        let given_up = self.given_up();
        let cloud = Arc::clone(&self.cloud);
        let mut truth = {
            let mut state = cloud.state();
            let empty = Truth::new(Arc::clone(&self.now), &[]);
            std::mem::replace(&mut state.truth, empty)
        };
        truth.check_at_rest(&cloud, &self.told, &given_up);
        self.jumped.fetch_add(200_000, Ordering::Relaxed);
        truth.check_all_free();
        cloud.state().truth = truth;
        self.verdict()
    }

    /// The orders of which an event went to the dead-letter queue.
    fn given_up(&self) -> BTreeSet<String> {
        let letters = self.cloud.state().dead_letters.clone();
        let letters = letters.iter().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        letters.filter_map(|it| it["order_id"].as_str().map(str::to_owned)).collect()
    }
}

fn pools(schedule: &Schedule, allocation: Allocation) -> Pools {
    let allocation = if allocation == Allocation::Shared { "shared" } else { "exclusive" };
    let pools = json!([{
        "id": "p", "allocation": allocation, "min_free": 0, "shards": 2,
        "cooldown_seconds": schedule.cooldown, "grace_seconds": schedule.grace,
    }]);
    Pools::parse(&pools.to_string()).expect("valid pools")
}

async fn call(cloud: &Arc<Cloud>, environment: &Environment, caller: String, called: String) {
    let delay = cloud.state().rng.u64(0..100);
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let id = cloud.state().truth.call_begins(&called, &caller);
    let event = json!({
        "version": "2.0", "routeKey": "POST /calls/resolve", "rawPath": "/calls/resolve",
        "rawQueryString": "", "isBase64Encoded": false,
        "headers": {"authorization": "Bearer token"},
        "requestContext": {
            "domainName": "calls.example.com", "stage": "$default", "timeEpoch": 0,
            "http": {"method": "POST", "path": "/calls/resolve"},
        },
        "body": json!({"caller": caller, "called": called}).to_string(),
    });
    let request = lambda_http::request::from_str(&event.to_string()).expect("a request");
    let response = environment.resolve.handle(request).await;
    let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
    cloud.state().truth.call_ends(id, &answer);
}

fn event_of(records: &[Value]) -> SqsEvent {
    serde_json::from_value(json!({ "Records": records })).expect("an SQS event")
}

/// An event in a word, for the history.
fn brief(body: &str) -> String {
    let event: Value = serde_json::from_str(body).unwrap_or_default();
    let kind = event["type"].as_str().unwrap_or_default().trim_start_matches("order.").to_owned();
    format!("{} v{} {kind}", event["order_id"].as_str().unwrap_or_default(), event["version"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Fate;

    /// Plays a scene in a world of so many numbers, where nothing fails but what the
    /// scene lets fail, and nothing may be violated.
    fn play<T>(numbers: usize, scene: impl AsyncFnOnce(&mut World) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let schedule = Schedule {
            allocation: Allocation::Exclusive,
            cooldown: 600,
            ops: Vec::new(),
            fault_rate: 0,
            ..Schedule::draw(0)
        };
        runtime.block_on(async {
            let mut world = World::new(&schedule);
            world.import(0..numbers).await;
            let result = scene(&mut world).await;
            world.verdict().expect("nothing is violated");
            result
        })
    }

    impl World {
        /// Tells an event and has it delivered once, while its transactions meet these
        /// fates. Returns whether it is done with, and after how many transactions.
        async fn deliver(&mut self, event: Value, fates: &[Fate]) -> (bool, usize) {
            const MORE: usize = 20;
            let fine = std::iter::repeat_n(Fate::Fine, MORE);
            self.cloud.state().script = fates.iter().copied().chain(fine).collect();
            self.tell(event);
            // What was delivered before stays hidden for the length of a scene.
            let (now, mut rng) = ((self.now)(), Rng::with_seed(0));
            let to_assign = self.assign_queue.receive(&mut rng, now);
            let to_release = self.release_queue.receive(&mut rng, now);
            let environment = &self.environments[0];
            let response = if to_release.is_empty() {
                environment.assign.handle(event_of(&to_assign)).await
            } else {
                environment.release.handle(event_of(&to_release)).await
            };
            let left = std::mem::take(&mut self.cloud.state().script).len();
            assert!(left <= MORE, "every fate was met");
            (response.batch_item_failures.is_empty(), fates.len() + MORE - left)
        }
    }

    fn assigned(version: u64) -> Value {
        json!({
            "type": "order.agent_assigned", "order_id": "o-0", "version": version,
            "participants": [
                {"role": "customer", "phone": phone(0)}, {"role": "agent", "phone": phone(1)},
            ],
        })
    }

    /// Assigns an order while its transactions meet these fates, in one delivery.
    /// Returns whether it is done with, after how many transactions, and how many
    /// numbers are taken.
    fn assign_while(fates: &[Fate]) -> (bool, usize, usize) {
        play(10, async |world| {
            let (done, transactions) = world.deliver(assigned(1), fates).await;
            let numbers = &world.cloud.state().truth.numbers;
            let taken = numbers.values().filter(|it| it.contains_key("order_id")).count();
            (done, transactions, taken)
        })
    }

    #[test]
    fn an_order_that_holds_nothing_is_assigned_in_one_transaction() {
        assert_eq!(assign_while(&[]), (true, 1, 2));
    }

    #[test]
    fn a_conflict_is_tried_again_in_the_same_delivery() {
        assert_eq!(assign_while(&[Fate::Conflict; 2]), (true, 3, 2));
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_found_in_the_row_and_not_repeated() {
        // The SDK tries three times; only then does the function see it.
        assert_eq!(assign_while(&[Fate::LoseAnswer; 3]), (true, 3, 2));
    }

    #[test]
    fn a_write_that_was_lost_is_made_again() {
        assert_eq!(assign_while(&[Fate::LoseRequest; 3]), (true, 4, 2));
    }

    #[test]
    fn throttling_is_waited_out() {
        assert_eq!(assign_while(&[Fate::Refuse("ThrottlingException"); 3]), (true, 4, 2));
    }

    #[test]
    fn an_order_that_took_the_last_numbers_is_not_told_that_there_are_none() {
        play(4, async |world| {
            let mut first = assigned(1);
            first["lives"] = 60.into();
            world.deliver(first, &[]).await;
            world.jumped.fetch_add(60, Ordering::Relaxed);
            // The blind try finds the expired row; the next one is written, unheard.
            let fates = [[Fate::Fine].as_slice(), &[Fate::LoseAnswer; 3]].concat();
            assert_eq!(world.deliver(assigned(2), &fates).await, (true, 4));
        });
    }

    #[test]
    fn what_was_just_written_is_what_a_call_and_a_duplicate_find() {
        play(2, async |world| {
            world.deliver(assigned(1), &[]).await;
            for called in [0, 1] {
                call(&world.cloud, &world.environments[WORKERS], phone(0), number(called)).await;
            }
            let completed = json!({"type": "order.completed", "order_id": "o-0", "version": 2});
            assert_eq!(world.deliver(completed.clone(), &[]).await, (true, 1));
            assert_eq!(
                world.deliver(completed, &[]).await,
                (true, 0),
                "a duplicate writes nothing"
            );
        });
    }
}

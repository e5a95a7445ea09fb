//! What only shows with time that is not this machine's: how often assigners that
//! work at once get in each other's way, and how many round trips a step takes.
//!
//! 64 processes on a few processors would wait for those, and not for DynamoDB. So
//! the real handlers and SDK clients run in this process, and requests take the time
//! that DynamoDB takes; but it is the time of tokio's clock, which skips what nobody
//! waits for, and computing takes none of it. Transactions that meet at a row are
//! refused, as DynamoDB refuses them. The index never lags behind its table here.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use assign_numbers::AssignNumbers;
use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use fastrand::Rng;
use futures_util::future::join_all;
use lambda_support::Clock;
use masking::Pools;
use masking_store::TableNames;
use release_numbers::ReleaseNumbers;
use resolve_call::ResolveCall;
use serde_json::{Value, json};
use support::database::Database;
use tokio::time::Instant;

use crate::cloud::{Cloud, NUMBER_EVENTS, REFILL};
use crate::effort::Effort;
use crate::events::{self, Carrier, Case};
use crate::function::{self, POOL, SHARED_POOL};
use crate::orders::BATCH;
use crate::progress::step;
use crate::sample::Sample;
use crate::stage;

/// When all of this happens, in seconds.
const BEGINNING: u64 = 1_795_420_800;

/// Builds the configuration of a service's client, as the functions set theirs up.
macro_rules! config {
    ($service:ident, $http:expr) => {
        $service::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .endpoint_url("http://cloud")
            .http_client($http)
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
            .build()
    };
}
/// How long requests take.
#[derive(Clone, Copy, Debug)]
enum Latency {
    /// As in a Region of AWS.
    Real,
    /// All the same; for counting round trips.
    Fixed,
}

const FIXED: u64 = 100;

/// Concurrent assigners, and what came of their orders.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) assigners: usize,
    pub(crate) shards: u64,
    /// Transactions for each order.
    pub(crate) tries: f64,
    /// Milliseconds that a batch of ten took, on average.
    pub(crate) batch: f64,
}

/// Orders that share a pool, all assigned at once.
#[derive(Debug)]
pub(crate) struct Sharing {
    pub(crate) orders: u64,
    pub(crate) agents: u64,
    pub(crate) numbers: u64,
    /// Transactions, order by order.
    pub(crate) tries: Sample,
    /// For each order.
    pub(crate) write_units: f64,
}

/// Round trips, one after the other, that a step takes.
#[derive(Debug)]
pub(crate) struct RoundTrips {
    pub(crate) resolve: f64,
    pub(crate) assign: f64,
    pub(crate) assign_batch: f64,
    pub(crate) release: f64,
    pub(crate) release_batch: f64,
}

/// Has so many assigners work on 10,000 numbers, half of them free.
pub(crate) fn measure(effort: &Effort) -> Vec<Crowd> {
    let mut crowds = Vec::new();
    for (assigners, shards) in [(1, 16), (8, 16), (64, 16), (64, 64), (64, 200)] {
        step(&format!("having {assigners} assigners work at once on {shards} shards"));
        crowds.push(in_virtual_time(|| crowd(assigners, shards, effort.crowd_orders)));
    }
    crowds
}

/// Has 64 assigners give a crowd of orders, whose agents are on several at once, the
/// numbers of one shared pool.
pub(crate) fn measure_sharing(effort: &Effort) -> Sharing {
    step("having a crowd share a pool");
    in_virtual_time(|| sharing(effort.sharing_orders))
}

async fn sharing(orders: u64) -> Sharing {
    const ASSIGNERS: u64 = 64;
    let (agents, numbers) = (orders * 3 / 10, 200);
    let world = World::new(Latency::Real, 16);
    stage::import(&world.cloud.database, SHARED_POOL, 0..numbers, false).await;
    world.cloud.database.take_bill();
    let size = BATCH as u64;
    let work = (0..ASSIGNERS).map(async |assigner| {
        for batch in (assigner..orders.div_ceil(size)).step_by(ASSIGNERS as usize) {
            let orders = batch * size..((batch + 1) * size).min(orders);
            world.assign(orders.map(|order| events::shared(order, order % agents))).await;
        }
    });
    join_all(work).await;
    let write_units = world.cloud.database.take_bill().write_units / orders as f64;
    let routes = rows_of(&world.cloud.database, "RoutesTable");
    assert_eq!(routes, 2 * orders, "each of two people has a route for each order");
    let mut tries = Sample::default();
    for count in world.state().tries_of.values() {
        tries.add(*count as f64);
    }
    Sharing { orders, agents, numbers, tries, write_units }
}

/// Counts the rows of a table.
fn rows_of(database: &Database, table: &str) -> u64 {
    let mut count = 0;
    let mut request = json!({"TableName": table, "Select": "COUNT"});
    loop {
        let (_, page) = database.answer("Scan", request.to_string().as_bytes());
        let page: Value = serde_json::from_str(&page).expect("JSON");
        count += page["Count"].as_u64().expect("a count");
        match page.get("LastEvaluatedKey") {
            Some(key) => request["ExclusiveStartKey"] = key.clone(),
            None => return count,
        }
    }
}

/// Counts round trips, by the time that steps take where every request takes the same.
pub(crate) fn round_trips() -> RoundTrips {
    step("counting round trips");
    in_virtual_time(async || {
        let world = World::new(Latency::Fixed, 16);
        stage::import(&world.cloud.database, POOL, 0..1000, false).await;
        let trips = async |orders: Range<u64>| {
            let begun = Instant::now();
            world.assign(exclusive(orders.clone())).await;
            let assigned = Instant::now();
            world.release(orders).await;
            [assigned - begun, assigned.elapsed()].map(trips)
        };
        // The secrets are read once.
        trips(0..1).await;
        world.call().await;
        let begun = Instant::now();
        world.call().await;
        let resolve = self::trips(begun.elapsed());
        let [assign, release] = trips(1..2).await;
        let [assign_batch, release_batch] = trips(2..2 + BATCH as u64).await;
        RoundTrips { resolve, assign, assign_batch, release, release_batch }
    })
}

fn trips(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0 / FIXED as f64
}

async fn crowd(assigners: usize, shards: u64, orders: usize) -> Crowd {
    let world = World::new(Latency::Real, shards);
    let held = 5_000 - (assigners * BATCH * 2) as u64;
    stage::import_spread(&world.cloud.database, POOL, held..10_000, false, shards).await;
    stage::import_spread(&world.cloud.database, POOL, 0..held, true, shards).await;
    let batches = orders.div_ceil(assigners * BATCH) as u64;
    let assign_time = Mutex::new(Duration::ZERO);
    let size = BATCH as u64;
    // Each assigner's orders, batch after batch.
    let batch = |assigner: usize, number: u64| {
        let first = (assigner as u64 * (batches + 1) + number) * size;
        first..first + size
    };
    // Half of the numbers are taken when it begins, and each batch that ends makes
    // room for the next one. All begin within a moment, not at the same.
    join_all((0..assigners).map(|assigner| world.assign(exclusive(batch(assigner, 0))))).await;
    world.state().tries = 0;
    let work = (0..assigners).map(async |assigner| {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..100))).await;
        for number in 0..batches {
            world.release(batch(assigner, number)).await;
            let begun = Instant::now();
            world.assign(exclusive(batch(assigner, number + 1))).await;
            *assign_time.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
        }
    });
    join_all(work).await;
    let count = (assigners as u64 * batches) as f64;
    let time = assign_time.into_inner().unwrap_or_else(PoisonError::into_inner);
    Crowd {
        assigners,
        shards,
        tries: world.state().tries as f64 / (count * size as f64),
        batch: time.as_secs_f64() * 1000.0 / count,
    }
}

/// The functions in this process, over a cloud that takes its time.
struct World {
    cloud: Arc<Cloud>,
    state: Arc<Mutex<State>>,
    assign: AssignNumbers,
    release: ReleaseNumbers,
    resolve: ResolveCall,
}

#[derive(Debug)]
struct State {
    latency: Latency,
    rng: Rng,
    /// The rows that transactions are at.
    busy: HashSet<String>,
    /// Transactions of assign-numbers.
    tries: u64,
    /// The same, by the order's row.
    tries_of: HashMap<String, u64>,
}

impl World {
    fn new(latency: Latency, shards: u64) -> Self {
        fastrand::seed(1);
        let cloud = Cloud::new();
        let rng = Rng::with_seed(1);
        let state =
            State { latency, rng, busy: HashSet::new(), tries: 0, tries_of: HashMap::new() };
        let state = Arc::new(Mutex::new(state));
        let http = |is_assigner| {
            let (cloud, state) = (Arc::clone(&cloud), Arc::clone(&state));
            let wire = SharedHttpConnector::new(Wire { cloud, state, is_assigner });
            http_client_fn(move |_, _| wire.clone())
        };
        let mut pools = function::pools();
        pools[0]["shards"] = shards.into();
        let pools = Pools::parse(&pools.to_string()).expect("valid pools");
        let tables = TableNames {
            orders: "OrdersTable".to_owned(),
            numbers: "NumbersTable".to_owned(),
            routes: "RoutesTable".to_owned(),
        };
        let sqs = aws_sdk_sqs::Client::from_conf(config!(aws_sdk_sqs, http(false)));
        let secrets =
            aws_sdk_secretsmanager::Client::from_conf(config!(aws_sdk_secretsmanager, http(false)));
        let begun = Instant::now();
        let clock = Clock::new(move || BEGINNING + begun.elapsed().as_secs());
        let (queue_url, dead) = ("http://queues/own", "http://queues/dead");
        let assign = assign_numbers::Settings {
            pools,
            tables: tables.clone(),
            service_secret: "service-secret".to_owned(),
            queue_url: queue_url.to_owned(),
            dead_letter_queue_url: dead.to_owned(),
            number_events_queue_url: NUMBER_EVENTS.to_owned(),
            refill_queue_url: REFILL.to_owned(),
        };
        let release = release_numbers::Settings {
            tables,
            queue_url: queue_url.to_owned(),
            dead_letter_queue_url: dead.to_owned(),
            number_events_queue_url: NUMBER_EVENTS.to_owned(),
        };
        let resolve = resolve_call::Settings {
            routes_table: "RoutesTable".to_owned(),
            service_secret: "service-secret".to_owned(),
            provider_secret: "provider-secret".to_owned(),
            public_base_url: None,
        };
        Self {
            assign: AssignNumbers::new(
                assign,
                dynamodb(http(true)),
                sqs.clone(),
                secrets.clone(),
                clock.clone(),
            ),
            release: ReleaseNumbers::new(release, dynamodb(http(false)), sqs, clock.clone()),
            resolve: ResolveCall::new(resolve, dynamodb(http(false)), secrets, clock),
            cloud,
            state,
        }
    }

    async fn assign(&self, events: impl IntoIterator<Item = String>) {
        let event = batch(events);
        let response = self.assign.handle(event).await;
        assert!(response.batch_item_failures.is_empty(), "all orders are assigned");
    }

    async fn release(&self, orders: Range<u64>) {
        let event = batch(orders.map(events::completed));
        let response = self.release.handle(event).await;
        assert!(response.batch_item_failures.is_empty(), "all orders are released");
    }

    async fn call(&self) {
        let event = Carrier::Switch.asks("+628111111111", &events::number(0), Case::Reject);
        let request = lambda_http::request::from_str(&event).expect("a request");
        let answer = self.resolve.handle(request).await;
        assert_eq!(answer.status(), 200);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn exclusive(orders: Range<u64>) -> impl Iterator<Item = String> {
    orders.map(|order| events::assigned(order, POOL))
}

fn batch(bodies: impl IntoIterator<Item = String>) -> SqsEvent {
    serde_json::from_value(events::batch(bodies)).expect("an SQS event")
}

fn dynamodb(http: SharedHttpClient) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, http))
}

/// Does something on a clock that skips what nobody waits for. On a thread of its
/// own, since this one is at work for a runtime already.
fn in_virtual_time<Work, T>(work: impl FnOnce() -> Work + Send) -> T
where
    Work: Future<Output = T>,
    T: Send,
{
    let work = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(work())
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("it works"))
}

#[derive(Debug)]
struct Wire {
    cloud: Arc<Cloud>,
    state: Arc<Mutex<State>>,
    is_assigner: bool,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let body = request.body().bytes().expect("a body in memory").to_vec();
        let (cloud, state) = (Arc::clone(&self.cloud), Arc::clone(&self.state));
        let is_assigner = self.is_assigner;
        HttpConnectorFuture::new(async move {
            let (status, answer) = answer(&cloud, &state, is_assigner, &target, &body).await;
            let status = StatusCode::try_from(status).expect("a status");
            Ok::<_, ConnectorError>(HttpResponse::new(status, SdkBody::from(answer)))
        })
    }
}

async fn answer(
    cloud: &Cloud,
    state: &Mutex<State>,
    is_assigner: bool,
    target: &str,
    body: &[u8],
) -> (u16, String) {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(("DynamoDB_20120810", operation)) = target.split_once('.') else {
        let way = lock().way(target);
        tokio::time::sleep(way * 2).await;
        return (200, cloud.other(target, body).to_string());
    };
    let way = lock().way(operation);
    if operation != "TransactWriteItems" {
        tokio::time::sleep(way).await;
        let answer = cloud.database.answer(operation, body);
        tokio::time::sleep(way).await;
        return answer;
    }
    let rows = rows(body);
    let taken: Vec<bool> = {
        let mut state = lock();
        if let (true, Some(order)) = (is_assigner, rows.first()) {
            state.tries += 1;
            *state.tries_of.entry(order.clone()).or_default() += 1;
        }
        let taken: Vec<bool> = rows.iter().map(|row| state.busy.contains(row)).collect();
        if !taken.contains(&true) {
            state.busy.extend(rows.iter().cloned());
        }
        taken
    };
    tokio::time::sleep(way).await;
    if taken.contains(&true) {
        tokio::time::sleep(way).await;
        return (400, conflict(&taken));
    }
    let answer = cloud.database.answer(operation, body);
    {
        let busy = &mut lock().busy;
        for row in &rows {
            busy.remove(row);
        }
    }
    tokio::time::sleep(way).await;
    answer
}

impl State {
    /// How long a request is on its way, there or back.
    fn way(&mut self, operation: &str) -> Duration {
        let typical = match (self.latency, operation) {
            (Latency::Fixed, _) => return Duration::from_millis(FIXED / 2),
            (Latency::Real, "GetItem" | "Query") => 4.0,
            (Latency::Real, "TransactWriteItems") => 25.0,
            (Latency::Real, _) => 6.0,
        };
        Duration::from_secs_f64(typical * (0.7 + 0.9 * self.rng.f64()) / 2000.0)
    }
}

/// The rows that a transaction writes.
fn rows(body: &[u8]) -> Vec<String> {
    let request: Value = serde_json::from_slice(body).expect("JSON");
    let items = request["TransactItems"].as_array().expect("items");
    let row = |item: &Value| format!("{} {}", item["Update"]["TableName"], item["Update"]["Key"]);
    items.iter().map(row).collect()
}

/// The answer to a transaction at whose rows another one is.
fn conflict(taken: &[bool]) -> String {
    let code = |taken: &bool| if *taken { "TransactionConflict" } else { "None" };
    let reasons: Vec<Value> = taken.iter().map(|taken| json!({"Code": code(taken)})).collect();
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    })
    .to_string()
}

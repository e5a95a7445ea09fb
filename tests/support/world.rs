//! A world for one test: the four real handlers over one cloud, with a clock that the
//! test moves. It speaks of orders, events, calls and numbers, and shows what an outsider
//! sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use lambda_support::Clock;
use masking::Timestamp;
use serde_json::{Value, json};

use crate::cloud::{Bill, Cloud, Message, Reply, Request, Service, Tables};
use crate::events::{self, Queue};
use crate::functions::{
    Functions, NUMBER_EVENTS, PROVIDER_SECRET, REFILL, SERVICE_SECRET, dead_letters, given_secrets,
};
use crate::logs::Logs;
use crate::rows::{self, Row, amount, text, word};
use crate::twilio;
use crate::wire::{Clients, Tries, at_once, connector};

pub use crate::story::{
    EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN, assigned, event, number, numbers_in, provider_secret,
};

/// When a world begins: 2026-11-23T08:00:00Z.
pub const BEGINNING: u64 = 1_795_420_800;

/// The four functions on one cloud.
#[derive(Debug)]
pub struct World {
    now: Arc<AtomicU64>,
    /// The tables, queues and secrets.
    pub cloud: Arc<Cloud>,
    clients: Clients,
    clock: Clock,
    functions: Functions,
    /// What the handlers log.
    pub logs: Logs,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was announced, as JSON.
    pub announced: Vec<Value>,
    /// The reasons with which messages went to a dead-letter queue.
    pub refused: Vec<String>,
    /// How many messages are to come again.
    pub again: usize,
    /// After how many seconds they do.
    pub waits: Vec<u64>,
}

/// How often a message came, and how many seconds ago for the first time.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// This time included.
    pub count: u32,
    /// Seconds since the first time.
    pub age: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The first delivery of a message.
pub const FIRST: Delivery = Delivery { count: 1, age: 0 };

impl World {
    /// A world with one pool, `id-jkt`, whose numbers cool down for ten minutes.
    pub fn new() -> Self {
        Self::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 2}]))
    }

    /// A world with these pools.
    pub fn with_pools(pools: &Value) -> Self {
        let cloud = Cloud::on(Tables::from_template());
        let clients = Clients::of(&cloud);
        Self::on(cloud, clients, pools)
    }

    /// A world whose tables do not answer: requests to them fail at once.
    pub fn without_tables() -> Self {
        Self::with_other_tables(async || Err(ConnectorError::io("nobody listens".into())))
    }

    /// A world whose tables are silent: requests to them take for ever.
    pub fn with_silent_tables() -> Self {
        Self::with_other_tables(async || std::future::pending().await)
    }

    fn with_other_tables<F>(other: impl Fn() -> F + Send + Sync + Copy + 'static) -> Self
    where
        F: Future<Output = Result<Reply, ConnectorError>> + Send,
    {
        let cloud = Cloud::on(Tables::from_template());
        let behind = Arc::clone(&cloud);
        let http = connector(move |request: Request| {
            let cloud = Arc::clone(&behind);
            async move {
                match request.service {
                    Service::DynamoDb => other().await,
                    _ => Ok(at_once(&cloud, request).await),
                }
            }
        });
        Self::on(cloud, Clients::over(http, Tries::Once), &json!([{"id": "id-jkt"}]))
    }

    fn on(cloud: Arc<Cloud>, clients: Clients, pools: &Value) -> Self {
        let now = Arc::new(AtomicU64::new(BEGINNING));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || now.load(Ordering::SeqCst))
        };
        given_secrets(&cloud, &provider_secret());
        let functions = Functions::on(&clients, pools, &clock);
        Self { now, cloud, clients, clock, functions, logs: Logs::listen() }
    }

    /// The moment that it is.
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// The moment that many seconds from now, as events write it.
    pub fn in_seconds(&self, seconds: u64) -> String {
        Timestamp::from_seconds(self.now() + seconds).to_string()
    }

    /// Lets time go by.
    pub fn seconds_pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Lets time go by that nobody looks at a clock for: caches grow old.
    pub async fn caches_age(&self, by: Duration) {
        tokio::time::pause();
        tokio::time::advance(by).await;
        tokio::time::resume();
    }

    /// Deploys other settings of the pools, over the same tables.
    pub fn given_pools(&mut self, pools: &Value) {
        self.functions = Functions::on(&self.clients, pools, &self.clock);
    }

    /// Imports numbers `+62215` followed by these five digits into a pool.
    pub async fn given_numbers(&self, pool: &str, numbers: impl IntoIterator<Item = u32>) {
        let numbers: Vec<String> = numbers.into_iter().map(number).collect();
        let body = json!({"type": "pool.import", "pool": pool, "numbers": numbers});
        let told = self.when_pool_told(&body).await;
        assert_eq!(told.again + told.refused.len(), 0, "{told:?}");
    }

    /// Sets the provider secret.
    pub fn given_provider_secret(&self, secret: Option<&Value>) {
        self.cloud.secrets.given(PROVIDER_SECRET, secret.map(Value::to_string));
    }

    /// Sets the service's secret.
    pub fn given_service_secret(&self, secret: Option<&str>) {
        self.cloud.secrets.given(SERVICE_SECRET, secret.map(str::to_owned));
    }

    /// Tells one event on the queue where its type belongs.
    pub async fn when_told(&self, event: &Value) -> Told {
        self.when_told_again(event, FIRST).await
    }

    /// The same, for a message that came before.
    pub async fn when_told_again(&self, event: &Value, delivery: Delivery) -> Told {
        let time = Duration::from_mins(1);
        self.receives(Queue::of(event), &[event.to_string()], delivery, time).await
    }

    /// Has assign-numbers handle one batch of bodies.
    pub async fn when_assign_receives(&self, bodies: &[String], delivery: Delivery) -> Told {
        self.receives(Queue::Assign, bodies, delivery, Duration::from_mins(1)).await
    }

    /// Has release-numbers handle one batch of bodies.
    pub async fn when_release_receives(&self, bodies: &[String], delivery: Delivery) -> Told {
        self.receives(Queue::Release, bodies, delivery, Duration::from_mins(1)).await
    }

    /// Has refill-pool handle one message.
    pub async fn when_pool_told(&self, message: &Value) -> Told {
        self.when_refill_receives(&message.to_string()).await
    }

    /// Has refill-pool handle one body.
    pub async fn when_refill_receives(&self, body: &str) -> Told {
        self.when_refill_receives_within(body, Duration::from_mins(1)).await
    }

    /// The same, with so much time.
    pub async fn when_refill_receives_within(&self, body: &str, time: Duration) -> Told {
        self.receives(Queue::Refill, &[body.to_owned()], FIRST, time).await
    }

    async fn receives(
        &self,
        queue: Queue,
        bodies: &[String],
        delivery: Delivery,
        time: Duration,
    ) -> Told {
        let message = |(index, body): (usize, &String)| events::Delivery {
            id: format!("message-{index}"),
            body: body.clone(),
            count: delivery.count,
            first_received_at: self.now() - delivery.age,
        };
        let batch = events::batch(queue, bodies.iter().enumerate().map(message));
        let again = self.functions.receive(queue, batch, time).await;
        let refused = self.cloud.queues.take(dead_letters(queue));
        let waits = self.cloud.queues.take_waits();
        Told {
            announced: self.cloud.queues.take_json(NUMBER_EVENTS),
            refused: refused.into_iter().map(|it| it.reason.expect("a reason")).collect(),
            again: again.len(),
            waits: waits.into_iter().map(|(_, seconds)| seconds).collect(),
        }
    }

    /// Takes the signals that were sent to refill-pool.
    pub fn take_signals(&self) -> Vec<Message> {
        self.cloud.queues.take(REFILL)
    }

    /// Makes the announcement queue refuse what is sent to it, or take it again.
    pub fn given_announcements_fail(&self, fail: bool) {
        self.cloud.queues.given_refuses(NUMBER_EVENTS, fail);
    }

    /// Makes the dead-letter queue of assign-numbers refuse what is sent to it.
    pub fn given_dead_letters_fail(&self) {
        self.cloud.queues.given_refuses(dead_letters(Queue::Assign), true);
    }

    /// Makes the refill queue refuse what is sent to it.
    pub fn given_signals_fail(&self) {
        self.cloud.queues.given_refuses(REFILL, true);
    }

    /// Has a switch ask whom to connect. Returns the status and the JSON.
    pub async fn when_called(&self, caller: &str, called: &str) -> (u16, Value) {
        let body = events::switch_body(caller, called);
        self.when_switch_asks(&body, &format!("Bearer {SWITCH_TOKEN}")).await
    }

    /// Has a switch send this body with this `Authorization`.
    pub async fn when_switch_asks(&self, body: &str, authorization: &str) -> (u16, Value) {
        self.when_json_requested(&events::switch_call(authorization, body)).await
    }

    /// Has Twilio ask, rightly signed. Returns the status and the body.
    pub async fn when_twilio_calls(&self, form: &[(&str, &str)]) -> (u16, String) {
        let url = "https://calls.example.com/calls/twilio";
        let signature = twilio::signature(TWILIO_TOKEN, url, form);
        self.when_twilio_sends(form, &signature).await
    }

    /// Has Twilio send this form with this signature.
    pub async fn when_twilio_sends(&self, form: &[(&str, &str)], signature: &str) -> (u16, String) {
        self.when_requested(&events::twilio_call(form, signature)).await
    }

    /// Has Exotel ask, with this token and query. Returns the status and the JSON.
    pub async fn when_exotel_calls(&self, token: &str, query: &[(&str, &str)]) -> (u16, Value) {
        self.when_json_requested(&events::exotel_call(token, query)).await
    }

    /// Has resolve-call handle an event of the HTTP API.
    pub async fn when_requested(&self, event: &Value) -> (u16, String) {
        self.functions.call(event).await
    }

    async fn when_json_requested(&self, event: &Value) -> (u16, Value) {
        let (status, body) = self.when_requested(event).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    /// All rows of a table.
    pub async fn rows(&self, table: &str) -> Vec<Row> {
        rows::scan(&self.clients.dynamodb, table).await.expect("the table can be read")
    }

    /// The row of an order, as JSON of its public attributes; `null` without one.
    pub async fn order(&self, order_id: &str) -> Value {
        let rows = self.rows("OrdersTable").await;
        let row = rows.iter().find(|row| word(row, "order_id") == order_id);
        row.map_or(Value::Null, |row| {
            json!({
                "state": text(row, "state"),
                "version": text(row, "version"),
                "expires_at": text(row, "expires_at"),
            })
        })
    }

    /// The numbers that are free now and may be handed out.
    pub async fn free_numbers(&self) -> Vec<String> {
        let is_free = |row: &&Row| {
            row.contains_key("pool_shard") && amount(row, "available_at") <= self.now()
        };
        let rows = self.rows("NumbersTable").await;
        let mut free: Vec<String> =
            rows.iter().filter(is_free).map(|row| word(row, "number").to_owned()).collect();
        free.sort();
        free
    }

    /// Takes the bill of what the tables were asked for.
    pub fn take_bill(&self) -> Bill {
        self.cloud.tables.take_bill()
    }

    /// Makes the log available to a search.
    pub fn log(&self) -> String {
        self.logs.text()
    }
}

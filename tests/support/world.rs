//! The world of one test: the four real handlers on one cloud, with a clock that the test
//! moves. Its methods are the sentences of a story about orders, calls and numbers, and show
//! what an outsider sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use forward_events::NotForwarded;
use lambda_support::Clock;
use masking::Timestamp;
use providers::Transport;
use serde_json::{Value, json};

use crate::cloud::{Bill, Cloud, Message, Reply, Request, Service, Tables};
use crate::events::{self, Queue};
use crate::functions::{
    Functions, NUMBER_EVENTS, PROVIDER_SECRET, REFILL, RENTAL_SECRET, SERVICE_SECRET, WAITING,
    dead_letters, given_secrets,
};
use crate::logs::Logs;
use crate::rows::{self, Row, amount, text, word};
use crate::wire::{Clients, Tries, at_once, connector};

mod calls;

pub use crate::story::{
    EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN, assigned, event, number, numbers_in, provider_secret,
};

/// The first second of a world: 2026-11-23T08:00:00Z.
pub const BEGINNING: u64 = 1_795_420_800;

#[derive(Debug)]
pub struct World {
    now: Arc<AtomicU64>,
    pub cloud: Arc<Cloud>,
    clients: Clients,
    clock: Clock,
    functions: Functions,
    /// In milliseconds.
    secret_delay: Arc<AtomicU64>,
    logs: Logs,
}

/// The visible effects of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// The announcements.
    pub announced: Vec<Value>,
    /// The reasons of the messages that it sent to the dead-letter queue.
    pub refused: Vec<String>,
    /// Their message groups.
    pub groups: Vec<Option<String>>,
    /// How many messages SQS must deliver again.
    pub again: usize,
    /// The visibility timeouts of those, in seconds.
    pub waits: Vec<u64>,
    /// The messages that it sent to the waiting queue.
    pub waiting: Vec<Message>,
}

/// How often a message was delivered, and when first.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// This time included.
    pub count: u32,
    /// Seconds since the first delivery.
    pub age: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

pub const FIRST: Delivery = Delivery { count: 1, age: 0 };

impl World {
    /// A world with the pool `id-jkt`, whose cool-down is ten minutes.
    pub fn new() -> Self {
        Self::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 2}]))
    }

    pub fn with_pools(pools: &Value) -> Self {
        let cloud = Cloud::on(Tables::from_template());
        let clients = Clients::of(&cloud);
        Self::on(cloud, clients, pools)
    }

    /// A world whose functions reach providers by `transport`.
    pub fn reaching(transport: &Transport, pools: &Value) -> Self {
        let mut world = Self::with_pools(pools);
        let Self { clients, clock, .. } = &world;
        let transport = transport.clone();
        world.functions = Functions::reaching(transport, clients, pools, clock, &[]);
        world
    }

    /// A world in which requests to the tables fail at once.
    pub fn without_tables() -> Self {
        Self::with_other_tables(async || Err(ConnectorError::io("nobody listens".into())))
    }

    /// A world in which requests to the tables never end.
    pub fn with_silent_tables() -> Self {
        Self::with_other_tables(async || std::future::pending().await)
    }

    /// A world in which the index never answers queries for a pool.
    pub fn with_silent_index_of(pool: &str, pools: &Value) -> Self {
        let cloud = Cloud::on(Tables::from_template());
        let (behind, shards) = (Arc::clone(&cloud), format!("{pool}#"));
        let http = connector(move |request: Request| {
            let shard = request.body["ExpressionAttributeValues"][":shard"]["S"].as_str();
            let silent = shard.is_some_and(|shard| shard.starts_with(&shards));
            let cloud = Arc::clone(&behind);
            async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                Ok(at_once(&cloud, request).await)
            }
        });
        Self::on(cloud, Clients::over(http, Tries::Once), pools)
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

    /// A world in which [`World::secrets_take`] sets how long a secret takes to read.
    pub fn with_slow_secrets() -> Self {
        let cloud = Cloud::on(Tables::from_template());
        let (behind, delay) = (Arc::clone(&cloud), Arc::<AtomicU64>::default());
        let milliseconds = Arc::clone(&delay);
        let http = connector(move |request: Request| {
            let (cloud, delay) = (Arc::clone(&behind), milliseconds.load(Ordering::SeqCst));
            async move {
                if request.service == Service::SecretsManager {
                    tokio::time::sleep(Duration::from_millis(delay)).await;
                }
                Ok(at_once(&cloud, request).await)
            }
        });
        let clients = Clients::over(http, Tries::Once);
        Self { secret_delay: delay, ..Self::on(cloud, clients, &json!([{"id": "id-jkt"}])) }
    }

    fn on(cloud: Arc<Cloud>, clients: Clients, pools: &Value) -> Self {
        let now = Arc::new(AtomicU64::new(BEGINNING));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || now.load(Ordering::SeqCst))
        };
        given_secrets(&cloud, &provider_secret());
        let functions = Functions::on(&clients, pools, &clock);
        let secret_delay = Arc::default();
        Self { now, cloud, clients, clock, functions, secret_delay, logs: Logs::listen() }
    }

    pub fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// A later moment, in RFC 3339 form.
    pub fn in_seconds(&self, seconds: u64) -> String {
        Timestamp::from_seconds(self.now() + seconds).to_string()
    }

    pub fn seconds_pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Moves tokio's clock, by which caches expire.
    pub async fn caches_age(&self, by: Duration) {
        tokio::time::pause();
        tokio::time::advance(by).await;
        tokio::time::resume();
    }

    /// Deploys other pools, on the same tables.
    pub fn given_pools(&mut self, pools: &Value) {
        self.functions = Functions::on(&self.clients, pools, &self.clock);
    }

    /// Deploys the functions with these variables beside the others, on the same tables.
    pub fn given_variables(&mut self, variables: &[(&'static str, &str)]) {
        let pools = json!([{"id": "id-jkt", "min_free": 0, "shards": 2}]);
        self.functions = Functions::with(&self.clients, &pools, &self.clock, variables);
    }

    /// Imports into a pool the numbers `+62215` followed by these five digits.
    pub async fn given_numbers(&self, pool: &str, numbers: impl IntoIterator<Item = u32>) {
        let numbers: Vec<String> = numbers.into_iter().map(number).collect();
        let body = json!({"type": "pool.import", "pool": pool, "numbers": numbers});
        let handled = self.when_pool_told(&body).await;
        assert_eq!(handled.again + handled.refused.len(), 0, "{handled:?}");
    }

    pub fn given_provider_secret(&self, secret: Option<&Value>) {
        self.cloud.secrets.given(PROVIDER_SECRET, secret.map(Value::to_string));
    }

    pub fn given_rental_secret(&self, secret: &Value) {
        self.cloud.secrets.given(RENTAL_SECRET, Some(secret.to_string()));
    }

    /// From now on. (In a world with slow secrets; the others read them at once.)
    pub fn secrets_take(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).expect("a short time");
        self.secret_delay.store(milliseconds, Ordering::SeqCst);
    }

    pub fn given_service_secret(&self, secret: Option<&str>) {
        self.cloud.secrets.given(SERVICE_SECRET, secret.map(str::to_owned));
    }

    /// Delivers an event from the queue where it belongs.
    pub async fn when_told(&self, event: &Value) -> Handled {
        self.when_told_again(event, FIRST).await
    }

    /// The same, as a redelivery.
    pub async fn when_told_again(&self, event: &Value, delivery: Delivery) -> Handled {
        let time = Duration::from_mins(1);
        self.receives(Queue::of(event), &[event.to_string()], delivery, time).await
    }

    /// Hands a batch to assign-numbers.
    pub async fn when_assign_receives(&self, bodies: &[String], delivery: Delivery) -> Handled {
        self.receives(Queue::Assign, bodies, delivery, Duration::from_mins(1)).await
    }

    /// Hands a batch to release-numbers.
    pub async fn when_release_receives(&self, bodies: &[String], delivery: Delivery) -> Handled {
        self.receives(Queue::Release, bodies, delivery, Duration::from_mins(1)).await
    }

    /// Hands a batch of a topic's records to forward-events.
    ///
    /// # Errors
    ///
    /// The batch has to come again.
    pub async fn when_topic_has(&self, event: &Value) -> Result<(), NotForwarded> {
        self.functions.forward(event.clone()).await
    }

    /// Delivers messages from the waiting queue when the longest of their delays is over.
    pub async fn when_waited(&self, waiting: &[Message]) -> Handled {
        self.seconds_pass(waiting.iter().map(|it| it.delay).max().unwrap_or(0));
        self.when_waiting_receives(waiting, FIRST).await
    }

    /// Hands messages to assign-numbers, with their attributes, as if they came from the assign
    /// queue.
    pub async fn when_assign_receives_messages(&self, messages: &[Message]) -> Handled {
        let messages = messages.iter().map(|it| (it.body.clone(), it.attributes.clone()));
        self.delivers(Queue::Assign, messages, FIRST, Duration::from_mins(1)).await
    }

    /// Hands a batch of messages that wait to assign-numbers.
    pub async fn when_waiting_receives(&self, waiting: &[Message], delivery: Delivery) -> Handled {
        let messages = waiting.iter().map(|it| (it.body.clone(), it.attributes.clone()));
        self.delivers(Queue::Waiting, messages, delivery, Duration::from_mins(1)).await
    }

    /// Hands a message to refill-pool.
    pub async fn when_pool_told(&self, message: &Value) -> Handled {
        self.when_refill_receives(&message.to_string()).await
    }

    pub async fn when_refill_receives(&self, body: &str) -> Handled {
        self.when_refill_receives_within(body, Duration::from_mins(1)).await
    }

    /// Hands a message with this message group to the function of a queue.
    pub async fn when_group_receives(&self, queue: Queue, group: &str, body: &str) -> Handled {
        let delivery = events::Delivery {
            id: "message-0".to_owned(),
            body: body.to_owned(),
            attributes: BTreeMap::new(),
            group: Some(group.to_owned()),
            count: 1,
            first_received_at: self.now(),
        };
        self.handles(queue, events::batch(queue, [delivery]), Duration::from_mins(1)).await
    }

    /// Hands a body to refill-pool with this time until Lambda's deadline.
    pub async fn when_refill_receives_within(&self, body: &str, time: Duration) -> Handled {
        self.receives(Queue::Refill, &[body.to_owned()], FIRST, time).await
    }

    async fn receives(
        &self,
        queue: Queue,
        bodies: &[String],
        delivery: Delivery,
        time: Duration,
    ) -> Handled {
        let messages = bodies.iter().map(|body| (body.clone(), BTreeMap::new()));
        self.delivers(queue, messages, delivery, time).await
    }

    async fn delivers(
        &self,
        queue: Queue,
        messages: impl IntoIterator<Item = (String, BTreeMap<String, String>)>,
        delivery: Delivery,
        time: Duration,
    ) -> Handled {
        let message = |(index, (body, attributes))| events::Delivery {
            id: format!("message-{index}"),
            body,
            attributes,
            group: None,
            count: delivery.count,
            first_received_at: self.now() - delivery.age,
        };
        let batch = events::batch(queue, messages.into_iter().enumerate().map(message));
        self.handles(queue, batch, time).await
    }

    async fn handles(&self, queue: Queue, batch: Value, time: Duration) -> Handled {
        let again = self.functions.receive(queue, batch, time).await;
        let refused = self.cloud.queues.take(dead_letters(queue));
        let waits = self.cloud.queues.take_waits();
        Handled {
            announced: self.cloud.queues.take_json(NUMBER_EVENTS),
            refused: refused.iter().map(|it| it.reason().expect("a reason").to_owned()).collect(),
            again: again.len(),
            waits: waits.into_iter().map(|(_, seconds)| seconds).collect(),
            waiting: self.cloud.queues.take(WAITING),
            groups: refused.iter().map(|it| it.group.clone()).collect(),
        }
    }

    /// Removes and returns the messages to refill-pool.
    pub fn take_signals(&self) -> Vec<Message> {
        self.cloud.queues.take(REFILL)
    }

    pub async fn rows(&self, table: &str) -> Vec<Row> {
        rows::scan(&self.clients.dynamodb, table).await.expect("the table can be read")
    }

    /// The public attributes of an order's row, or `null`.
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

    /// The free numbers in circulation.
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

    pub fn take_bill(&self) -> Bill {
        self.cloud.tables.take_bill()
    }

    /// All that the handlers have logged.
    pub fn log(&self) -> String {
        self.logs.text()
    }
}

//! A world for one test: the four real handlers over one embedded DynamoDB, with a
//! clock that the test moves. It speaks of orders, events, calls and numbers, and
//! shows what an outsider sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use assign_numbers::AssignNumbers;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_support::Clock;
use masking::{Pools, Timestamp};
use masking_store::TableNames;
use refill_pool::RefillPool;
use release_numbers::ReleaseNumbers;
use resolve_call::ResolveCall;
use serde_json::{Value, json};

use crate::aws::{FakeAws, Message};
use crate::database::{self, Bill, Database, Row};
use crate::logs::Logs;
use crate::twilio;

pub use crate::story::{
    EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN, assigned, event, number, numbers_in, provider_secret,
};

/// When a world begins: 2026-11-23T08:00:00Z.
pub const BEGINNING: u64 = 1_795_420_800;

const SERVICE_SECRET: &str = "service-secret";
const PROVIDER_SECRET: &str = "provider-secret";
const ASSIGN_DEAD_LETTERS: &str = "http://queues/assign-dead-letters";
const RELEASE_DEAD_LETTERS: &str = "http://queues/release-dead-letters";
const REFILL_DEAD_LETTERS: &str = "http://queues/refill-dead-letters";
const REFILL: &str = "http://queues/refill";
const NUMBER_EVENTS: &str = "http://queues/number-events";

/// The four functions on one set of tables.
#[expect(missing_debug_implementations, reason = "the embedded database has none")]
pub struct World {
    now: Arc<AtomicU64>,
    database: Arc<Database>,
    /// The queues and secrets.
    pub aws: FakeAws,
    /// The tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    assign: AssignNumbers,
    release: ReleaseNumbers,
    refill: RefillPool,
    resolve: ResolveCall,
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

impl World {
    /// A world with one pool, `id-jkt`, whose numbers cool down for ten minutes.
    pub async fn new() -> Self {
        Self::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 2}])).await
    }

    /// A world with these pools.
    pub async fn with_pools(pools: &Value) -> Self {
        let database = Arc::new(Database::new());
        Self::on(&database.serve().await, database, pools).await
    }

    /// A world whose tables do not answer.
    pub async fn without_tables() -> Self {
        let database = Arc::new(Database::new());
        Self::on("http://127.0.0.1:9", database, &json!([{"id": "id-jkt"}])).await
    }

    async fn on(dynamodb: &str, database: Arc<Database>, pools: &Value) -> Self {
        let logs = Logs::listen();
        let aws = FakeAws::start().await;
        let dynamodb = database::client(dynamodb);
        let pools = Pools::parse(&pools.to_string()).expect("valid pools");
        let now = Arc::new(AtomicU64::new(BEGINNING));
        let clock = || {
            let now = Arc::clone(&now);
            Clock::new(move || now.load(Ordering::SeqCst))
        };
        aws.given_secret(SERVICE_SECRET, Some(json!({"caller_key": "k".repeat(64)}).to_string()));
        aws.given_secret(PROVIDER_SECRET, Some(provider_secret().to_string()));

        let (assign, refill) = order_and_pool_functions(&aws, &dynamodb, &pools, clock());
        Self {
            assign,
            refill,
            release: ReleaseNumbers::new(
                release_numbers::Settings {
                    tables: table_names(),
                    queue_url: "http://queues/release".to_owned(),
                    dead_letter_queue_url: RELEASE_DEAD_LETTERS.to_owned(),
                    number_events_queue_url: NUMBER_EVENTS.to_owned(),
                },
                dynamodb.clone(),
                aws.sqs(),
                clock(),
            ),
            resolve: ResolveCall::new(
                resolve_call::Settings {
                    routes_table: "RoutesTable".to_owned(),
                    service_secret: SERVICE_SECRET.to_owned(),
                    provider_secret: PROVIDER_SECRET.to_owned(),
                    public_base_url: None,
                },
                dynamodb.clone(),
                aws.secrets(),
                clock(),
            ),
            now,
            database,
            dynamodb,
            aws,
            logs,
        }
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
        let pools = Pools::parse(&pools.to_string()).expect("valid pools");
        let now = Arc::clone(&self.now);
        let clock = Clock::new(move || now.load(Ordering::SeqCst));
        (self.assign, self.refill) =
            order_and_pool_functions(&self.aws, &self.dynamodb, &pools, clock);
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
        self.aws.given_secret(PROVIDER_SECRET, secret.map(Value::to_string));
    }

    /// Sets the service's secret.
    pub fn given_service_secret(&self, secret: Option<&str>) {
        self.aws.given_secret(SERVICE_SECRET, secret.map(str::to_owned));
    }

    /// Tells one event on the queue where its type belongs.
    pub async fn when_told(&self, event: &Value) -> Told {
        self.when_told_again(event, Delivery { count: 1, age: 0 }).await
    }

    /// The same, for a message that came before.
    pub async fn when_told_again(&self, event: &Value, delivery: Delivery) -> Told {
        let kind = event["type"].as_str().unwrap_or_default();
        if ["order.created", "order.agent_assigned"].contains(&kind) {
            self.when_assign_receives(&[event.to_string()], delivery).await
        } else {
            self.when_release_receives(&[event.to_string()], delivery).await
        }
    }

    /// Has assign-numbers handle one batch of bodies.
    pub async fn when_assign_receives(&self, bodies: &[String], delivery: Delivery) -> Told {
        let event = self.batch(include_str!("../events/assign-numbers.json"), bodies, delivery);
        let response = self.assign.handle(event).await;
        self.told(&response, ASSIGN_DEAD_LETTERS)
    }

    /// Has release-numbers handle one batch of bodies.
    pub async fn when_release_receives(&self, bodies: &[String], delivery: Delivery) -> Told {
        let event = self.batch(include_str!("../events/release-numbers.json"), bodies, delivery);
        let response = self.release.handle(event).await;
        self.told(&response, RELEASE_DEAD_LETTERS)
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
        let file = include_str!("../events/refill-pool.json");
        let event = self.batch(file, &[body.to_owned()], Delivery { count: 1, age: 0 });
        let response = self.refill.handle(event, Instant::now() + time).await;
        self.told(&response, REFILL_DEAD_LETTERS)
    }

    fn batch(&self, file: &str, bodies: &[String], delivery: Delivery) -> SqsEvent {
        let mut event: Value = serde_json::from_str(file).expect("an event file is JSON");
        let record = event["Records"][0].clone();
        let first_received = (self.now() - delivery.age) * 1000;
        event["Records"] = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| {
                let mut record = record.clone();
                record["messageId"] = format!("message-{index}").into();
                record["body"] = body.as_str().into();
                record["attributes"]["ApproximateReceiveCount"] = delivery.count.to_string().into();
                record["attributes"]["ApproximateFirstReceiveTimestamp"] =
                    first_received.to_string().into();
                record
            })
            .collect();
        serde_json::from_value(event).expect("an SQS event")
    }

    fn told(&self, response: &SqsBatchResponse, dead_letters: &str) -> Told {
        let announced = self.aws.take_messages(NUMBER_EVENTS);
        let refused = self.aws.take_messages(dead_letters);
        Told {
            announced: announced
                .iter()
                .map(|it| serde_json::from_str(&it.body).expect("JSON"))
                .collect(),
            refused: refused.into_iter().map(|it| it.reason.expect("a reason")).collect(),
            again: response.batch_item_failures.len(),
            waits: self.aws.take_waits(),
        }
    }

    /// Takes the signals that were sent to refill-pool.
    pub fn take_signals(&self) -> Vec<Message> {
        self.aws.take_messages(REFILL)
    }

    /// Makes the announcement queue refuse what is sent to it, or take it again.
    pub fn given_announcements_fail(&self, fail: bool) {
        self.aws.given_queue_refuses(NUMBER_EVENTS, fail);
    }

    /// Makes the dead-letter queue of assign-numbers refuse what is sent to it.
    pub fn given_dead_letters_fail(&self) {
        self.aws.given_queue_refuses(ASSIGN_DEAD_LETTERS, true);
    }

    /// Makes the refill queue refuse what is sent to it.
    pub fn given_signals_fail(&self) {
        self.aws.given_queue_refuses(REFILL, true);
    }

    /// Has a switch ask whom to connect. Returns the status and the JSON.
    pub async fn when_called(&self, caller: &str, called: &str) -> (u16, Value) {
        let body = json!({"caller": caller, "called": called, "call_id": "call-1"}).to_string();
        self.when_switch_asks(&body, &format!("Bearer {SWITCH_TOKEN}")).await
    }

    /// Has a switch send this body with this `Authorization`.
    pub async fn when_switch_asks(&self, body: &str, authorization: &str) -> (u16, Value) {
        let mut event = event_file(include_str!("../events/resolve-call.json"));
        event["body"] = body.into();
        event["headers"]["authorization"] = authorization.into();
        let (status, body) = self.when_requested(&event).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    /// Has Twilio ask, rightly signed. Returns the status and the body.
    pub async fn when_twilio_calls(&self, form: &[(&str, &str)]) -> (u16, String) {
        let url = "https://calls.example.com/calls/twilio";
        let signature = twilio::signature(TWILIO_TOKEN, url, form);
        self.when_twilio_sends(form, &signature).await
    }

    /// Has Twilio send this form with this signature.
    pub async fn when_twilio_sends(&self, form: &[(&str, &str)], signature: &str) -> (u16, String) {
        let mut event = event_file(include_str!("../events/resolve-call-twilio.json"));
        event["body"] =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into();
        event["isBase64Encoded"] = false.into();
        event["headers"]["x-twilio-signature"] = signature.into();
        self.when_requested(&event).await
    }

    /// Has Exotel ask, with this token and query. Returns the status and the JSON.
    pub async fn when_exotel_calls(&self, token: &str, query: &[(&str, &str)]) -> (u16, Value) {
        let mut event = event_file(include_str!("../events/resolve-call-exotel.json"));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        event["rawQueryString"] = query.into();
        event["rawPath"] = format!("/calls/exotel/{token}").into();
        let (status, body) = self.when_requested(&event).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    /// Has resolve-call handle an event of the HTTP API.
    pub async fn when_requested(&self, event: &Value) -> (u16, String) {
        let request = lambda_http::request::from_str(&event.to_string()).expect("a request");
        let response = self.resolve.handle(request).await;
        let (parts, body) = response.into_parts();
        (parts.status.as_u16(), String::from_utf8(body.to_vec()).expect("text"))
    }

    /// All rows of a table.
    pub async fn rows(&self, table: &str) -> Vec<Row> {
        database::rows(&self.dynamodb, table).await
    }

    /// The row of an order, as JSON of its public attributes; `null` without one.
    pub async fn order(&self, order_id: &str) -> Value {
        let rows = self.rows("OrdersTable").await;
        let row = rows.iter().find(|row| database::text(row, "order_id") == Some(order_id));
        row.map_or(Value::Null, |row| {
            json!({
                "state": database::text(row, "state"),
                "version": database::text(row, "version"),
                "expires_at": database::text(row, "expires_at"),
            })
        })
    }

    /// The numbers that are free now and may be handed out.
    pub async fn free_numbers(&self) -> Vec<String> {
        let now = self.now();
        let mut free: Vec<String> = self
            .rows("NumbersTable")
            .await
            .iter()
            .filter(|row| row.contains_key("pool_shard"))
            .filter(|row| {
                let available_at = database::text(row, "available_at").expect("available_at");
                available_at.parse::<u64>().expect("seconds") <= now
            })
            .map(|row| database::text(row, "number").expect("number").to_owned())
            .collect();
        free.sort();
        free
    }

    /// Takes the bill of what the tables were asked for.
    pub fn take_bill(&self) -> Bill {
        self.database.take_bill()
    }

    /// Makes the log available to a search.
    pub fn log(&self) -> String {
        self.logs.text()
    }
}

/// The first delivery of a message.
pub const FIRST: Delivery = Delivery { count: 1, age: 0 };

fn table_names() -> TableNames {
    TableNames {
        orders: "OrdersTable".to_owned(),
        numbers: "NumbersTable".to_owned(),
        routes: "RoutesTable".to_owned(),
    }
}

/// The two functions that know the pools.
fn order_and_pool_functions(
    aws: &FakeAws,
    dynamodb: &aws_sdk_dynamodb::Client,
    pools: &Pools,
    clock: Clock,
) -> (AssignNumbers, RefillPool) {
    let assign = assign_numbers::Settings {
        pools: pools.clone(),
        tables: table_names(),
        service_secret: SERVICE_SECRET.to_owned(),
        queue_url: "http://queues/assign".to_owned(),
        dead_letter_queue_url: ASSIGN_DEAD_LETTERS.to_owned(),
        number_events_queue_url: NUMBER_EVENTS.to_owned(),
        refill_queue_url: REFILL.to_owned(),
    };
    let refill = refill_pool::Settings {
        pools: pools.clone(),
        numbers_table: "NumbersTable".to_owned(),
        provider_secret: PROVIDER_SECRET.to_owned(),
        queue_url: REFILL.to_owned(),
        dead_letter_queue_url: REFILL_DEAD_LETTERS.to_owned(),
        stack_name: "masking".to_owned(),
        public_base_url: "https://calls.example.com".to_owned(),
    };
    let http = carriers::client().expect("a client");
    (
        AssignNumbers::new(assign, dynamodb.clone(), aws.sqs(), aws.secrets(), clock.clone()),
        RefillPool::new(refill, dynamodb.clone(), aws.sqs(), aws.secrets(), http, clock),
    )
}

fn event_file(file: &str) -> Value {
    serde_json::from_str(file).expect("an event file is JSON")
}

//! AWS as the functions see it, in the test's own process: an embedded DynamoDB,
//! queues and secrets behind the HTTP connector of the real SDK clients, with
//! faults drawn from a seed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::truth::Truth;

/// What stands in a table's row, as DynamoDB's JSON.
pub(crate) type Item = serde_json::Map<String, Value>;

/// How many faults of each kind were injected.
pub type Faults = BTreeMap<&'static str, u64>;

/// The one cloud of a world.
pub(crate) struct Cloud {
    database: Database,
    state: Mutex<State>,
    /// Wakes whoever waits for the death of an environment.
    died: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    /// What faults are drawn from.
    pub(crate) rng: Rng,
    /// What becomes of the next transactions, before anything is drawn.
    pub(crate) script: VecDeque<Fate>,
    /// How often a request fails, in thousandths.
    pub(crate) fault_rate: u32,
    /// In how many requests an environment dies, if it is to.
    pub(crate) deaths: HashMap<usize, u32>,
    /// What must hold, and what is known to be true.
    pub(crate) truth: Truth,
    /// Visibility timeouts that were set: message and seconds.
    pub(crate) waits: Vec<(String, u64)>,
    /// Messages to the dead-letter queues.
    pub(crate) dead_letters: Vec<String>,
    /// Faults so far.
    pub(crate) faults: Faults,
    /// Earlier answers to queries of the index, by shard and kind of query.
    pages: HashMap<String, Vec<String>>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    /// It never arrives.
    LoseRequest,
    /// It is applied, and the answer never arrives.
    LoseAnswer,
    /// It is given up as lost, and applied seconds later.
    ApplyLate,
    /// It is refused with this code, and not applied.
    Refuse(&'static str),
    /// Another transaction is at the same rows.
    Conflict,
    /// It takes a second or two, both ways together.
    Slow,
}

const NUMBERS: &str = "NumbersTable";

impl Cloud {
    /// A cloud with empty tables.
    pub(crate) fn new(truth: Truth, fault_rate: u32) -> Arc<Self> {
        let database = Database::memory().expect("SQLite opens in memory");
        for table in tables() {
            database
                .create_table(serde_json::from_value(table).expect("a table definition"))
                .expect("the table can be created");
        }
        Arc::new(Self {
            database,
            died: Notify::new(),
            state: Mutex::new(State {
                rng: Rng::with_seed(0),
                script: VecDeque::new(),
                fault_rate,
                deaths: HashMap::new(),
                truth,
                waits: Vec::new(),
                dead_letters: Vec::new(),
                faults: Faults::new(),
                pages: HashMap::new(),
            }),
        })
    }

    /// The HTTP client of an environment.
    pub(crate) fn client(self: &Arc<Self>, environment: usize) -> SharedHttpClient {
        let wire = SharedHttpConnector::new(Wire { cloud: Arc::clone(self), environment });
        http_client_fn(move |_, _| wire.clone())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    /// Waits until an environment has died.
    pub(crate) async fn death_of(&self, environment: usize) {
        loop {
            let died = self.died.notified();
            if self.state().deaths.get(&environment) == Some(&0) {
                return;
            }
            died.await;
        }
    }

    async fn answer(
        self: Arc<Self>,
        environment: usize,
        operation: String,
        body: String,
    ) -> Result<HttpResponse, ConnectorError> {
        if operation == "GetSecretValue" {
            let secret = json!({"caller_key": "k".repeat(64), "resolve": {"tokens": ["token"]}});
            return Ok(ok(&json!({"SecretString": secret.to_string()}).to_string()));
        }
        let (fate, before, after) = {
            let mut state = self.state();
            let fate = state.draw(&operation);
            (fate, state.rng.u64(0..30), state.rng.u64(0..30))
        };
        self.step(environment).await;
        let millis = |millis| tokio::time::sleep(Duration::from_millis(millis));
        match fate {
            Fate::Fine | Fate::Slow => {
                let slow = if fate == Fate::Slow { 900 } else { 0 };
                millis(before + slow).await;
                let answer = self.apply(&operation, &body);
                self.step(environment).await;
                millis(after + slow).await;
                Ok(answer)
            }
            Fate::LoseRequest => {
                millis(before).await;
                Err(ConnectorError::io("the request was lost".into()))
            }
            Fate::LoseAnswer => {
                millis(before).await;
                self.apply(&operation, &body);
                self.step(environment).await;
                millis(after).await;
                Err(ConnectorError::io("the answer was lost".into()))
            }
            Fate::ApplyLate => {
                let cloud = Arc::clone(&self);
                let late = self.state().rng.u64(1..6000);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(late)).await;
                    cloud.apply(&operation, &body);
                });
                millis(before).await;
                Err(ConnectorError::timeout("the request was given up".into()))
            }
            Fate::Refuse(code) => {
                millis(before).await;
                Ok(refusal(code))
            }
            Fate::Conflict => {
                millis(before).await;
                Ok(self.conflict(&operation, &body))
            }
        }
    }

    /// One step of an environment's life; it may be its last.
    async fn step(&self, environment: usize) {
        let dead = {
            let mut state = self.state();
            match state.deaths.get_mut(&environment) {
                Some(left) => {
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                None => false,
            }
        };
        if dead {
            self.died.notify_waiters();
            std::future::pending::<()>().await;
        }
    }

    /// Does what a request asks for. It is one moment: nothing else happens meanwhile.
    fn apply(&self, operation: &str, body: &str) -> HttpResponse {
        match operation {
            "SendMessage" => self.send_message(body),
            "ChangeMessageVisibility" => {
                let request: Value = serde_json::from_str(body).expect("JSON");
                let id = request["ReceiptHandle"].as_str().expect("a handle").to_owned();
                let seconds = request["VisibilityTimeout"].as_u64().expect("seconds");
                self.state().waits.push((id, seconds));
                ok("{}")
            }
            "Query" => self.query(body),
            "GetItem" => self.get_item(body),
            _ => self.write(operation, body),
        }
    }

    fn send_message(&self, body: &str) -> HttpResponse {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let text = request["MessageBody"].as_str().expect("a body").to_owned();
        let mut state = self.state();
        match request["QueueUrl"].as_str().expect("a queue") {
            "http://queues/number-events" => {
                state.truth.announced(&serde_json::from_str(&text).expect("JSON"));
            }
            "http://queues/dead-letters" => state.dead_letters.push(text),
            _ => {}
        }
        ok(r#"{"MessageId":"1","MD5OfMessageBody":""}"#)
    }

    /// The index shows a moment of the past as often as not.
    fn query(&self, body: &str) -> HttpResponse {
        let answer = self.database(body, Database::query);
        let request: Value = serde_json::from_str(body).expect("JSON");
        let shard = &request["ExpressionAttributeValues"][":shard"]["S"];
        let page_of = format!("{shard} {}", request["KeyConditionExpression"]);
        let Ok(answer) = answer else { return rendered(answer) };
        let mut state = self.state();
        let stale = state.fault_rate != 0 && state.rng.bool();
        let State { rng, pages, faults, .. } = &mut *state;
        let pages = pages.entry(page_of).or_default();
        pages.push(answer);
        let page = if stale { rng.choice(pages.as_slice()) } else { pages.last() };
        if stale {
            *faults.entry("index page of the past").or_default() += 1;
        }
        ok(page.expect("a page"))
    }

    /// A read that does not ask for strong consistency may show the past.
    fn get_item(&self, body: &str) -> HttpResponse {
        let request: Value = serde_json::from_str(body).expect("JSON");
        if request["ConsistentRead"] != Value::Bool(true) {
            let table = request["TableName"].as_str().expect("a table");
            let key = request["Key"].as_object().expect("a key");
            let mut state = self.state();
            let State { rng, truth, faults, .. } = &mut *state;
            if let Some(past) = rng.choice(truth.past(table, key)) {
                *faults.entry("read of the past").or_default() += 1;
                return ok(&json!({ "Item": past }).to_string());
            }
        }
        rendered(self.database(body, Database::get_item))
    }

    fn write(&self, operation: &str, body: &str) -> HttpResponse {
        let answer = match operation {
            "TransactWriteItems" => self.database(body, Database::transact_write_items),
            "UpdateItem" => self.database(body, Database::update_item),
            other => panic!("a function asked for {other}"),
        };
        if answer.is_ok() {
            let rows = written(body);
            let rows = rows.into_iter().map(|(table, key)| {
                let item = self.item(&table, &key);
                (table, key, item)
            });
            let rows: Vec<_> = rows.collect();
            self.state().truth.wrote(rows);
        }
        rendered(answer)
    }

    /// A row as it is.
    pub(crate) fn item(&self, table: &str, key: &Item) -> Option<Item> {
        let request = json!({"TableName": table, "Key": key}).to_string();
        let answer = self.database(&request, Database::get_item).expect("the table can be read");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["Item"].as_object().cloned()
    }

    /// All rows of a table.
    pub(crate) fn scan(&self, table: &str) -> Vec<Item> {
        let request = json!({"TableName": table}).to_string();
        let answer = self.database(&request, Database::scan).expect("the table can be read");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let items = answer["Items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item| item.as_object().cloned()).collect()
    }

    fn database<Request, Response>(
        &self,
        body: &str,
        act: impl Fn(&Database, Request) -> Result<Response, DynoxideError>,
    ) -> Result<String, DynoxideError>
    where
        Request: for<'a> serde::Deserialize<'a>,
        Response: serde::Serialize,
    {
        let request = serde_json::from_str(body).expect("a request that the database knows");
        let response = act(&self.database, request)?;
        Ok(serde_json::to_string(&response).expect("JSON"))
    }

    fn conflict(&self, operation: &str, body: &str) -> HttpResponse {
        if operation != "TransactWriteItems" {
            return refusal("TransactionConflictException");
        }
        let request: Value = serde_json::from_str(body).expect("JSON");
        let items = request["TransactItems"].as_array().map_or(1, Vec::len);
        let which = self.state().rng.usize(0..items);
        let reasons: Vec<Value> = (0..items)
            .map(|index| json!({"Code": if index == which { "TransactionConflict" } else { "None" }}))
            .collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": reasons,
        });
        response(400, &body.to_string())
    }
}

impl State {
    fn draw(&mut self, operation: &str) -> Fate {
        if operation == "TransactWriteItems"
            && let Some(fate) = self.script.pop_front()
        {
            return fate;
        }
        if self.fault_rate <= self.rng.u32(0..1000) {
            return Fate::Fine;
        }
        let queue = ["SendMessage", "ChangeMessageVisibility"].contains(&operation);
        let write = ["TransactWriteItems", "UpdateItem"].contains(&operation);
        let (name, fate) = match self.rng.u32(0..9) {
            0 if write => ("applied late", Fate::ApplyLate),
            0 | 2 => ("request lost", Fate::LoseRequest),
            1 => ("answer lost", Fate::LoseAnswer),
            3 if queue => ("queue refused", Fate::Refuse("RequestThrottled")),
            3 => ("throttled", Fate::Refuse("ThrottlingException")),
            4 if queue => ("queue refused", Fate::Refuse("InternalError")),
            4 => ("capacity exceeded", Fate::Refuse("ProvisionedThroughputExceededException")),
            5 => ("server error", Fate::Refuse("InternalServerError")),
            6 | 7 if write => ("transaction conflict", Fate::Conflict),
            _ => ("slow", Fate::Slow),
        };
        *self.faults.entry(name).or_default() += 1;
        fate
    }
}

#[derive(Debug)]
struct Wire {
    cloud: Arc<Cloud>,
    environment: usize,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().expect("a body in memory");
        let body = String::from_utf8(body.to_vec()).expect("JSON");
        let cloud = Arc::clone(&self.cloud);
        HttpConnectorFuture::new(cloud.answer(self.environment, operation, body))
    }
}

/// The rows that a request writes: tables and keys.
fn written(body: &str) -> Vec<(String, Item)> {
    let request: Value = serde_json::from_str(body).expect("JSON");
    let row = |update: &Value| {
        let table = update["TableName"].as_str().expect("a table").to_owned();
        (table, update["Key"].as_object().expect("a key").clone())
    };
    match request["TransactItems"].as_array() {
        Some(items) => items.iter().map(|item| row(&item["Update"])).collect(),
        None => vec![row(&request)],
    }
}

fn rendered(answer: Result<String, DynoxideError>) -> HttpResponse {
    match answer {
        Ok(body) => ok(&body),
        Err(error) => response(error.status_code(), &error.to_json()),
    }
}

fn ok(body: &str) -> HttpResponse {
    response(200, body)
}

fn refusal(code: &str) -> HttpResponse {
    let status = if code.starts_with("Internal") { 500 } else { 400 };
    response(status, &json!({"__type": code, "message": "refused"}).to_string())
}

fn response(status: u16, body: &str) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a status");
    HttpResponse::new(status, SdkBody::from(body.to_owned()))
}

/// The tables' keys. (That they are those of the template is for other tests.)
fn tables() -> [Value; 3] {
    let table = |name: &str, keys: &[(&str, &str)]| {
        json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": keys
                .iter()
                .map(|(key, _)| json!({"AttributeName": key, "AttributeType": "S"}))
                .collect::<Vec<_>>(),
            "KeySchema": keys
                .iter()
                .map(|(key, kind)| json!({"AttributeName": key, "KeyType": kind}))
                .collect::<Vec<_>>(),
        })
    };
    let mut numbers = table(NUMBERS, &[("number", "HASH")]);
    numbers["AttributeDefinitions"] = json!([
        {"AttributeName": "number", "AttributeType": "S"},
        {"AttributeName": "pool_shard", "AttributeType": "S"},
        {"AttributeName": "available_at", "AttributeType": "N"},
    ]);
    numbers["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "available",
        "KeySchema": [
            {"AttributeName": "pool_shard", "KeyType": "HASH"},
            {"AttributeName": "available_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }]);
    [
        numbers,
        table("RoutesTable", &[("number", "HASH"), ("caller", "RANGE")]),
        table("OrdersTable", &[("order_id", "HASH")]),
    ]
}

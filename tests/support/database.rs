//! A DynamoDB of its own for each test, with the tables that the template declares:
//! a test can't pass on a schema that is not deployed. It keeps a bill of what it is
//! asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use dynoxide::{DynoxideError, ImportOptions, Item};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use yaml_rust2::{Yaml, YamlLoader};

pub use crate::rows::{Row, rows, text};

/// The tables, under their logical ids in the template.
pub const TABLES: [&str; 3] = ["NumbersTable", "RoutesTable", "OrdersTable"];

/// An embedded DynamoDB that keeps a bill.
#[expect(missing_debug_implementations, reason = "the engine has none")]
pub struct Database {
    engine: dynoxide::Database,
    bill: Mutex<Bill>,
}

/// What was asked of DynamoDB, and the units that it charges for that.
///
/// The engine tells the units of what it did: an item of a transaction counts
/// twice, an index only for what changes in it, and a moved index key twice. It
/// tells none of what it refused, which DynamoDB charges too; that is added here,
/// for items of up to 1 KB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// Requests, by operation.
    pub requests: BTreeMap<String, u64>,
    /// Read request units.
    pub read_units: f64,
    /// Write request units, those of refused writes included.
    pub write_units: f64,
    /// How many of the requests were refused, be it by a condition.
    pub refused: u64,
}

impl Bill {
    /// How often this operation was asked for.
    pub fn count(&self, operation: &str) -> u64 {
        self.requests.get(operation).copied().unwrap_or_default()
    }

    /// All requests together.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }
}

impl Database {
    /// An empty database with the tables of the template.
    pub fn new() -> Self {
        let engine = dynoxide::Database::memory().expect("SQLite opens in memory");
        let template = include_str!("../../infra/template.yaml");
        let template = YamlLoader::load_from_str(template).expect("the template is YAML");
        for table in TABLES {
            let definition = definition(template.first().expect("a document"), table);
            let definition = serde_json::from_value(definition).expect("a table definition");
            engine.create_table(definition).expect("the table can be created");
        }
        Self { engine, bill: Mutex::default() }
    }

    /// Serves it, as long as the runtime lives. Returns its endpoint.
    pub async fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let app = Router::new().route("/", post(serve)).with_state(Arc::clone(self));
        tokio::spawn(async { axum::serve(listener, app).await });
        endpoint
    }

    /// Does what a request asks for. Returns the status and the body of the answer.
    pub fn answer(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let mut request: Value = serde_json::from_slice(body).expect("JSON");
        request["ReturnConsumedCapacity"] = "TOTAL".into();
        let writes = request["TransactItems"].as_array().map(Vec::len);
        // The engine would keep every token for ten minutes and look through all of them
        // each time. They matter only where answers get lost, which they don't here.
        request.as_object_mut().expect("an object").remove("ClientRequestToken");
        let engine = &self.engine;
        let answer = match operation {
            "GetItem" => act(request, |it| engine.get_item(it)),
            "BatchGetItem" => act(request, |it| engine.batch_get_item(it)),
            "Query" => act(request, |it| engine.query(it)),
            "Scan" => act(request, |it| engine.scan(it)),
            "PutItem" => act(request, |it| engine.put_item(it)),
            "UpdateItem" => act(request, |it| engine.update_item(it)),
            "TransactWriteItems" => act(request, |it| engine.transact_write_items(it)),
            other => unreachable!("no function asks for {other}"),
        };
        let mut bill = self.bill();
        *bill.requests.entry(operation.to_owned()).or_default() += 1;
        match answer {
            Ok(mut answer) => {
                let units = answer.as_object_mut().and_then(|it| it.remove("ConsumedCapacity"));
                let units = units.map_or(0.0, |units| capacity(&units));
                if is_write(operation) {
                    bill.write_units += units;
                } else {
                    bill.read_units += units;
                }
                (200, answer.to_string())
            }
            Err(error) => {
                bill.refused += 1;
                bill.write_units += match writes {
                    Some(items) => 2.0 * u32::try_from(items).map_or(f64::NAN, f64::from),
                    None if is_write(operation) => 1.0,
                    None => 0.0,
                };
                (error.status_code(), error.to_json())
            }
        }
    }

    /// Puts rows in without a bill; the attributes as DynamoDB's JSON.
    pub fn import(&self, table: &str, rows: impl IntoIterator<Item = Value>) {
        let rows = rows.into_iter().map(|row| serde_json::from_value(row).expect("a row"));
        let rows: Vec<Item> = rows.collect();
        let imported = self.engine.import_items(table, rows, ImportOptions::default());
        imported.expect("the rows fit the table");
    }

    /// Takes the bill; the next one begins at nothing.
    pub fn take_bill(&self) -> Bill {
        std::mem::take(&mut *self.bill())
    }

    fn bill(&self) -> MutexGuard<'_, Bill> {
        self.bill.lock().expect("nobody panicked")
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

async fn serve(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, String) {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let (_, operation) = target.split_once('.').unwrap_or_default();
    let (status, body) = database.answer(operation, &body);
    (StatusCode::from_u16(status).expect("a status"), body)
}

fn act<Request: DeserializeOwned, Answer: Serialize>(
    request: Value,
    act: impl FnOnce(Request) -> Result<Answer, DynoxideError>,
) -> Result<Value, DynoxideError> {
    let request = serde_json::from_value(request).expect("a request that the database knows");
    Ok(serde_json::to_value(act(request)?).expect("JSON"))
}

fn is_write(operation: &str) -> bool {
    !["GetItem", "BatchGetItem", "Query", "Scan"].contains(&operation)
}

/// The units of an answer: of one table, or a list of several.
fn capacity(units: &Value) -> f64 {
    let tables = units.as_array().map_or(std::slice::from_ref(units), Vec::as_slice);
    tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()
}

/// CloudFormation and `CreateTable` spell these properties alike.
fn definition(template: &Yaml, table: &str) -> Value {
    let properties = &template["Resources"][table]["Properties"];
    let mut definition = Map::from_iter([("TableName".to_owned(), Value::from(table))]);
    for name in ["AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"] {
        let property = json(&properties[name]);
        if !property.is_null() {
            definition.insert(name.to_owned(), property);
        }
    }
    definition.into()
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(value) => Value::from(*value),
        Yaml::Array(values) => values.iter().map(json).collect(),
        Yaml::Hash(fields) => fields
            .iter()
            .map(|(name, value)| (name.as_str().expect("a name").to_owned(), json(value)))
            .collect::<Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}

/// A client of the database at that endpoint; it gives up at once when there is none.
pub fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(endpoint)
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

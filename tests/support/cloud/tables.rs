//! An embedded DynamoDB for each test, with the tables that the template declares: a test
//! can not pass on a schema that is not deployed. It counts requests and units.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use dynoxide::{Database, DynoxideError, ImportOptions, Item};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use super::Reply;
use crate::rows::Row;

/// The tables, under their logical ids in the template.
pub const TABLES: [&str; 3] = ["NumbersTable", "RoutesTable", "OrdersTable"];

/// The `CreateTable` request of each of [`TABLES`].
static DEFINITIONS: LazyLock<[Value; 3]> = LazyLock::new(|| {
    let template = include_str!("../../../infra/template.yaml");
    let template = YamlLoader::load_from_str(template).expect("the template is YAML");
    TABLES.map(|table| definition(template.first().expect("a document"), table))
});

pub struct Tables {
    engine: Database,
    keeps_tokens: bool,
    bill: Mutex<Bill>,
}

/// The requests to DynamoDB, and the units that it charges for them.
///
/// The engine reports the units of successful requests: an item of a transaction counts
/// twice, an index only for what changes in it, and a moved index key twice. It reports
/// none for refused requests, which DynamoDB charges too. Those are added here, for items
/// of up to 1 KB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// Requests, by operation.
    pub requests: BTreeMap<String, u64>,
    pub read_units: f64,
    /// Includes those of refused writes.
    pub write_units: f64,
    /// How many requests were refused. A condition that fails refuses a request too.
    pub refused: u64,
}

impl Bill {
    pub fn count(&self, operation: &str) -> u64 {
        self.requests.get(operation).copied().unwrap_or_default()
    }

    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    pub fn add(&mut self, other: &Self) {
        for (operation, count) in &other.requests {
            *self.requests.entry(operation.clone()).or_default() += count;
        }
        self.read_units += other.read_units;
        self.write_units += other.write_units;
        self.refused += other.refused;
    }
}

impl Tables {
    pub fn from_template() -> Self {
        let engine = Database::memory().expect("SQLite opens in memory");
        for definition in &*DEFINITIONS {
            let definition = serde_json::from_value(definition.clone());
            let created = engine.create_table(definition.expect("a table definition"));
            created.expect("the table can be created");
        }
        Self { engine, keeps_tokens: false, bill: Mutex::default() }
    }

    /// The same, with idempotent transactions: a repeated client request token writes nothing.
    /// The engine keeps every token for ten minutes and searches all of them each time, so
    /// use this only where answers get lost.
    pub fn with_tokens() -> Self {
        Self { keeps_tokens: true, ..Self::from_template() }
    }

    pub(super) fn answer(&self, operation: &str, mut request: Value) -> Reply {
        let fields = request.as_object_mut().expect("an object");
        fields.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
        if !self.keeps_tokens {
            fields.remove("ClientRequestToken");
        }
        let writes = request["TransactItems"].as_array().map(Vec::len);
        let answer = self.act(operation, request);
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
                Reply::done(answer.to_string())
            }
            Err(error) => {
                bill.refused += 1;
                bill.write_units += match writes {
                    Some(items) => 2.0 * u32::try_from(items).map_or(f64::NAN, f64::from),
                    None if is_write(operation) => 1.0,
                    None => 0.0,
                };
                Reply { status: error.status_code(), body: error.to_json() }
            }
        }
    }

    fn act(&self, operation: &str, request: Value) -> Result<Value, DynoxideError> {
        let engine = &self.engine;
        match operation {
            "GetItem" => act(request, |it| engine.get_item(it)),
            "BatchGetItem" => act(request, |it| engine.batch_get_item(it)),
            "Query" => act(request, |it| engine.query(it)),
            "Scan" => act(request, |it| engine.scan(it)),
            "PutItem" => act(request, |it| engine.put_item(it)),
            "UpdateItem" => act(request, |it| engine.update_item(it)),
            "TransactWriteItems" => act(request, |it| engine.transact_write_items(it)),
            other => unreachable!("no function asks a table for {other}"),
        }
    }

    /// A row. The bill does not count it.
    pub fn row(&self, table: &str, key: &Value) -> Option<Row> {
        let answer = self.act("GetItem", json!({"TableName": table, "Key": key}));
        match answer.expect("the table can be read")["Item"].take() {
            Value::Object(row) => Some(row),
            _ => None,
        }
    }

    /// All rows of a table. The bill does not count them.
    pub fn rows(&self, table: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut request = json!({ "TableName": table });
        loop {
            let page = self.act("Scan", request.clone()).expect("the table can be read");
            let items = page["Items"].as_array().into_iter().flatten();
            rows.extend(items.filter_map(|item| item.as_object().cloned()));
            match page.get("LastEvaluatedKey") {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => return rows,
            }
        }
    }

    /// Adds rows. The bill does not count them.
    pub fn import(&self, table: &str, rows: impl IntoIterator<Item = Value>) {
        let rows = rows.into_iter().map(|row| serde_json::from_value(row).expect("a row"));
        let rows: Vec<Item> = rows.collect();
        let imported = self.engine.import_items(table, rows, ImportOptions::default());
        imported.expect("the rows fit the table");
    }

    /// Returns the bill, and starts a new one.
    pub fn take_bill(&self) -> Bill {
        std::mem::take(&mut *self.bill())
    }

    fn bill(&self) -> MutexGuard<'_, Bill> {
        self.bill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("bill", &self.bill).finish_non_exhaustive()
    }
}

fn act<Request: DeserializeOwned, Answer: Serialize>(
    request: Value,
    act: impl FnOnce(Request) -> Result<Answer, DynoxideError>,
) -> Result<Value, DynoxideError> {
    let request = serde_json::from_value(request).expect("a request that the database knows");
    Ok(serde_json::to_value(act(request)?).expect("JSON"))
}

pub(super) fn is_write(operation: &str) -> bool {
    !["GetItem", "BatchGetItem", "Query", "Scan"].contains(&operation)
}

/// The units in an answer, which has one table or a list of them.
fn capacity(units: &Value) -> f64 {
    let tables = units.as_array().map_or(std::slice::from_ref(units), Vec::as_slice);
    tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum()
}

/// CloudFormation and `CreateTable` have the same names for these properties.
fn definition(template: &Yaml, table: &str) -> Value {
    let properties = &template["Resources"][table]["Properties"];
    let mut definition = Map::from_iter([("TableName".to_owned(), Value::from(table))]);
    for name in ["AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"] {
        let property = to_json(&properties[name]);
        if !property.is_null() {
            definition.insert(name.to_owned(), property);
        }
    }
    definition.into()
}

fn to_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(value) => Value::from(*value),
        Yaml::Array(values) => values.iter().map(to_json).collect(),
        Yaml::Hash(fields) => fields
            .iter()
            .map(|(name, value)| (name.as_str().expect("a name").to_owned(), to_json(value)))
            .collect::<Map<_, _>>()
            .into(),
        _ => Value::Null,
    }
}

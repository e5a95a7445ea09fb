//! A DynamoDB of its own for each test, with the tables that the template declares:
//! a test can't pass on a schema that is not deployed.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use yaml_rust2::{Yaml, YamlLoader};

pub use crate::rows::{Row, rows, text};

/// The tables, under their logical ids in the template.
pub const TABLES: [&str; 3] = ["NumbersTable", "RoutesTable", "OrdersTable"];

/// Starts a database and returns its endpoint.
pub async fn start() -> String {
    let database = Database::memory().expect("SQLite opens in memory");
    let template = include_str!("../../infra/template.yaml");
    let template = YamlLoader::load_from_str(template).expect("the template is YAML");
    for table in TABLES {
        let definition = definition(template.first().expect("a document"), table);
        let definition = serde_json::from_value(definition).expect("a table definition");
        database.create_table(definition).expect("the table can be created");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    format!("http://{address}")
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

//! A plain function behind an HTTP API: one strongly consistent `GetItem`, without signatures,
//! secrets, hashes and rules.
//!
//! `make bench` compares resolve-call with it, so both have the same profile, SDK features, TLS
//! library and timeouts, and send a first `GetItem` while they start.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let client = client().await;
    let table = table()?;
    let _ = get(&client, &table, "-", "-").send().await;

    run(service_fn(async |event: LambdaEvent<Value>| {
        let request = event.payload.get("body").and_then(Value::as_str).unwrap_or("null");
        let request: Value = serde_json::from_str(request)?;
        let field = |name| request.get(name).and_then(Value::as_str).ok_or(format!("no {name}"));
        let answer =
            get(&client, &table, field("called")?, field("caller")?).consistent_read(true).send();
        let item = answer.await?.item.unwrap_or_default();
        let connect_to = item.get("connect_to").and_then(|it| it.as_s().ok());
        let body = json!({ "connect_to": connect_to }).to_string();
        Ok::<_, Error>(json!({"statusCode": 200, "body": body}))
    }))
    .await
}

#[expect(clippy::disallowed_methods, reason = "it has no library to be tested as")]
fn table() -> Result<String, std::env::VarError> {
    std::env::var("ROUTES_TABLE")
}

fn get(client: &Client, table: &str, number: &str, caller: &str) -> GetItemFluentBuilder {
    client
        .get_item()
        .table_name(table)
        .key("number", AttributeValue::S(number.to_owned()))
        .key("caller", AttributeValue::S(caller.to_owned()))
}

async fn client() -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(Duration::from_millis(600))
        .operation_timeout(Duration::from_millis(1900))
        .build();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
        .load()
        .await;
    Client::new(&config)
}

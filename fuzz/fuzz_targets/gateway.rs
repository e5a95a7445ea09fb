//! Fuzzes whole events of the HTTP API, and any text in place of one: each is answered, and
//! never with a 5xx but the 503 of a secret that can't be read. (The clients have no HTTP
//! client, so neither a secret nor a table can.)
#![no_main]

use std::sync::LazyLock;

use aws_sdk_dynamodb::config::BehaviorVersion;
use journal::Journal;
use lambda_support::Clock;
use libfuzzer_sys::fuzz_target;
use resolve_call::{ResolveCall, Settings};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

static FUNCTION: LazyLock<(Runtime, ResolveCall)> = LazyLock::new(|| {
    let lookup = |name: &str| match name {
        "ROUTES_TABLE" | "SERVICE_SECRET_ARN" | "PROVIDER_SECRET_ARN" => Some(name.to_owned()),
        _ => None,
    };
    let dynamodb = aws_sdk_dynamodb::Config::builder();
    let secrets = aws_sdk_secretsmanager::Config::builder();
    let version = BehaviorVersion::v2026_01_12();
    let function = ResolveCall::new(
        Settings::read(lookup).unwrap(),
        aws_sdk_dynamodb::Client::from_conf(dynamodb.behavior_version(version).build()),
        aws_sdk_secretsmanager::Client::from_conf(secrets.behavior_version(version).build()),
        Clock::new(|| 1_795_420_800),
        Journal::new("masking", std::io::sink),
    );
    (Builder::new_current_thread().enable_all().build().unwrap(), function)
});

fuzz_target!(|given: (&str, &str, &str, &str, &str, bool)| {
    let (path, query, name, value, body, base64) = given;
    let (runtime, function) = &*FUNCTION;
    let any_path = format!("/{path}");
    for path in ["/calls/resolve", "/calls/twilio", "/calls/exotel/x", &any_path] {
        for method in ["POST", "GET"] {
            let event = json!({
                "version": "2.0", "rawPath": path, "rawQueryString": query, "body": body,
                "headers": {name: value, "x-forwarded-proto": value, "host": name},
                "isBase64Encoded": base64,
                "requestContext": {"domainName": value, "http": {"method": method, "path": path}},
            });
            let response = runtime.block_on(function.handle(&event.to_string()));
            assert!(response.status_code < 500 || response.status_code == 503);
        }
    }
    let _ = runtime.block_on(function.handle(body));
});

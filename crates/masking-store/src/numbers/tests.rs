//! Tests of keys that DynamoDB leaves unprocessed. The embedded DynamoDB of the integration
//! tests never leaves any.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;

use super::*;

/// A DynamoDB that answers with one row, and leaves a key unprocessed in its first
/// `busy_for` answers.
#[derive(Debug)]
struct Busy {
    answers: Arc<AtomicU32>,
    busy_for: u32,
}

impl HttpConnector for Busy {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let rest = if self.answers.fetch_add(1, Ordering::SeqCst) < self.busy_for {
            r#"{"numbers":{"Keys":[{"number":{"S":"+622150002"}}]}}"#
        } else {
            "{}"
        };
        let body = format!(
            r#"{{"Responses":{{"numbers":[{{"number":{{"S":"+622150001"}},"pool":{{"S":"a"}},"available_at":{{"N":"1"}}}}]}},
                "UnprocessedKeys":{rest}}}"#
        );
        let status = StatusCode::try_from(200).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
    }
}

/// Reads rows from a table that is busy for `busy_for` answers. Returns the number of rows,
/// and the number of answers.
async fn read(busy_for: u32) -> (Result<usize, String>, u32) {
    let answers = Arc::new(AtomicU32::new(0));
    let connector = SharedHttpConnector::new(Busy { answers: Arc::clone(&answers), busy_for });
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    let numbers = Numbers::new(Client::from_conf(config), "numbers");
    let rows = numbers.rows(&["+622150001".parse().unwrap()]).await;
    let rows = rows.map(|rows| rows.len()).map_err(|error| error.to_string());
    (rows, answers.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn unprocessed_keys_are_requested_again_after_a_pause() {
    let began = tokio::time::Instant::now();
    assert_eq!(read(0).await, (Ok(1), 1));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(read(2).await, (Ok(3), 3));
    assert_eq!(began.elapsed(), Duration::from_millis(50 + 100));
}

#[tokio::test(start_paused = true)]
async fn keys_that_stay_unprocessed_are_given_up_after_five_requests() {
    assert_eq!(read(4).await, (Ok(5), 5));
    let given_up = Err("BatchGetItem on Numbers failed: UnprocessedKeys".to_owned());
    assert_eq!(read(5).await, (given_up, 5));
}

//! The parts of AWS that the handlers send to, in the test's own process: it takes
//! messages, keeps secrets, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Queues and secrets, served until the test ends.
#[derive(Clone, Debug)]
pub struct FakeAws {
    endpoint: String,
    state: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    messages: Vec<Message>,
    waits: Vec<u64>,
    secrets: HashMap<String, Option<String>>,
    refusing: Vec<String>,
}

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue's URL.
    pub queue: String,
    /// The body.
    pub body: String,
    /// The message attribute `reason`.
    pub reason: Option<String>,
    /// The message group.
    pub group: Option<String>,
    /// The deduplication id.
    pub deduplication_id: Option<String>,
}

impl FakeAws {
    /// Starts to serve.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(Recorded::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let app = Router::new().route("/", post(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { endpoint, state }
    }

    /// A client of the queues.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::from_conf(
            aws_sdk_sqs::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
                .endpoint_url(&self.endpoint)
                .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    }

    /// A client of the secrets.
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::from_conf(
            aws_sdk_secretsmanager::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
                .endpoint_url(&self.endpoint)
                .retry_config(aws_sdk_secretsmanager::config::retry::RetryConfig::disabled())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    }

    /// Sets a secret; without a text, it can't be read.
    pub fn given_secret(&self, name: &str, text: Option<String>) {
        self.lock().secrets.insert(name.to_owned(), text);
    }

    /// Makes a queue refuse what is sent to it, or take it again.
    pub fn given_queue_refuses(&self, queue: &str, refuses: bool) {
        let refusing = &mut self.lock().refusing;
        refusing.retain(|other| other != queue);
        if refuses {
            refusing.push(queue.to_owned());
        }
    }

    /// Takes the messages that were sent to a queue.
    pub fn take_messages(&self, queue: &str) -> Vec<Message> {
        let messages = &mut self.lock().messages;
        let (taken, rest) = std::mem::take(messages).into_iter().partition(|it| it.queue == queue);
        *messages = rest;
        taken
    }

    /// Takes the visibility timeouts that were set, in seconds.
    pub fn take_waits(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().waits)
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.state.lock().expect("nobody panicked")
    }
}

async fn answer(
    State(state): State<Arc<Mutex<Recorded>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut state = state.lock().expect("nobody panicked");
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let queue = text(&request["QueueUrl"]).unwrap_or_default();
    match target {
        "AmazonSQS.SendMessage" if state.refusing.contains(&queue) => refusal("RequestThrottled"),
        "AmazonSQS.SendMessage" => {
            let attributes = &request["MessageAttributes"];
            state.messages.push(Message {
                queue,
                body: text(&request["MessageBody"]).expect("a body"),
                reason: text(&attributes["reason"]["StringValue"]),
                group: text(&request["MessageGroupId"]),
                deduplication_id: text(&request["MessageDeduplicationId"]),
            });
            (StatusCode::OK, json!({"MessageId": "1", "MD5OfMessageBody": ""}).to_string())
        }
        "AmazonSQS.ChangeMessageVisibility" => {
            state.waits.push(request["VisibilityTimeout"].as_u64().expect("seconds"));
            (StatusCode::OK, "{}".to_owned())
        }
        "secretsmanager.GetSecretValue" => {
            let name = text(&request["SecretId"]).unwrap_or_default();
            match state.secrets.get(&name).cloned().flatten() {
                Some(text) => (StatusCode::OK, json!({"SecretString": text}).to_string()),
                None => refusal("ResourceNotFoundException"),
            }
        }
        _ => refusal("UnknownOperationException"),
    }
}

fn refusal(code: &str) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, json!({"__type": code, "message": "refused"}).to_string())
}

//! The four functions, made from clients, pools and a clock (the only place that does so
//! beside each `main.rs`), and the settings that all tests give them.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use assign_numbers::AssignNumbers;
use aws_lambda_events::sqs::SqsEvent;
use lambda_support::Clock;
use refill_pool::RefillPool;
use release_numbers::ReleaseNumbers;
use resolve_call::ResolveCall;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::events::Queue;
use crate::wire::Clients;

/// The name of the secret with the key of the phone hashes.
pub const SERVICE_SECRET: &str = "service-secret";
/// The name of the secret with the providers' credentials.
pub const PROVIDER_SECRET: &str = "provider-secret";
/// The queue of announcements.
pub const NUMBER_EVENTS: &str = "http://queues/number-events";
pub const REFILL: &str = "http://queues/refill.fifo";

/// The queue of events that wait for a dry pool.
pub const WAITING: &str = "http://queues/waiting";

/// The dead-letter queue of a queue.
pub fn dead_letters(queue: Queue) -> &'static str {
    match queue {
        Queue::Assign | Queue::Waiting => "http://queues/assign-dead-letters",
        Queue::Release => "http://queues/release-dead-letters",
        Queue::Refill => "http://queues/refill-dead-letters.fifo",
    }
}

/// The environment of the function of a queue, as the template sets it. It has the variables
/// of resolve-call too.
pub fn variables(queue: Queue, pools: &Value) -> Vec<(&'static str, String)> {
    let queue_url = match queue {
        Queue::Assign | Queue::Waiting => "http://queues/assign",
        Queue::Release => "http://queues/release",
        Queue::Refill => REFILL,
    };
    let fixed = [
        ("NUMBERS_TABLE", "NumbersTable"),
        ("ROUTES_TABLE", "RoutesTable"),
        ("ORDERS_TABLE", "OrdersTable"),
        ("SERVICE_SECRET_ARN", SERVICE_SECRET),
        ("PROVIDER_SECRET_ARN", PROVIDER_SECRET),
        ("QUEUE_URL", queue_url),
        ("DEAD_LETTER_QUEUE_URL", dead_letters(queue)),
        ("WAITING_QUEUE_URL", WAITING),
        ("REFILL_QUEUE_URL", REFILL),
        ("NUMBER_EVENTS_QUEUE_URL", NUMBER_EVENTS),
        ("STACK_NAME", "masking"),
        ("API_URL", "https://calls.example.com"),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    fixed.into_iter().chain([("POOLS", pools.to_string())]).collect()
}

/// Sets both secrets of a cloud.
pub fn given_secrets(cloud: &Cloud, provider_secret: &Value) {
    cloud.secrets.given(SERVICE_SECRET, Some(service_secret().to_string()));
    cloud.secrets.given(PROVIDER_SECRET, Some(provider_secret.to_string()));
}

pub fn service_secret() -> Value {
    json!({"caller_key": "k".repeat(64)})
}

/// The HTTP client for providers. Made once, since it reads the machine's certificates.
static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| providers::client().expect("a client"));

#[derive(Debug)]
pub struct Functions {
    assign: AssignNumbers,
    release: ReleaseNumbers,
    refill: RefillPool,
    resolve: ResolveCall,
}

impl Functions {
    /// New functions, as after a deployment.
    pub fn on(clients: &Clients, pools: &Value, clock: &Clock) -> Self {
        let Clients { dynamodb, sqs, secrets } = clients.clone();
        let of = |queue| {
            let variables = variables(queue, pools);
            move |name: &str| {
                let variable = variables.iter().find(|variable| variable.0 == name);
                variable.map(|variable| variable.1.clone())
            }
        };
        let assign = assign_numbers::Settings::read(of(Queue::Assign)).expect("all settings");
        let release = release_numbers::Settings::read(of(Queue::Release)).expect("all settings");
        let refill = refill_pool::Settings::read(of(Queue::Refill)).expect("all settings");
        let resolve = resolve_call::Settings::read(of(Queue::Assign)).expect("all settings");
        Self {
            assign: AssignNumbers::new(
                assign,
                dynamodb.clone(),
                sqs.clone(),
                secrets.clone(),
                clock.clone(),
            ),
            release: ReleaseNumbers::new(release, dynamodb.clone(), sqs.clone(), clock.clone()),
            refill: RefillPool::new(
                refill,
                dynamodb.clone(),
                sqs,
                secrets.clone(),
                HTTP.clone(),
                clock.clone(),
            ),
            resolve: ResolveCall::new(resolve, dynamodb, secrets, clock.clone()),
        }
    }

    /// Hands a batch to the function of a queue. `time` is what is left until Lambda's
    /// deadline. Returns the ids of the messages that SQS must deliver again.
    pub async fn receive(&self, queue: Queue, batch: Value, time: Duration) -> BTreeSet<String> {
        let batch: SqsEvent = serde_json::from_value(batch).expect("an SQS event");
        let response = match queue {
            // Boxed, since the compiler limits how deep futures may be nested.
            Queue::Assign | Queue::Waiting => Box::pin(self.assign.handle(batch)).await,
            Queue::Release => self.release.handle(batch).await,
            Queue::Refill => self.refill.handle(batch, Instant::now() + time).await,
        };
        response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
    }

    /// Hands an event of the HTTP API to resolve-call. Returns the status and the body.
    pub async fn call(&self, event: &Value) -> (u16, String) {
        let request = lambda_http::request::from_str(&event.to_string()).expect("a request");
        let (parts, body) = self.resolve.handle(request).await.into_parts();
        (parts.status.as_u16(), String::from_utf8(body.to_vec()).expect("text"))
    }
}

//! The functions of a stack, made from clients, pools and a clock (the only place that does so
//! beside each `main.rs`), and the settings that all tests give them.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use assign_numbers::AssignNumbers;
use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::sqs::SqsEvent;
use forward_events::{ForwardEvents, KafkaEvent, NotForwarded};
use lambda_support::Clock;
use providers::Transport;
use refill_pool::RefillPool;
use release_numbers::ReleaseNumbers;
use report_call::ReportCall;
use resolve_call::ResolveCall;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::alarms::resources;
use crate::cloud::Cloud;
use crate::events::Queue;
use crate::logs::journal;
use crate::wire::Clients;

/// The name of the secret with the key of the phone hashes.
pub const SERVICE_SECRET: &str = "service-secret";
/// The name of the secret with what proves the providers' requests.
pub const PROVIDER_SECRET: &str = "provider-secret";
/// The name of the secret with the accounts that rent numbers.
pub const RENTAL_SECRET: &str = "rental-secret";
/// The queue of announcements.
pub const NUMBER_EVENTS: &str = "http://queues/number-events";
/// The queue of calls that ended.
pub const CALL_EVENTS: &str = "http://queues/call-events";
pub const REFILL: &str = "http://queues/refill.fifo";

/// The queue of events that wait for a dry pool.
pub const WAITING: &str = "http://queues/waiting";

/// The dead-letter queue of records that could not be carried.
pub const FORWARD_DEAD_LETTERS: &str = "http://queues/forward-dead-letters";

/// The namespace of the metrics, which every function gets.
const NAMESPACE: (&str, &str) = (journal::NAMESPACE, "masking");

/// The dead-letter queue of a queue.
pub fn dead_letters(queue: Queue) -> &'static str {
    match queue {
        Queue::Assign | Queue::Waiting => "http://queues/assign-dead-letters",
        Queue::Release => "http://queues/release-dead-letters",
        Queue::Refill => "http://queues/refill-dead-letters.fifo",
    }
}

/// The URL of the queue that a function receives messages from.
pub fn url(queue: Queue) -> &'static str {
    match queue {
        Queue::Assign | Queue::Waiting => "http://queues/assign",
        Queue::Release => "http://queues/release",
        Queue::Refill => REFILL,
    }
}

/// The environment of the function of a queue, as the template sets it. It has the variables
/// of resolve-call too.
pub fn variables(queue: Queue, pools: &Value) -> Vec<(&'static str, String)> {
    let fixed = [
        ("NUMBERS_TABLE", "NumbersTable"),
        ("ROUTES_TABLE", "RoutesTable"),
        ("ORDERS_TABLE", "OrdersTable"),
        ("SERVICE_SECRET_ARN", SERVICE_SECRET),
        ("PROVIDER_SECRET_ARN", PROVIDER_SECRET),
        ("RENTAL_SECRET_ARN", RENTAL_SECRET),
        ("QUEUE_URL", url(queue)),
        ("DEAD_LETTER_QUEUE_URL", dead_letters(queue)),
        ("WAITING_QUEUE_URL", WAITING),
        ("REFILL_QUEUE_URL", REFILL),
        ("NUMBER_EVENTS_QUEUE_URL", NUMBER_EVENTS),
        ("CALL_EVENTS_QUEUE_URL", CALL_EVENTS),
        ("STACK_NAME", "masking"),
        NAMESPACE,
        ("API_URL", "https://calls.example.com"),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    fixed.into_iter().chain([("POOLS", pools.to_string())]).collect()
}

/// The environment of forward-events, as the template sets it.
pub fn forward_variables() -> Vec<(&'static str, String)> {
    let variables = [
        ("ASSIGN_QUEUE_URL", url(Queue::Assign)),
        ("RELEASE_QUEUE_URL", url(Queue::Release)),
        ("DEAD_LETTER_QUEUE_URL", FORWARD_DEAD_LETTERS),
        NAMESPACE,
    ];
    variables.map(|(name, url)| (name, url.to_owned())).into()
}

/// Sets the secrets of a cloud. Nothing can be rented.
pub fn given_secrets(cloud: &Cloud, provider_secret: &Value) {
    cloud.secrets.given(SERVICE_SECRET, Some(service_secret().to_string()));
    cloud.secrets.given(PROVIDER_SECRET, Some(provider_secret.to_string()));
    cloud.secrets.given(RENTAL_SECRET, Some("{}".to_owned()));
}

pub fn service_secret() -> Value {
    json!({"caller_key": "k".repeat(64)})
}

/// The way to providers. Made once, since it reads the machine's certificates.
static NETWORK: LazyLock<Transport> =
    LazyLock::new(|| Transport::network().expect("an HTTP client"));

/// The names of the variables that the template gives to a function.
fn given_by_the_template(function: &str) -> BTreeSet<&'static str> {
    let mut functions = resources("AWS::Serverless::Function");
    let (_, resource) = functions.find(|(name, _)| *name == function).expect("a function");
    let variables = &resource["Properties"]["Environment"]["Variables"];
    let variables = variables.as_hash().expect("it has variables");
    variables.keys().filter_map(|name| name.as_str()).collect()
}

#[derive(Debug)]
pub struct Functions {
    assign: AssignNumbers,
    release: ReleaseNumbers,
    refill: RefillPool,
    resolve: ResolveCall,
    report: ReportCall,
    forward: ForwardEvents,
}

impl Functions {
    /// New functions, as after a deployment.
    pub fn on(clients: &Clients, pools: &Value, clock: &Clock) -> Self {
        Self::with(clients, pools, clock, &[])
    }

    /// The same, with more variables in their environment, which go before the usual ones.
    pub fn with(
        clients: &Clients,
        pools: &Value,
        clock: &Clock,
        more: &[(&'static str, &str)],
    ) -> Self {
        Self::reaching(NETWORK.clone(), clients, pools, clock, more)
    }

    /// The same, reaching providers by `transport`.
    pub fn reaching(
        transport: Transport,
        clients: &Clients,
        pools: &Value,
        clock: &Clock,
        more: &[(&'static str, &str)],
    ) -> Self {
        let Clients { dynamodb, sqs, secrets } = clients.clone();
        let of = |function, queue| {
            let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let variables: Vec<_> = more.chain(variables(queue, pools)).collect();
            // A function gets nothing that the template does not give it.
            let given = given_by_the_template(function);
            move |name: &str| {
                let variable = variables.iter().find(|variable| variable.0 == name);
                variable.filter(|_| given.contains(name)).map(|variable| variable.1.clone())
            }
        };
        let assign = assign_numbers::Settings::read(of("AssignNumbers", Queue::Assign))
            .expect("all settings");
        let release = release_numbers::Settings::read(of("ReleaseNumbers", Queue::Release))
            .expect("all settings");
        let refill =
            refill_pool::Settings::read(of("RefillPool", Queue::Refill)).expect("all settings");
        let resolve =
            resolve_call::Settings::read(of("ResolveCall", Queue::Assign)).expect("all settings");
        let report =
            report_call::Settings::read(of("ReportCall", Queue::Assign)).expect("all settings");
        let forward = forward_events::Settings::read(|name| {
            let variable = forward_variables().into_iter().find(|variable| variable.0 == name)?;
            given_by_the_template("ForwardEvents").contains(name).then_some(variable.1)
        });
        Self {
            report: ReportCall::new(
                report,
                dynamodb.clone(),
                sqs.clone(),
                secrets.clone(),
                clock.clone(),
                journal(),
            ),
            forward: ForwardEvents::new(
                forward.expect("all settings"),
                sqs.clone(),
                clock.clone(),
                journal(),
            ),
            assign: AssignNumbers::new(
                assign,
                dynamodb.clone(),
                sqs.clone(),
                secrets.clone(),
                clock.clone(),
                journal(),
            ),
            release: ReleaseNumbers::new(
                release,
                dynamodb.clone(),
                sqs.clone(),
                clock.clone(),
                journal(),
            ),
            refill: RefillPool::new(
                refill,
                dynamodb.clone(),
                sqs,
                secrets.clone(),
                transport,
                clock.clone(),
                journal(),
            ),
            resolve: ResolveCall::new(resolve, dynamodb, secrets, clock.clone(), journal()),
        }
    }

    /// Hands a batch to the function of a queue. `time` is what is left until Lambda's
    /// deadline. Returns the ids of the messages that SQS must deliver again.
    pub async fn receive(&self, queue: Queue, batch: Value, time: Duration) -> BTreeSet<String> {
        let batch: SqsEvent = serde_json::from_value(batch).expect("an SQS event");
        // Boxed, since the compiler follows nested futures only so deep.
        let response = match queue {
            Queue::Assign | Queue::Waiting => Box::pin(self.assign.handle(batch)).await,
            Queue::Release => Box::pin(self.release.handle(batch)).await,
            Queue::Refill => Box::pin(self.refill.handle(batch, Instant::now() + time)).await,
        };
        response.batch_item_failures.into_iter().map(|it| it.item_identifier).collect()
    }

    /// Hands a batch of a topic's records to forward-events.
    ///
    /// # Errors
    ///
    /// The batch has to come again.
    pub async fn forward(&self, event: Value) -> Result<(), NotForwarded> {
        let event: KafkaEvent = serde_json::from_value(event).expect("an event of Kafka");
        Box::pin(self.forward.handle(event)).await
    }

    /// Hands an event of the HTTP API to resolve-call. Returns the status and the body.
    pub async fn call(&self, event: &Value) -> (u16, String) {
        self.call_raw(&event.to_string()).await
    }

    /// The same with any text in place of the event.
    pub async fn call_raw(&self, event: &str) -> (u16, String) {
        answer_of(&Box::pin(self.resolve.handle(event)).await)
    }

    /// Hands an event of the HTTP API to report-call, or any text in place of one.
    pub async fn report(&self, event: &str) -> (u16, String) {
        answer_of(&Box::pin(self.report.handle(event)).await)
    }
}

/// The status and the body of an answer.
fn answer_of(response: &ApiGatewayV2httpResponse) -> (u16, String) {
    let status = u16::try_from(response.status_code).expect("a status");
    let body = response.body.as_deref().unwrap_or_default().to_vec();
    (status, String::from_utf8(body).expect("text"))
}

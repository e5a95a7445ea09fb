//! A Lambda environment: the four real functions on real SDK clients, over the
//! cloud's connector. It may die; another one is made then.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use assign_numbers::AssignNumbers;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_async::rt::sleep::TokioSleep;
use lambda_support::Clock;
use masking::Pools;
use masking_store::TableNames;
use refill_pool::RefillPool;
use release_numbers::ReleaseNumbers;
use resolve_call::ResolveCall;

use crate::cloud::Cloud;

/// The four functions.
pub(crate) struct Environment {
    pub(crate) assign: AssignNumbers,
    pub(crate) release: ReleaseNumbers,
    pub(crate) refill: RefillPool,
    pub(crate) resolve: ResolveCall,
}

/// The client of the providers, of whom there are none here. Made once: it reads
/// the machine's certificates.
static HTTP: OnceLock<reqwest::Client> = OnceLock::new();

/// Builds the configuration of a service's client, as the functions set theirs up.
macro_rules! config {
    ($service:ident, $http:expr) => {
        $service::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "simulation"))
            .endpoint_url("http://cloud")
            .http_client($http.clone())
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_secs(1))
                    .operation_timeout(Duration::from_secs(3))
                    .build(),
            )
            .build()
    };
}

impl Environment {
    /// Starts one. `now` tells the time in seconds.
    pub(crate) fn start(
        cloud: &Arc<Cloud>,
        number: usize,
        pools: &Pools,
        now: &Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Self {
        let http = cloud.client(number);
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, http));
        let sqs = aws_sdk_sqs::Client::from_conf(config!(aws_sdk_sqs, http));
        let secrets =
            aws_sdk_secretsmanager::Client::from_conf(config!(aws_sdk_secretsmanager, http));
        let clock = Clock::new({
            let now = Arc::clone(now);
            move || now()
        });
        let tables = TableNames {
            orders: "OrdersTable".to_owned(),
            numbers: "NumbersTable".to_owned(),
            routes: "RoutesTable".to_owned(),
        };
        let queue_url = || "http://queues/own".to_owned();
        let dead_letter_queue_url = || "http://queues/dead-letters".to_owned();
        let number_events_queue_url = || "http://queues/number-events".to_owned();
        let assign = assign_numbers::Settings {
            pools: pools.clone(),
            tables: tables.clone(),
            service_secret: "service-secret".to_owned(),
            queue_url: queue_url(),
            dead_letter_queue_url: dead_letter_queue_url(),
            number_events_queue_url: number_events_queue_url(),
            refill_queue_url: "http://queues/refill".to_owned(),
        };
        let release = release_numbers::Settings {
            tables,
            queue_url: queue_url(),
            dead_letter_queue_url: dead_letter_queue_url(),
            number_events_queue_url: number_events_queue_url(),
        };
        let refill = refill_pool::Settings {
            pools: pools.clone(),
            numbers_table: "NumbersTable".to_owned(),
            provider_secret: "provider-secret".to_owned(),
            queue_url: "http://queues/refill".to_owned(),
            dead_letter_queue_url: dead_letter_queue_url(),
            stack_name: "simulation".to_owned(),
            public_base_url: "https://calls.example.com".to_owned(),
        };
        let resolve = resolve_call::Settings {
            routes_table: "RoutesTable".to_owned(),
            service_secret: "service-secret".to_owned(),
            provider_secret: "provider-secret".to_owned(),
            public_base_url: None,
        };
        let client = HTTP.get_or_init(|| carriers::client().expect("a client")).clone();
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
                client,
                clock.clone(),
            ),
            resolve: ResolveCall::new(resolve, dynamodb, secrets, clock),
        }
    }
}

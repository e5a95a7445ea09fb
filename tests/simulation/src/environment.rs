//! A Lambda environment: the four real functions on real SDK clients, over the
//! cloud's connector. It may die; another one is made then.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use assign_numbers::{AssignNumbers, LowWater, Rosters};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_async::rt::sleep::TokioSleep;
use carriers::ProviderSecret;
use lambda_support::Secret;
use lambda_support::sqs::Consumed;
use masking::{CallerKey, Pools, Timestamp};
use masking_store::{Numbers, Orders, Routes, TableNames};
use order_events::Intake;
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
        let numbers = Numbers::new(dynamodb.clone(), "NumbersTable");
        let tables = TableNames {
            orders: "OrdersTable".to_owned(),
            numbers: "NumbersTable".to_owned(),
            routes: "RoutesTable".to_owned(),
        };
        let orders = Orders::new(dynamodb.clone(), tables);
        let queue =
            || Consumed::new(sqs.clone(), "http://queues/own", "http://queues/dead-letters");
        let intake = || Intake::new(queue(), sqs.clone(), "http://queues/number-events");
        let clock = || {
            let now = Arc::clone(now);
            Box::new(move || Timestamp::from_seconds(now()))
        };
        let caller_key = || {
            Secret::new(secrets.clone(), "service-secret", |_, text| {
                CallerKey::parse(text).map_err(|error| error.to_string())
            })
        };
        let providers = || {
            let secrets = secrets.clone();
            Secret::new(secrets, "provider-secret", |last, text| {
                Ok(ProviderSecret::read(last, text))
            })
        };
        Self {
            assign: AssignNumbers {
                pools: pools.clone(),
                numbers: numbers.clone(),
                rosters: Rosters::default(),
                orders: orders.clone(),
                caller_key: caller_key(),
                intake: intake(),
                low_water: LowWater::new(sqs.clone(), "http://queues/refill", || 0),
                clock: clock(),
                announced_waits: std::sync::Mutex::default(),
            },
            release: ReleaseNumbers { orders, intake: intake(), clock: clock() },
            refill: RefillPool {
                pools: pools.clone(),
                numbers,
                providers: providers(),
                http: HTTP.get_or_init(|| carriers::client().expect("a client")).clone(),
                queue: queue(),
                sqs: sqs.clone(),
                refill_queue_url: "http://queues/refill".to_owned(),
                stack_name: "simulation".to_owned(),
                public_base_url: "https://calls.example.com".to_owned(),
                clock: clock(),
            },
            resolve: ResolveCall {
                routes: Routes::new(dynamodb, "RoutesTable"),
                caller_key: caller_key(),
                providers: providers(),
                public_base_url: None,
                clock: clock(),
            },
        }
    }
}

//! How clients reach a [`Cloud`]: SDK clients without a network, and HTTP servers for processes.

#[cfg(feature = "https")]
pub mod https;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use tokio::task::yield_now;

use crate::cloud::{Cloud, Reply, Request};

#[derive(Clone, Debug)]
pub struct Clients {
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub secrets: aws_sdk_secretsmanager::Client,
}

/// How often a client sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// With the retries and timeouts of the deployed functions.
    AsDeployed,
    /// Once, without a timeout.
    Once,
}

impl Clients {
    pub fn over(http: SharedHttpClient, tries: Tries) -> Self {
        use {aws_sdk_dynamodb as dynamodb, aws_sdk_secretsmanager as secrets, aws_sdk_sqs as sqs};

        let config = config(http, "http://cloud", tries);
        // The SDK grants a process so many retries of a service. An environment of Lambda is a
        // process, and here all tests share one.
        let own = || RetryPartition::custom("environment").build();
        let dynamodb = dynamodb::config::Builder::from(&config).retry_partition(own());
        let sqs = sqs::config::Builder::from(&config).retry_partition(own());
        let secrets = secrets::config::Builder::from(&config).retry_partition(own());
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            secrets: aws_sdk_secretsmanager::Client::from_conf(secrets.build()),
        }
    }

    /// Clients of a cloud, without retries.
    pub fn of(cloud: &Arc<Cloud>) -> Self {
        let cloud = Arc::clone(cloud);
        let http = connector(move |request| {
            let cloud = Arc::clone(&cloud);
            async move { Ok(at_once(&cloud, request).await) }
        });
        Self::over(http, Tries::Once)
    }
}

/// The configuration of clients that reach `endpoint` through this HTTP client.
pub fn config(http: SharedHttpClient, endpoint: &str, tries: Tries) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .http_client(http)
        .sleep_impl(TokioSleep::new());
    let config = match tries {
        Tries::Once => config.retry_config(RetryConfig::disabled()),
        Tries::AsDeployed => {
            let retries = RetryConfig::standard();
            let limits = TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_secs(1))
                .operation_timeout(Duration::from_secs(3));
            config
                .retry_config(retries.with_initial_backoff(Duration::from_millis(50)))
                .timeout_config(limits.build())
        }
    };
    config.build()
}

/// Answers a request, and yields to other tasks before and after.
pub async fn at_once(cloud: &Cloud, request: Request) -> Reply {
    yield_now().await;
    let reply = cloud.answer(request);
    yield_now().await;
    reply
}

/// An HTTP client for the SDK that answers requests in this process.
pub fn connector<Answer>(
    answer: impl Fn(Request) -> Answer + Send + Sync + 'static,
) -> SharedHttpClient
where
    Answer: Future<Output = Result<Reply, ConnectorError>> + Send + 'static,
{
    let connector = SharedHttpConnector::new(Connector(answer));
    http_client_fn(move |_, _| connector.clone())
}

struct Connector<F>(F);

impl<F> fmt::Debug for Connector<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl<F, Answer> HttpConnector for Connector<F>
where
    F: Fn(Request) -> Answer + Send + Sync,
    Answer: Future<Output = Result<Reply, ConnectorError>> + Send + 'static,
{
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request.body().bytes().expect("a body in memory");
        let answer = (self.0)(Request::read(target, body));
        HttpConnectorFuture::new(async {
            let Reply { status, body } = answer.await?;
            let status = StatusCode::try_from(status).expect("a status");
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

/// Serves a cloud over HTTP until the runtime ends. Returns the endpoint.
pub async fn http(cloud: &Arc<Cloud>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    let app = app(cloud);
    tokio::spawn(async { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn app(cloud: &Arc<Cloud>) -> Router {
    let cloud = Arc::clone(cloud);
    let answer = async move |headers: HeaderMap, body: Bytes| {
        let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok());
        let reply = cloud.answer(Request::read(target.unwrap_or_default(), &body));
        let status = axum::http::StatusCode::from_u16(reply.status).expect("a status");
        (status, reply.body)
    };
    Router::new().route("/", post(answer))
}

//! The configuration that all AWS clients share: TLS, time limits and retries.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// Loads credentials and region from the environment, and limits the time of every
/// request: `attempt` for one attempt, `operation` for all attempts together. (By
/// itself the SDK limits only connecting, and a function would wait until Lambda
/// ends it.)
pub async fn config(attempt: Duration, operation: Duration) -> SdkConfig {
    // Connecting within a Region takes milliseconds: after 500, try again instead.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(attempt.min(Duration::from_millis(500)))
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts)
        // The SDK's own first back-off, up to 1 s, would take half of a call's time.
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
        .load()
        .await
}

//! Runs [`resolve_call`] on AWS Lambda.

use std::sync::Arc;
use std::time::Duration;

use carriers::ProviderSecret;
use lambda_http::{Error, run, service_fn, tracing};
use lambda_support::{Secret, aws, clock, env};
use masking::{CallerKey, Timestamp};
use masking_store::Routes;
use resolve_call::ResolveCall;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = aws::config(Duration::from_millis(600), Duration::from_millis(1900)).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    let function = ResolveCall {
        routes: Routes::new(dynamodb, env::required("ROUTES_TABLE")?),
        caller_key: Secret::new(
            secrets.clone(),
            env::required("SERVICE_SECRET_ARN")?,
            |_, text| CallerKey::parse(text).map_err(|error| error.to_string()),
        ),
        providers: Secret::new(secrets, env::required("PROVIDER_SECRET_ARN")?, parse_providers),
        public_base_url: env::optional("PUBLIC_BASE_URL"),
        clock: Box::new(|| Timestamp::from_seconds(clock::unix_seconds())),
    };
    tokio::join!(
        function.caller_key.current(),
        function.providers.current(),
        function.routes.warm_up()
    );
    run(service_fn(async |request| resolve_call::handle(&function, request).await)).await
}

/// What is wrong with a part of the secret switches that part off, and no other.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a secret may be unusable as a whole; this one is not"
)]
fn parse_providers(
    last: Option<&Arc<ProviderSecret>>,
    secret: &str,
) -> Result<Arc<ProviderSecret>, String> {
    let (providers, problems) = match last {
        Some(last) => last.updated(secret),
        None => ProviderSecret::parse(secret),
    };
    for problem in problems {
        tracing::error!(error = %problem, "a part of the provider secret can't be used");
    }
    for (route, off) in [
        ("POST /calls/resolve", providers.resolve.is_none()),
        ("POST /calls/twilio", providers.twilio_webhook.is_none()),
        ("GET /calls/exotel/{token}", providers.exotel_webhook.is_none()),
    ] {
        if off {
            tracing::warn!(route, "the provider secret says nothing for this route: it is off");
        }
    }
    Ok(Arc::new(providers))
}

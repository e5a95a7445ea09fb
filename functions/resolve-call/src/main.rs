//! Runs [`resolve_call`] on AWS Lambda.

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
        providers: Secret::new(secrets, env::required("PROVIDER_SECRET_ARN")?, |last, text| {
            Ok(ProviderSecret::read(last, text))
        }),
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

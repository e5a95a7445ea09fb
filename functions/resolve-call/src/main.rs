//! Runs [`resolve_call`] on AWS Lambda.

use std::convert::Infallible;
use std::time::Duration;

use journal::{Journal, NAMESPACE};
use lambda_http::lambda_runtime::run;
use lambda_http::{Error, LambdaEvent, service_fn};
use lambda_support::{Clock, aws, env, log};
use resolve_call::{ResolveCall, Settings};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init(env::process);
    let settings = Settings::read(env::process)?;
    let journal = Journal::standard_output(&env::required(env::process, NAMESPACE)?);
    let aws = aws::config(Duration::from_millis(600), Duration::from_millis(1900)).await;
    let function = ResolveCall::new(
        settings,
        aws_sdk_dynamodb::Client::new(&aws),
        aws_sdk_secretsmanager::Client::new(&aws),
        Clock::system(),
        journal,
    );
    function.warm_up().await;

    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        Ok::<_, Infallible>(function.handle(event.payload.get()).await)
    }))
    .await
}

//! Runs [`report_call`] on AWS Lambda.

use std::convert::Infallible;
use std::time::Duration;

use journal::{Journal, NAMESPACE};
use lambda_http::lambda_runtime::run;
use lambda_http::{Error, LambdaEvent, service_fn};
use lambda_support::{Clock, aws, env, log};
use report_call::{ReportCall, Settings};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init(env::process);
    let settings = Settings::read(env::process)?;
    let journal = Journal::standard_output(&env::required(env::process, NAMESPACE)?);
    let aws = aws::config(Duration::from_secs(1), Duration::from_secs(3)).await;
    let function = ReportCall::new(
        settings,
        aws_sdk_dynamodb::Client::new(&aws),
        aws_sdk_sqs::Client::new(&aws),
        aws_sdk_secretsmanager::Client::new(&aws),
        Clock::system(),
        journal,
    );

    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        // Boxed, since the compiler follows nested futures only so deep.
        Ok::<_, Infallible>(Box::pin(function.handle(event.payload.get())).await)
    }))
    .await
}

//! Runs [`check_settings`] on AWS Lambda.

use std::time::Duration;

use check_settings::{CheckSettings, Request};
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::aws;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = aws::config(Duration::from_secs(2), Duration::from_secs(5)).await;
    let function =
        CheckSettings::new(aws_sdk_cloudformation::Client::new(&aws), providers::client()?);

    run(service_fn(async |event: LambdaEvent<Request>| {
        Ok::<_, Error>(function.handle(&event.payload).await?)
    }))
    .await
}

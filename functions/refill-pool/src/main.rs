//! Runs [`refill_pool`] on AWS Lambda.

use std::time::{Duration, Instant};

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::{Clock, aws, clock, env};
use refill_pool::{RefillPool, Settings};

/// Stop this long before Lambda's own deadline.
const MARGIN: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let settings = Settings::read(env::process)?;
    let aws = aws::config(Duration::from_secs(2), Duration::from_secs(10)).await;
    let function = RefillPool::new(
        settings,
        aws_sdk_dynamodb::Client::new(&aws),
        aws_sdk_sqs::Client::new(&aws),
        aws_sdk_secretsmanager::Client::new(&aws),
        carriers::client()?,
        Clock::system(),
    );

    run(service_fn(async |event: LambdaEvent<_>| {
        let left = Duration::from_millis(event.context.deadline)
            .saturating_sub(Duration::from_secs(clock::unix_seconds()) + MARGIN);
        Ok::<_, Error>(function.handle(event.payload, Instant::now() + left).await)
    }))
    .await
}

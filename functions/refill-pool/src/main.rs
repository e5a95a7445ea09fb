//! Runs [`refill_pool`] on AWS Lambda.

use std::time::Duration;

use journal::{Journal, NAMESPACE};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use lambda_support::{Clock, aws, clock, env, log};
use providers::Transport;
use refill_pool::{RefillPool, Settings};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init(env::process);
    let settings = Settings::read(env::process)?;
    let journal = Journal::standard_output(&env::required(env::process, NAMESPACE)?);
    let aws = aws::config(Duration::from_secs(2), Duration::from_secs(10)).await;
    let function = RefillPool::new(
        settings,
        aws_sdk_dynamodb::Client::new(&aws),
        aws_sdk_sqs::Client::new(&aws),
        aws_sdk_secretsmanager::Client::new(&aws),
        Transport::network()?,
        Clock::system(),
        journal,
    );

    run(service_fn(async |event: LambdaEvent<_>| {
        let time = refill_pool::time_for(event.context.deadline, clock::unix_seconds());
        Ok::<_, Error>(function.handle(event.payload, Instant::now() + time).await)
    }))
    .await
}

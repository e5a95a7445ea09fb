//! Runs [`assign_numbers`] on AWS Lambda.

use std::time::Duration;

use assign_numbers::{AssignNumbers, Settings};
use journal::{Journal, NAMESPACE};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use lambda_support::{Clock, aws, env, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init(env::process);
    let settings = Settings::read(env::process)?;
    let journal = Journal::standard_output(&env::required(env::process, NAMESPACE)?);
    let aws = aws::config(Duration::from_secs(1), Duration::from_secs(3)).await;
    let function = AssignNumbers::new(
        settings,
        aws_sdk_dynamodb::Client::new(&aws),
        aws_sdk_sqs::Client::new(&aws),
        aws_sdk_secretsmanager::Client::new(&aws),
        Clock::system(),
        journal,
    );
    function.warm_up().await;

    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(function.handle(event.payload).await)
    }))
    .await
}

//! Runs [`forward_events`] on AWS Lambda.

use std::time::Duration;

use forward_events::{ForwardEvents, Settings};
use journal::{Journal, NAMESPACE};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use lambda_support::{Clock, aws, env, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init(env::process);
    let settings = Settings::read(env::process)?;
    let journal = Journal::standard_output(&env::required(env::process, NAMESPACE)?);
    let aws = aws::config(Duration::from_secs(3), Duration::from_secs(10)).await;
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let function = ForwardEvents::new(settings, sqs, Clock::system(), journal);

    run(service_fn(async |event: LambdaEvent<_>| {
        function.handle(event.payload).await.map_err(Error::from)
    }))
    .await
}

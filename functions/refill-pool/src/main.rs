//! Runs [`refill_pool`] on AWS Lambda.

use std::time::{Duration, Instant};

use carriers::ProviderSecret;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::{Secret, aws, clock, env, sqs::Consumed};
use masking::{Pools, Timestamp};
use masking_store::Numbers;
use refill_pool::RefillPool;

/// What is left of a function's time when it has to be done.
const MARGIN: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let pools = Pools::parse(&env::required("POOLS")?).map_err(|error| error.to_string())?;
    let refill_queue_url = env::required("REFILL_QUEUE_URL")?;

    let aws = aws::config(Duration::from_secs(2), Duration::from_secs(10)).await;
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    let function = RefillPool {
        pools,
        numbers: Numbers::new(aws_sdk_dynamodb::Client::new(&aws), env::required("NUMBERS_TABLE")?),
        providers: Secret::new(secrets, env::required("PROVIDER_SECRET_ARN")?, |last, text| {
            Ok(ProviderSecret::read(last, text))
        }),
        http: carriers::client()?,
        queue: Consumed::new(
            sqs.clone(),
            refill_queue_url.clone(),
            env::required("DEAD_LETTER_QUEUE_URL")?,
        ),
        sqs,
        refill_queue_url,
        stack_name: env::required("STACK_NAME")?,
        public_base_url: env::optional("PUBLIC_BASE_URL")
            .map_or_else(|| env::required("API_URL"), Ok)?,
        clock: Box::new(|| Timestamp::from_seconds(clock::unix_seconds())),
    };

    run(service_fn(async |event: LambdaEvent<_>| {
        let left = Duration::from_millis(event.context.deadline)
            .saturating_sub(Duration::from_secs(clock::unix_seconds()) + MARGIN);
        Ok::<_, Error>(refill_pool::handle(&function, event.payload, Instant::now() + left).await)
    }))
    .await
}

//! Runs [`release_numbers`] on AWS Lambda.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::{aws, clock, env, sqs::Consumed};
use masking::Timestamp;
use masking_store::{Orders, TableNames};
use order_events::Intake;
use release_numbers::ReleaseNumbers;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let tables = TableNames {
        orders: env::required("ORDERS_TABLE")?,
        numbers: env::required("NUMBERS_TABLE")?,
        routes: env::required("ROUTES_TABLE")?,
    };

    let aws = aws::config(Duration::from_secs(1), Duration::from_secs(3)).await;
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let queue = Consumed::new(
        sqs.clone(),
        env::required("QUEUE_URL")?,
        env::required("DEAD_LETTER_QUEUE_URL")?,
    );
    let function = ReleaseNumbers {
        orders: Orders::new(aws_sdk_dynamodb::Client::new(&aws), tables),
        intake: Intake::new(queue, sqs, env::required("NUMBER_EVENTS_QUEUE_URL")?),
        clock: Box::new(|| Timestamp::from_seconds(clock::unix_seconds())),
    };
    tokio::join!(function.orders.warm_up(), function.intake.warm_up());

    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(release_numbers::handle(&function, event.payload).await)
    }))
    .await
}

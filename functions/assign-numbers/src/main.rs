//! Runs [`assign_numbers`] on AWS Lambda.

use std::time::Duration;

use assign_numbers::{AssignNumbers, LowWater, Rosters};
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::{Secret, aws, clock, env, sqs::Consumed};
use masking::{CallerKey, Pools, Timestamp};
use masking_store::{Numbers, Orders, TableNames};
use order_events::Intake;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let pools = Pools::parse(&env::required("POOLS")?).map_err(|error| error.to_string())?;
    let tables = TableNames {
        orders: env::required("ORDERS_TABLE")?,
        numbers: env::required("NUMBERS_TABLE")?,
        routes: env::required("ROUTES_TABLE")?,
    };

    let aws = aws::config(Duration::from_secs(1), Duration::from_secs(3)).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    let queue = Consumed::new(
        sqs.clone(),
        env::required("QUEUE_URL")?,
        env::required("DEAD_LETTER_QUEUE_URL")?,
    );
    let function = AssignNumbers {
        pools,
        numbers: Numbers::new(dynamodb.clone(), &tables.numbers),
        rosters: Rosters::default(),
        orders: Orders::new(dynamodb, tables),
        caller_key: Secret::new(secrets, env::required("SERVICE_SECRET_ARN")?, |_, text| {
            CallerKey::parse(text).map_err(|error| error.to_string())
        }),
        intake: Intake::new(queue, sqs.clone(), env::required("NUMBER_EVENTS_QUEUE_URL")?),
        low_water: LowWater::new(sqs, env::required("REFILL_QUEUE_URL")?, clock::unix_seconds),
        clock: Box::new(|| Timestamp::from_seconds(clock::unix_seconds())),
        announced_waits: std::sync::Mutex::default(),
    };
    tokio::join!(
        function.caller_key.current(),
        function.orders.warm_up(),
        function.intake.warm_up()
    );

    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(assign_numbers::handle(&function, event.payload).await)
    }))
    .await
}

//! Handles pool messages: checks, imports, withdrawals and retirements.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use journal::Journal;
use lambda_support::sqs::{self, Fate, Refusal, SourceQueue};
use lambda_support::{CachedSecret, Chain, Clock};
use masking::{Invalid, Number, Pool, PoolMessage, Pools, Timestamp};
use masking_store::{Numbers, Routes, StoreError, WithdrawnBy};
use providers::{RentalSecret, Transport};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::Settings;

/// Keeps pools filled.
#[derive(Debug)]
pub struct RefillPool {
    pub(crate) pools: Pools,
    pub(crate) numbers: Numbers,
    /// The accounts that rent numbers.
    pub(crate) accounts: CachedSecret<Arc<RentalSecret>>,
    pub(crate) routes: Routes,
    /// The way to the providers' APIs.
    pub(crate) transport: Transport,
    pub(crate) stack_name: String,
    pub(crate) public_base_url: String,
    queue: SourceQueue,
    /// Sends the checks of single pools to the same queue.
    sqs: Client,
    queue_url: String,
    clock: Clock,
    pub(crate) journal: Journal,
}

impl RefillPool {
    /// Makes the function; `transport` is the way to the providers' APIs.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: Client,
        secrets: aws_sdk_secretsmanager::Client,
        transport: Transport,
        clock: Clock,
        journal: Journal,
    ) -> Self {
        let (url, dead_letters) = (settings.queue_url, settings.dead_letter_queue_url);
        Self {
            pools: settings.pools,
            numbers: Numbers::new(dynamodb.clone(), settings.numbers_table),
            routes: Routes::new(dynamodb, settings.routes_table),
            accounts: CachedSecret::new(secrets, settings.rental_secret, |last, text| {
                Ok(RentalSecret::read(last, text))
            }),
            transport,
            stack_name: settings.stack_name,
            public_base_url: settings.public_base_url,
            queue: SourceQueue::new(sqs.clone(), url.clone(), dead_letters),
            sqs,
            queue_url: url,
            clock,
            journal,
        }
    }

    /// Handles a batch, and ends by `deadline`. The response lists the messages that SQS
    /// is to deliver again.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let handle = async |message: &SqsMessage| {
            let fate = self.judge(message, deadline).await;
            self.queue.settle(message, &fate).await
        };
        sqs::for_each(event, handle).await
    }

    /// The current time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.clock.unix_seconds())
    }

    async fn judge(&self, message: &SqsMessage, deadline: Instant) -> Fate {
        let body = message.body.as_deref().unwrap_or_default();
        let parsed = PoolMessage::parse(body, &self.pools).and_then(|parsed| {
            let group = message.attributes.get("MessageGroupId").map(String::as_str);
            if group == Some(parsed.group()) { Ok(parsed) } else { Err(wrong_group()) }
        });
        let done = match parsed {
            Err(Invalid { field, reason }) => {
                return Fate::Refuse(Refusal { order_id: None, field, reason });
            }
            Ok(PoolMessage::CheckAll) => return self.check_each(message).await,
            Ok(PoolMessage::Check(pool)) => {
                // A check never fails: a failed message would block its message group, and
                // with it the pool's imports.
                self.check(pool, deadline).await;
                return Fate::Done;
            }
            Ok(PoolMessage::Import(pool, numbers)) => {
                timeout_at(deadline, self.import(pool, &numbers)).await
            }
            Ok(PoolMessage::Withdraw(pool, numbers)) => {
                timeout_at(deadline, self.withdraw(pool, &numbers, WithdrawnBy::Operator)).await
            }
            Ok(PoolMessage::Retire(pool, numbers)) => {
                timeout_at(deadline, self.withdraw(pool, &numbers, WithdrawnBy::Retirement)).await
            }
        };
        match done {
            Ok(Ok(())) => Fate::Done,
            Ok(Err(error)) => {
                let error = Chain(&error);
                tracing::error!(%error, message.id = message.message_id, "a pool message is to be tried again");
                Fate::Again
            }
            Err(_) => {
                tracing::error!(
                    message.id = message.message_id,
                    "a pool message took too long, and is to be tried again"
                );
                Fate::Again
            }
        }
    }

    /// Sends a check for each pool, in the pool's own group, so that one slow
    /// provider holds up no other pool.
    async fn check_each(&self, message: &SqsMessage) -> Fate {
        let message_id = message.message_id.as_deref().unwrap_or_default();
        for Pool { id, .. } in self.pools.iter() {
            let body = json!({"type": "pool.check", "pool": id.as_str()}).to_string();
            let (group, deduplication_id) = (id.as_str(), format!("{message_id}-{id}"));
            let url = &self.queue_url;
            let sent = sqs::send_in_group(&self.sqs, url, group, deduplication_id, body).await;
            if let Err(error) = sent {
                tracing::error!(%error, pool = %id, "could not ask for a check");
                return Fate::Again;
            }
        }
        Fate::Done
    }
}

/// The error of a message in the group of another pool.
fn wrong_group() -> Invalid {
    Invalid::new("MessageGroupId", "must be the pool of the message, or `all` for a check of all")
}

/// How many numbers are written concurrently.
const AT_ONCE: usize = 32;

/// Applies `act` to each number, to some of them concurrently. Stops at the first error.
/// All numbers are then tried again later, so `act` has to be idempotent.
pub(crate) async fn for_each<'a, T>(
    numbers: impl IntoIterator<Item = &'a Number>,
    act: impl AsyncFn(&'a Number) -> Result<T, StoreError>,
) -> Result<Vec<(&'a Number, T)>, StoreError> {
    let numbers: Vec<&Number> = numbers.into_iter().collect();
    let mut results = Vec::with_capacity(numbers.len());
    for chunk in numbers.chunks(AT_ONCE) {
        let acts =
            chunk.iter().map(|number| async { Ok::<_, StoreError>((*number, act(number).await?)) });
        for result in futures_util::future::join_all(acts).await {
            results.push(result?);
        }
    }
    Ok(results)
}

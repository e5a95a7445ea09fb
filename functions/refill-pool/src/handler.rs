//! From a pool message to what is done about it.

use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use carriers::ProviderSecret;
use lambda_support::Secret;
use lambda_support::sqs::{self, Consumed, Outcome};
use masking::{Number, Pool, PoolMessage, Pools, Timestamp};
use masking_store::{Numbers, StoreError};
use serde_json::json;

/// What the function works with, made once while it starts.
#[expect(missing_debug_implementations, reason = "the clock has none")]
pub struct RefillPool {
    /// The pools of the stack.
    pub pools: Pools,
    /// The numbers table.
    pub numbers: Numbers,
    /// The accounts that rent numbers.
    pub providers: Secret<Arc<ProviderSecret>>,
    /// The client of the providers' APIs.
    pub http: reqwest::Client,
    /// Where messages come from.
    pub queue: Consumed,
    /// The same queue, to send to: a check of all pools becomes a check of each.
    pub sqs: Client,
    /// Its URL.
    pub refill_queue_url: String,
    /// The stack's name, which tags what it rents.
    pub stack_name: String,
    /// What stands before the path in the URLs that providers are given.
    pub public_base_url: String,
    /// The time.
    pub clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Handles a batch, over by `deadline`. Messages that are to come again are its failures.
pub async fn handle(function: &RefillPool, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
    sqs::for_each(event, async |message| function.handle(message, deadline).await).await
}

impl RefillPool {
    async fn handle(&self, message: &SqsMessage, deadline: Instant) -> Outcome {
        let body = message.body.as_deref().unwrap_or_default();
        let done = match PoolMessage::parse(body, &self.pools) {
            Err(why) => return self.queue.refuse(message, &why.field, &why.reason).await,
            Ok(PoolMessage::CheckAll) => return self.check_each(message).await,
            Ok(PoolMessage::Check(pool)) => {
                // A check never fails: its group would stand still, imports too.
                self.check(pool, deadline).await;
                return Outcome::Done;
            }
            Ok(PoolMessage::Import(pool, numbers)) => self.import(pool, &numbers).await,
            Ok(PoolMessage::Withdraw(pool, numbers)) => self.withdraw(pool, &numbers).await,
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::error!(%error, message.id = message.message_id, "a pool message is to be tried again");
                self.queue.again_later(message).await
            }
        }
    }

    /// Sends a check for each pool, in the pool's own group, so that one slow
    /// provider holds up no other pool.
    async fn check_each(&self, message: &SqsMessage) -> Outcome {
        let message_id = message.message_id.as_deref().unwrap_or_default();
        for Pool { id, .. } in self.pools.iter() {
            let body = json!({"type": "pool.check", "pool": id.as_str()}).to_string();
            let (group, deduplication_id) = (id.as_str(), format!("{message_id}-{id}"));
            let url = &self.refill_queue_url;
            let sent = sqs::send_in_group(&self.sqs, url, group, deduplication_id, body).await;
            if let Err(error) = sent {
                tracing::error!(%error, pool = %id, "could not ask for a check");
                return self.queue.again_later(message).await;
            }
        }
        Outcome::Done
    }
}

/// Numbers written at the same time.
const AT_ONCE: usize = 32;

/// Does something to each of many numbers, some at the same time. Stops at the
/// first error; repeating the whole is harmless.
pub(crate) async fn for_each<'a, T>(
    numbers: impl IntoIterator<Item = &'a Number>,
    act: impl AsyncFn(&'a Number) -> Result<T, StoreError>,
) -> Result<Vec<(&'a Number, T)>, StoreError> {
    let numbers: Vec<&Number> = numbers.into_iter().collect();
    let mut results = Vec::with_capacity(numbers.len());
    for chunk in numbers.chunks(AT_ONCE) {
        let acts = chunk.iter().map(|number| async { Ok((*number, act(number).await?)) });
        for result in futures_util::future::join_all(acts).await {
            results.push(result?);
        }
    }
    Ok(results)
}

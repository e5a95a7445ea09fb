//! The numbers table: the numbers of each pool, and when each is free.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use futures_util::future::try_join_all;
use lambda_support::AwsError;
use masking::{Number, Pool, PoolId, Provider, Timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::item::{Item, moment, read, string};

/// The access patterns of the numbers table.
#[derive(Clone, Debug)]
pub struct Numbers {
    client: Client,
    table: String,
}

/// A page of free numbers.
#[derive(Debug)]
pub struct FreePage {
    /// The numbers, the longest free first.
    pub numbers: Vec<Number>,
    /// Where the next page begins. None on the last page.
    pub next: Option<PageKey>,
}

/// The position at which a page of a query begins.
#[derive(Clone, Debug)]
pub struct PageKey(Item);

/// The row of a number, without its pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNumber {
    /// The virtual number, which is the key of the row.
    pub number: Number,
    /// From this moment on, an order may claim the number.
    pub available_at: Timestamp,
    /// Whether the pool may hand out the number. False if it was withdrawn.
    pub in_circulation: bool,
    /// Where the number is rented. None if the row was read from the index, which does not
    /// hold it.
    pub provider: Option<Provider>,
}

/// The result of importing one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// The number is new.
    Added,
    /// The number was withdrawn, and is in circulation again.
    PutBack,
    /// The number was in circulation already.
    Known,
    /// The number belongs to another pool, and stays there.
    OfAnotherPool,
}

/// The result of withdrawing one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The number is out of circulation.
    Withdrawn,
    /// The number is not one of the pool, or not of the provider.
    NotOfThePool,
}

/// The most keys of one request. Source: DynamoDB API reference, `BatchGetItem`.
const BATCH: usize = 100;
const BATCH_READ: &str = "BatchGetItem on Numbers";
/// How many times a batch is requested while DynamoDB leaves keys of it unprocessed. The
/// pauses, which double, add up to a second and a half.
const MOST_REQUESTS: u32 = 5;
/// The back-off after the first request of a batch.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct NumberItem {
    number: String,
    available_at: u64,
    pool_shard: Option<String>,
    provider: Option<String>,
}

impl Numbers {
    /// Uses the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads one page of the numbers of a shard that look free now, at most `limit`, the
    /// longest free first. The index lags behind the table: only the condition of a claim
    /// shows whether a number is free.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the query or did not answer, or a row is malformed.
    pub async fn free(
        &self,
        pool: &Pool,
        shard: u64,
        now: Timestamp,
        limit: i32,
        from: Option<PageKey>,
    ) -> Result<FreePage, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("available")
            .key_condition_expression("pool_shard = :shard AND available_at <= :now")
            .expression_attribute_values(":shard", string(pool.shard(shard)))
            .expression_attribute_values(":now", moment(now))
            .limit(limit)
            .set_exclusive_start_key(from.map(|PageKey(key)| key))
            .send()
            .await
            .map_err(AwsError::of("Query on Numbers"))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty()).map(PageKey);
        let rows = answer.items.unwrap_or_default().into_iter().map(row);
        let numbers = rows.map(|row| row.map(|row| row.number)).collect::<Result<_, _>>()?;
        Ok(FreePage { numbers, next })
    }

    /// Reads every number that a pool may hand out, free or not, from the index, which lags
    /// behind the table.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the query of a shard or did not answer, or a row is malformed.
    pub async fn in_circulation(&self, pool: &Pool) -> Result<Vec<PoolNumber>, StoreError> {
        let shards = (0..pool.shards).map(|shard| self.in_shard(pool, shard));
        Ok(try_join_all(shards).await?.into_iter().flatten().collect())
    }

    async fn in_shard(&self, pool: &Pool, shard: u64) -> Result<Vec<PoolNumber>, StoreError> {
        let mut rows = Vec::new();
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("available")
            .key_condition_expression("pool_shard = :shard")
            .expression_attribute_values(":shard", string(pool.shard(shard)))
            .into_paginator()
            .items()
            .send();
        while let Some(item) = items.next().await {
            rows.push(row(item.map_err(AwsError::of("Query on Numbers"))?)?);
        }
        Ok(rows)
    }

    /// Reads the rows of these numbers with strongly consistent reads. Numbers without a row
    /// are left out.
    ///
    /// # Errors
    ///
    /// DynamoDB refused a request or did not answer, left keys unprocessed five times in a
    /// row, or a row is malformed.
    pub async fn rows(&self, numbers: &[Number]) -> Result<Vec<PoolNumber>, StoreError> {
        let mut rows = Vec::new();
        for chunk in numbers.chunks(BATCH) {
            rows.extend(self.batch(chunk).await?);
        }
        Ok(rows)
    }

    /// Reads one batch. DynamoDB leaves keys unprocessed when it is busy; these are requested
    /// again after a pause.
    async fn batch(&self, numbers: &[Number]) -> Result<Vec<PoolNumber>, StoreError> {
        let mut rows = Vec::new();
        let mut pause = FIRST_PAUSE;
        let mut keys = HashMap::from([(self.table.clone(), consistent(numbers)?)]);
        for _ in 0..MOST_REQUESTS {
            let request = self.client.batch_get_item().set_request_items(Some(keys));
            let answer = request.send().await.map_err(AwsError::of(BATCH_READ))?;
            for item in answer.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                rows.push(row(item)?);
            }
            keys = answer.unprocessed_keys.unwrap_or_default();
            if keys.is_empty() {
                return Ok(rows);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(AwsError::Refused { operation: BATCH_READ, code: "UnprocessedKeys".to_owned() }.into())
    }

    /// Adds a number of a provider's account. Idempotent: an existing row stays as it is, and
    /// a withdrawn number stays withdrawn. `provider_id` is the provider's id of the number.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The number may have been added.
    pub async fn add(
        &self,
        pool: &Pool,
        number: &Number,
        provider_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .arrival(pool, number, pool.provider, now)
            .expression_attribute_names("#provider_id", "provider_id")
            .expression_attribute_values(":provider_id", string(provider_id))
            .update_expression(
                "SET #pool = :pool, #provider = :provider, #provider_id = :provider_id, \
                 pool_shard = :shard, available_at = :now",
            )
            .condition_expression("attribute_not_exists(#number)")
            .expression_attribute_names("#number", "number");
        if_condition_holds(update.send().await.map(drop))?;
        Ok(())
    }

    /// Adds a number that was rented by hand, or puts a withdrawn number back into
    /// circulation. Idempotent: a number that is in circulation keeps its row.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The number may have been imported.
    pub async fn import(
        &self,
        pool: &Pool,
        number: &Number,
        now: Timestamp,
    ) -> Result<Import, StoreError> {
        let update = self
            .arrival(pool, number, Provider::Manual, now)
            .update_expression(
                "SET #pool = :pool, #provider = if_not_exists(#provider, :provider), \
                 pool_shard = if_not_exists(pool_shard, :shard), \
                 available_at = if_not_exists(available_at, :now)",
            )
            .condition_expression("attribute_not_exists(#number) OR #pool = :pool")
            .expression_attribute_names("#number", "number")
            .return_values(ReturnValue::AllOld);
        let old = if_condition_holds(update.send().await.map(|answer| answer.attributes))?;
        Ok(match old {
            None => Import::OfAnotherPool,
            Some(Some(row)) if row.contains_key("pool_shard") => Import::Known,
            Some(Some(row)) if row.contains_key("pool") => Import::PutBack,
            Some(_) => Import::Added,
        })
    }

    /// Takes a number out of circulation. An order that holds it keeps it to its end. If
    /// `provider` is given, the number must come from that provider. Idempotent.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The number may have been withdrawn.
    pub async fn withdraw(
        &self,
        pool: &PoolId,
        number: &Number,
        provider: Option<Provider>,
    ) -> Result<Withdrawal, StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("number", string(number.as_str()))
            .update_expression("REMOVE pool_shard")
            .expression_attribute_names("#pool", "pool")
            .expression_attribute_values(":pool", string(pool.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None);
        update = match provider {
            None => update.condition_expression("#pool = :pool"),
            Some(provider) => update
                .condition_expression("#pool = :pool AND #provider = :provider")
                .expression_attribute_names("#provider", "provider")
                .expression_attribute_values(":provider", string(provider.as_str())),
        };
        let done = if_condition_holds(update.send().await.map(drop))?;
        Ok(if done.is_some() { Withdrawal::Withdrawn } else { Withdrawal::NotOfThePool })
    }

    fn arrival(
        &self,
        pool: &Pool,
        number: &Number,
        provider: Provider,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("number", string(number.as_str()))
            .expression_attribute_names("#pool", "pool")
            .expression_attribute_names("#provider", "provider")
            .expression_attribute_values(":pool", string(pool.id.as_str()))
            .expression_attribute_values(":provider", string(provider.as_str()))
            .expression_attribute_values(":shard", string(pool.shard(shard_of(number, pool))))
            .expression_attribute_values(":now", moment(now))
    }
}

fn consistent(numbers: &[Number]) -> Result<KeysAndAttributes, AwsError> {
    let key = |number: &Number| HashMap::from([("number".to_owned(), string(number.as_str()))]);
    KeysAndAttributes::builder()
        .set_keys(Some(numbers.iter().map(key).collect()))
        .consistent_read(true)
        .build()
        .map_err(AwsError::not_sent(BATCH_READ))
}

fn row(item: Item) -> Result<PoolNumber, StoreError> {
    let item: NumberItem = read(item, "Numbers")?;
    Ok(PoolNumber {
        number: item
            .number
            .parse()
            .map_err(|_| StoreError::Malformed { table: "Numbers", field: "number" })?,
        available_at: Timestamp::from_seconds(item.available_at),
        in_circulation: item.pool_shard.is_some(),
        provider: item.provider.as_deref().and_then(Provider::parse),
    })
}

/// Returns the shard of a number. A hash spreads the numbers evenly over the shards of a pool.
fn shard_of(number: &Number, pool: &Pool) -> u64 {
    let digest = Sha256::digest(number.as_str().as_bytes());
    let value = digest.iter().take(8).fold(0, |value: u64, byte| (value << 8) | u64::from(*byte));
    value % pool.shards
}

/// Returns nothing if the condition of a write failed, which is not an error.
fn if_condition_holds<T>(
    result: Result<T, aws_sdk_dynamodb::error::SdkError<UpdateItemError>>,
) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(AwsError::of("UpdateItem on Numbers")(error).into()),
    }
}

#[cfg(test)]
mod tests;

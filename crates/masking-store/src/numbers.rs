//! The numbers table: the numbers of each pool, and when each is free. `changes.rs` beside
//! this file puts numbers into circulation and takes them out; `ledger.rs` has what a
//! pool costs.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use lambda_support::AwsError;
use masking::{Number, Pool, PoolId, Provider, Timestamp};
use serde::Deserialize;

use crate::StoreError;
use crate::item::{Item, moment, read, string};

pub(crate) mod changes;
pub(crate) mod ledger;

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
    pub numbers: Vec<IndexedNumber>,
    /// Where the next page begins. None on the last page.
    pub next: Option<PageKey>,
}

/// The position at which a page of a query begins.
#[derive(Clone, Debug)]
pub struct PageKey(Item);

/// A number of the index, which has the keys alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedNumber {
    /// The virtual number, which is the key of the row.
    pub number: Number,
    /// From this moment on, an order may claim the number.
    pub available_at: Timestamp,
}

/// The row of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolNumber {
    /// The virtual number, which is the key of the row.
    pub number: Number,
    /// The pool that may hand the number out.
    pub pool: PoolId,
    /// From this moment on, an order may claim the number.
    pub available_at: Timestamp,
    /// Where the number is rented. None if this version does not know the provider.
    pub provider: Option<Provider>,
    /// The provider's id of the number. None if it was imported by hand.
    pub provider_id: Option<String>,
    /// When the number came into circulation. None if an earlier version added it.
    pub added_at: Option<Timestamp>,
    /// Who took the number out of circulation, if anyone.
    pub withdrawn: Option<Withdrawn>,
}

/// Who took a number out of circulation, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// Who it was.
    pub by: WithdrawnBy,
    /// When it was. The beginning of time if an earlier version withdrew the number.
    pub at: Timestamp,
}

/// Who took a number out of circulation, which decides how it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawnBy {
    /// An operator: an import brings it back.
    Operator,
    /// An operator, for good: the number is given back to the provider.
    Retirement,
    /// A check, since the provider's account lacked it: a check brings it back when the
    /// account has it again.
    Account,
}

/// How many shards are read at the same time: each read has a TLS connection of its own.
const SHARDS_AT_ONCE: usize = 8;
/// The most keys of one request. Source: DynamoDB API reference, `BatchGetItem`.
const BATCH: usize = 100;
const BATCH_READ: &str = "BatchGetItem on Numbers";
/// How many times a batch is requested while DynamoDB leaves keys of it unprocessed. The
/// pauses, which double, add up to a second and a half.
const MOST_REQUESTS: u32 = 5;
/// The back-off after the first request of a batch.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct IndexItem {
    number: String,
    available_at: u64,
}

#[derive(Deserialize)]
struct NumberItem {
    number: String,
    pool: String,
    available_at: u64,
    pool_shard: Option<String>,
    provider: Option<String>,
    provider_id: Option<String>,
    added_at: Option<u64>,
    withdrawn_by: Option<String>,
    withdrawn_at: Option<u64>,
}

impl WithdrawnBy {
    const ALL: [Self; 3] = [Self::Operator, Self::Retirement, Self::Account];

    /// Returns the name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Retirement => "retirement",
            Self::Account => "account",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
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
        let rows = answer.items.unwrap_or_default().into_iter().map(indexed);
        let numbers = rows.collect::<Result<_, _>>()?;
        Ok(FreePage { numbers, next })
    }

    /// Reads every number that a pool may hand out, free or not, from the index, which lags
    /// behind the table.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the query of a shard or did not answer, or a row is malformed.
    pub async fn in_circulation(&self, pool: &Pool) -> Result<Vec<IndexedNumber>, StoreError> {
        let shards: Vec<u64> = (0..pool.shards).collect();
        let mut rows = Vec::new();
        for shards in shards.chunks(SHARDS_AT_ONCE) {
            let queries = shards.iter().map(|shard| self.in_shard(pool, *shard));
            rows.extend(try_join_all(queries).await?.into_iter().flatten());
        }
        Ok(rows)
    }

    async fn in_shard(&self, pool: &Pool, shard: u64) -> Result<Vec<IndexedNumber>, StoreError> {
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
            rows.push(indexed(item.map_err(AwsError::of("Query on Numbers"))?)?);
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
}

fn consistent(numbers: &[Number]) -> Result<KeysAndAttributes, AwsError> {
    let key = |number: &Number| HashMap::from([("number".to_owned(), string(number.as_str()))]);
    KeysAndAttributes::builder()
        .set_keys(Some(numbers.iter().map(key).collect()))
        .consistent_read(true)
        .build()
        .map_err(AwsError::not_sent(BATCH_READ))
}

fn indexed(item: Item) -> Result<IndexedNumber, StoreError> {
    let item: IndexItem = read(item, "Numbers")?;
    let number = item.number.parse().map_err(|_| malformed("number"))?;
    Ok(IndexedNumber { number, available_at: Timestamp::from_seconds(item.available_at) })
}

fn row(item: Item) -> Result<PoolNumber, StoreError> {
    let item: NumberItem = read(item, "Numbers")?;
    // Earlier versions did not say who withdrew a number: only operators bring it back.
    let by = item.withdrawn_by.as_deref().and_then(WithdrawnBy::parse);
    let withdrawn = Withdrawn {
        by: by.unwrap_or(WithdrawnBy::Operator),
        at: Timestamp::from_seconds(item.withdrawn_at.unwrap_or_default()),
    };
    Ok(PoolNumber {
        number: item.number.parse().map_err(|_| malformed("number"))?,
        pool: PoolId::parse(&item.pool).ok_or_else(|| malformed("pool"))?,
        available_at: Timestamp::from_seconds(item.available_at),
        provider: item.provider.as_deref().and_then(Provider::parse),
        provider_id: item.provider_id,
        added_at: item.added_at.map(Timestamp::from_seconds),
        withdrawn: item.pool_shard.is_none().then_some(withdrawn),
    })
}

fn malformed(field: &'static str) -> StoreError {
    StoreError::Malformed { table: "Numbers", field }
}

#[cfg(test)]
mod tests;

//! Puts numbers into circulation and takes them out. Each change is one conditional write,
//! and idempotent.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use lambda_support::AwsError;
use masking::{Number, Pool, Provider, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{Numbers, WithdrawnBy};
use crate::StoreError;
use crate::item::{moment, string};

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

/// The result of a change under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The number was changed.
    Done,
    /// The number is not one of the pool, or not as the change expects it.
    NotSo,
}

/// How long a withdrawn number rests, in seconds, before another pool or the provider may
/// have it. Environments of assign-numbers keep the list of a shared pool for some seconds,
/// and hand a withdrawn number out for as long.
pub const REST_SECONDS: u64 = 60;

impl Numbers {
    /// Adds a number of a provider's account. An existing row stays as it is, and a
    /// withdrawn number stays withdrawn. `provider_id` is the provider's id of the number.
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
    ) -> Result<Change, StoreError> {
        let update = self
            .arrival(pool, number, now)
            .expression_attribute_names("#provider", "provider")
            .expression_attribute_values(":provider", string(pool.provider.as_str()))
            .expression_attribute_values(":provider_id", string(provider_id))
            .update_expression(
                "SET #pool = :pool, #provider = :provider, provider_id = :provider_id, \
                 pool_shard = :shard, available_at = :now, added_at = :now",
            )
            .condition_expression("attribute_not_exists(#number)")
            .expression_attribute_names("#number", "number");
        change(update.send().await)
    }

    /// Puts a number back that its pool's account lacked for a while, and has again, perhaps
    /// under another id.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The number may have been put back.
    pub async fn put_back(
        &self,
        pool: &Pool,
        number: &Number,
        provider_id: &str,
        now: Timestamp,
    ) -> Result<Change, StoreError> {
        let update = self
            .arrival(pool, number, now)
            .expression_attribute_values(":provider_id", string(provider_id))
            .update_expression(
                "SET pool_shard = :shard, added_at = :now, provider_id = :provider_id \
                 REMOVE withdrawn_by, withdrawn_at",
            )
            .condition_expression("#pool = :pool AND withdrawn_by = :account")
            .expression_attribute_values(":account", string(WithdrawnBy::Account.as_str()));
        change(update.send().await)
    }

    /// Adds a number that was rented by hand, or puts a withdrawn number back into
    /// circulation. A number that is in circulation keeps its row.
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
            .arrival(pool, number, now)
            .expression_attribute_names("#provider", "provider")
            .expression_attribute_values(":manual", string(Provider::Manual.as_str()))
            .update_expression(
                "SET #pool = :pool, #provider = if_not_exists(#provider, :manual), \
                 pool_shard = if_not_exists(pool_shard, :shard), \
                 added_at = if_not_exists(added_at, :now), \
                 available_at = if_not_exists(available_at, :now) \
                 REMOVE withdrawn_by, withdrawn_at",
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

    /// Takes a number over from another pool, where it is withdrawn and has rested. A number
    /// that is retired there is not taken: its pool may give it back at any moment. That no
    /// route on it is in use is for the caller to know: [`Routes::in_use`]. Without a
    /// `provider_id` it counts as rented by hand.
    ///
    /// [`Routes::in_use`]: crate::Routes::in_use
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The number may have been taken over.
    pub async fn take_over(
        &self,
        pool: &Pool,
        number: &Number,
        provider_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Change, StoreError> {
        let provider = if provider_id.is_some() { pool.provider } else { Provider::Manual };
        let update = self
            .arrival(pool, number, now)
            .expression_attribute_names("#provider", "provider")
            .expression_attribute_values(":provider", string(provider.as_str()))
            .expression_attribute_values(":rested", moment(rested_since(now)))
            .expression_attribute_values(":retirement", string(WithdrawnBy::Retirement.as_str()));
        let update = match provider_id {
            Some(provider_id) => update
                .expression_attribute_values(":provider_id", string(provider_id))
                .update_expression(
                    "SET #pool = :pool, #provider = :provider, provider_id = :provider_id, \
                     pool_shard = :shard, added_at = :now REMOVE withdrawn_by, withdrawn_at",
                ),
            None => update.update_expression(
                "SET #pool = :pool, #provider = :provider, pool_shard = :shard, \
                 added_at = :now REMOVE provider_id, withdrawn_by, withdrawn_at",
            ),
        };
        let update = update.condition_expression(
            "#pool <> :pool AND attribute_not_exists(pool_shard) AND available_at <= :now \
             AND (attribute_not_exists(withdrawn_at) OR withdrawn_at <= :rested) \
             AND (attribute_not_exists(withdrawn_by) OR withdrawn_by <> :retirement)",
        );
        change(update.send().await)
    }

    /// Takes a number out of circulation. An order that holds it keeps it to its end. A
    /// number that an operator withdrew is not withdrawn again by the account, and the
    /// account withdraws only numbers of the pool's provider.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The number may have been withdrawn.
    pub async fn withdraw(
        &self,
        pool: &Pool,
        number: &Number,
        by: WithdrawnBy,
        now: Timestamp,
    ) -> Result<Change, StoreError> {
        let update = self
            .update(pool, number)
            .expression_attribute_values(":by", string(by.as_str()))
            .expression_attribute_values(":now", moment(now))
            .update_expression(
                "SET withdrawn_by = :by, withdrawn_at = if_not_exists(withdrawn_at, :now) \
                 REMOVE pool_shard",
            );
        let update = match by {
            WithdrawnBy::Operator | WithdrawnBy::Retirement => {
                update.condition_expression("#pool = :pool")
            }
            WithdrawnBy::Account => update
                .condition_expression(
                    "#pool = :pool AND #provider = :provider AND attribute_exists(pool_shard)",
                )
                .expression_attribute_names("#provider", "provider")
                .expression_attribute_values(":provider", string(pool.provider.as_str())),
        };
        change(update.send().await)
    }

    /// A change that gives the number a shard of the pool.
    fn arrival(&self, pool: &Pool, number: &Number, now: Timestamp) -> UpdateItemFluentBuilder {
        self.update(pool, number)
            .expression_attribute_values(":shard", string(pool.shard(shard_of(number, pool))))
            .expression_attribute_values(":now", moment(now))
    }

    fn update(&self, pool: &Pool, number: &Number) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("number", string(number.as_str()))
            .expression_attribute_names("#pool", "pool")
            .expression_attribute_values(":pool", string(pool.id.as_str()))
    }
}

/// The latest moment at which a number was withdrawn that has rested by now.
fn rested_since(now: Timestamp) -> Timestamp {
    Timestamp::from_seconds(now.seconds().saturating_sub(REST_SECONDS))
}

/// Returns the shard of a number. A hash spreads the numbers evenly over the shards of a pool.
fn shard_of(number: &Number, pool: &Pool) -> u64 {
    let digest: [u8; 32] = Sha256::digest(number.as_str().as_bytes()).into();
    u64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()) % pool.shards
}

fn change<T>(result: Result<T, SdkError<UpdateItemError>>) -> Result<Change, StoreError> {
    let done = if_condition_holds(result)?;
    Ok(if done.is_some() { Change::Done } else { Change::NotSo })
}

/// Returns nothing if the condition of a write failed, which is not an error.
pub(crate) fn if_condition_holds<T>(
    result: Result<T, SdkError<UpdateItemError>>,
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
mod tests {
    use masking::Pools;

    use super::*;

    #[test]
    fn the_shard_of_a_number_is_the_one_that_earlier_versions_chose() {
        let pools = Pools::parse(r#"[{"id":"a","shards":16}]"#).unwrap();
        let pool = pools.named(None).unwrap();
        let shard = |number: &str| shard_of(&number.parse().unwrap(), pool);
        let shards = ["+622150001", "+622150002", "+14155550100"].map(shard);
        assert_eq!(shards, [2, 3, 6]);
    }
}

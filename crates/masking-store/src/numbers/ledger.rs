//! The ledger of a pool: a row of the numbers table, beside its numbers, with the bound on
//! what the pool costs. It is strongly consistent, which no listing and no index is.

use lambda_support::AwsError;
use masking::{PoolId, Timestamp};
use serde::Deserialize;

use super::Numbers;
use super::changes::if_condition_holds;
use crate::StoreError;
use crate::item::{moment, number, read, string};

/// What is known of a pool's account, beside its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Raised by every write; 0 before the first.
    pub revision: u64,
    /// The most numbers that the account may hold for the pool by now: raised before each
    /// order, and lowered only by what is certain.
    pub paid: u64,
    /// When a number was last ordered, or found to be lost.
    pub changed_at: Timestamp,
    /// The most numbers that complete listings showed since `seen_since`.
    pub most_seen: u64,
    /// Since when complete listings show fewer numbers than `paid`. The beginning of time
    /// while they do not.
    pub seen_since: Timestamp,
    /// Until then the provider asked to be left alone.
    pub paused_until: Timestamp,
}

#[derive(Deserialize)]
struct LedgerItem {
    revision: u64,
    paid: u64,
    changed_at: u64,
    most_seen: u64,
    seen_since: u64,
    paused_until: u64,
}

impl Numbers {
    /// Reads the ledger of a pool with a strongly consistent read. A pool without one has
    /// an empty one.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the read or did not answer, or the row is malformed.
    pub async fn ledger(&self, pool: &PoolId) -> Result<Ledger, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("number", string(key(pool)))
            .consistent_read(true)
            .send()
            .await
            .map_err(AwsError::of("GetItem on Numbers"))?;
        let Some(item) = answer.item else { return Ok(Ledger::default()) };
        let item: LedgerItem = read(item, "Numbers")?;
        Ok(Ledger {
            revision: item.revision,
            paid: item.paid,
            changed_at: Timestamp::from_seconds(item.changed_at),
            most_seen: item.most_seen,
            seen_since: Timestamp::from_seconds(item.seen_since),
            paused_until: Timestamp::from_seconds(item.paused_until),
        })
    }

    /// Writes a ledger over the one that it was read as. Returns it as it is now, or `None`
    /// if another check wrote it since.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the write or did not answer. The ledger may have been written.
    pub async fn write_ledger(
        &self,
        pool: &PoolId,
        ledger: Ledger,
    ) -> Result<Option<Ledger>, StoreError> {
        let next = Ledger { revision: ledger.revision + 1, ..ledger };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("number", string(key(pool)))
            .update_expression(
                "SET revision = :next, paid = :paid, changed_at = :changed_at, \
                 most_seen = :most_seen, seen_since = :seen_since, paused_until = :paused_until",
            )
            .expression_attribute_values(":next", number(next.revision))
            .expression_attribute_values(":paid", number(next.paid))
            .expression_attribute_values(":changed_at", moment(next.changed_at))
            .expression_attribute_values(":most_seen", number(next.most_seen))
            .expression_attribute_values(":seen_since", moment(next.seen_since))
            .expression_attribute_values(":paused_until", moment(next.paused_until));
        let update = if ledger.revision == 0 {
            update.condition_expression("attribute_not_exists(revision)")
        } else {
            update
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", number(ledger.revision))
        };
        let written = if_condition_holds(update.send().await)?;
        Ok(written.map(|_| next))
    }
}

/// The key of a ledger. No number begins so.
fn key(pool: &PoolId) -> String {
    format!("ledger/{pool}")
}

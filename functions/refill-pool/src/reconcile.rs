//! Decides how to reconcile the table with the provider's account.
//!
//! What a listing shows is added and put back at once. What it lacks is only suspected:
//! a listing may be late, cut short, or of another account. `missing.rs` asks further.

use std::collections::{HashMap, HashSet};

use masking::{Number, Pool, Timestamp};
use masking_store::{IndexedNumber, PoolNumber, REST_SECONDS, Withdrawn, WithdrawnBy};
use providers::{Listing, Owned};

use crate::circulation::Circulation;

/// A number is not missed before it is this old, in seconds: a purchase may show late.
const YOUNG: u64 = 3600;

/// What a listing says of a pool, beside the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// The numbers in circulation before anything is added, put back or withdrawn.
    pub(crate) circulation: Circulation,
    /// Numbers that the account has and the table lacks.
    pub(crate) add: Vec<Owned>,
    /// Numbers that an earlier listing lacked and this one has.
    pub(crate) put_back: Vec<Returned>,
    /// Numbers that the account has for this pool now, and had for another one before.
    pub(crate) take_over: Vec<Owned>,
    /// Numbers that an operator retired: to be given back once they have rested.
    pub(crate) give_back: Vec<Retired>,
    /// Numbers in circulation that the listing lacks.
    pub(crate) missing: Vec<Missing>,
    /// How many numbers the account has under the pool's tag that serve another pool.
    pub(crate) of_other_pools: usize,
    /// How many numbers the account has for the pool, by the listing or by the table.
    pub(crate) held: u64,
}

/// A number in circulation that a listing lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) number: Number,
    pub(crate) provider_id: String,
}

/// A number that the account has again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    pub(crate) owned: Owned,
    pub(crate) available_at: Timestamp,
}

/// A number that is to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) owned: Owned,
    pub(crate) available_at: Timestamp,
    pub(crate) withdrawn_at: Timestamp,
}

impl Retired {
    /// Whether no claim and no late draw holds the number any more. Routes are asked for
    /// beside this.
    pub(crate) fn has_rested(&self, now: Timestamp) -> bool {
        self.available_at <= now && self.withdrawn_at.after(REST_SECONDS) <= now
    }
}

/// The numbers whose rows have to be read: the index lags behind the rows.
pub(crate) fn numbers_to_read(indexed: &[IndexedNumber], listing: &Listing) -> Vec<Number> {
    let owned = listing.numbers.iter().map(|owned| &owned.number);
    let indexed = indexed.iter().map(|indexed| &indexed.number);
    let all: HashSet<&Number> = owned.chain(indexed).collect();
    all.into_iter().cloned().collect()
}

/// Compares the rows of [`numbers_to_read`] with the account's numbers.
pub(crate) fn reconcile(
    pool: &Pool,
    rows: Vec<PoolNumber>,
    listing: &Listing,
    now: Timestamp,
) -> Findings {
    let mut owned: HashMap<&Number, &Owned> =
        listing.numbers.iter().map(|owned| (&owned.number, owned)).collect();
    let mut findings = Findings { held: count(listing), ..Findings::default() };
    for row in rows {
        let listed = owned.remove(&row.number);
        let is_ours = row.pool == pool.id;
        match (listed, row.withdrawn) {
            (Some(listed), Some(Withdrawn { by: WithdrawnBy::Account, .. })) if !is_ours => {
                findings.take_over.push(listed.clone());
            }
            (Some(_), _) if !is_ours => findings.of_other_pools += 1,
            (None, _) if !is_ours => {}
            (_, None) => {
                if listed.is_none() && row.provider == Some(pool.provider) {
                    findings.held += 1;
                    findings.missing.extend(missing(&row, now));
                }
                findings.circulation.insert(row.number, row.available_at);
            }
            (Some(listed), Some(Withdrawn { by: WithdrawnBy::Account, .. })) => {
                let available_at = row.available_at;
                findings.put_back.push(Returned { owned: listed.clone(), available_at });
            }
            (Some(listed), Some(Withdrawn { by: WithdrawnBy::Retirement, at })) => {
                findings.give_back.push(Retired {
                    owned: listed.clone(),
                    available_at: row.available_at,
                    withdrawn_at: at,
                });
            }
            (Some(_), Some(Withdrawn { by: WithdrawnBy::Operator, .. })) | (None, Some(_)) => {}
        }
    }
    findings.add =
        listing.numbers.iter().filter(|it| owned.contains_key(&it.number)).cloned().collect();
    // Only a complete listing shows what the account lacks.
    if !listing.is_complete() {
        findings.missing.clear();
    }
    findings
}

fn missing(row: &PoolNumber, now: Timestamp) -> Option<Missing> {
    let is_old = row.added_at.is_none_or(|added_at| added_at.after(YOUNG) <= now);
    let provider_id = row.provider_id.clone().filter(|_| is_old)?;
    Some(Missing { number: row.number.clone(), provider_id })
}

fn count(listing: &Listing) -> u64 {
    u64::try_from(listing.numbers.len() + listing.pending).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

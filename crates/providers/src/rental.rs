//! Finds, rents and lists numbers, for any provider.
//!
//! Every call takes a deadline and ends by then. A bought number has its tag from the
//! first moment, so the next listing under the tag has the number even if the answer to
//! the purchase was lost.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use masking::{Number, NumberType, Pool};

use crate::http::{ApiError, Problem};

/// A number that the account rents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The number.
    pub number: Number,
    /// The provider's id of the number, needed to change it or give it back.
    pub provider_id: String,
}

/// The numbers that the account rents under a tag.
#[derive(Debug)]
pub struct Listing {
    /// The numbers that could be read.
    pub numbers: Vec<Owned>,
    /// Why numbers may be missing; `None` if the list is complete.
    pub cut_short: Option<ApiError>,
}

/// The purpose of a purchase. Each provider derives the terms of its order from it.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// The pool that the numbers are for.
    pub pool: &'a Pool,
    /// The name under which the account lists the numbers; at most 64 characters.
    pub tag: &'a str,
    /// Where providers reach the HTTP API, such as `https://calls.example.com`.
    pub public_base_url: &'a str,
}

/// Why a number was not bought, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum BuyError {
    /// Someone else has the number: try another.
    #[error("the number is not for sale any more")]
    Taken,
    /// The provider refuses to sell: stop, since it would refuse the next number too.
    #[error("the provider refuses to sell")]
    Refused(#[source] ApiError),
    /// The provider limits requests, and sold nothing: stop until the next check, or
    /// longer if `retry_after` says so.
    #[error("the provider asks for patience")]
    RateLimited {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// The provider's answer.
        source: ApiError,
    },
    /// The outcome is unknown, and a lookup right afterwards did not find the number.
    /// Stop: if the number was bought after all, the next listing has it.
    #[error("the purchase was not confirmed")]
    Unconfirmed {
        /// Why the order got no clear answer.
        source: ApiError,
        /// Why the lookup in the account failed, if it was tried and failed.
        lookup: Option<ApiError>,
    },
}

/// A provider's number API, implemented in the provider's folder.
pub(crate) trait NumberApi {
    /// The name of the call that lists numbers, for errors.
    const LIST: &'static str;

    /// Lists the account's numbers; may leave out numbers under other tags. Fails only
    /// if the first page can't be read.
    async fn list(&self, tag: &str, deadline: Instant) -> Result<Entries, ApiError>;

    /// Lists the account's numbers; may leave out all but this one.
    async fn find(&self, number: &Number, deadline: Instant) -> Result<Entries, ApiError>;

    /// Finds numbers that can be rented, about `limit`. `country` is an ISO 3166 code.
    async fn search(
        &self,
        country: &str,
        number_type: NumberType,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError>;

    /// Orders a number, once. The order itself sets its tag and webhooks. Returns the
    /// provider's id of the number.
    async fn order(
        &self,
        number: &Number,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<String, ApiError>;

    /// Whether this refusal of an order means that someone else has the number.
    fn is_taken(status: u16, code: Option<i64>) -> bool;
}

/// A number that the account rents, under any tag.
pub(crate) struct Entry {
    /// `None` if it can't be read.
    pub(crate) number: Option<Number>,
    pub(crate) provider_id: String,
    pub(crate) tag: String,
}

/// The account's numbers. `cut_short` says why the list may be incomplete.
pub(crate) struct Entries {
    pub(crate) entries: Vec<Entry>,
    pub(crate) cut_short: Option<ApiError>,
}

impl Listing {
    /// Whether the listing has all numbers under the tag. Only then does a missing
    /// number count as lost.
    pub fn is_complete(&self) -> bool {
        self.cut_short.is_none()
    }
}

impl BuyError {
    /// The API error behind it; `None` for a number that is taken.
    pub fn cause(&self) -> Option<&ApiError> {
        match self {
            Self::Taken => None,
            Self::Refused(source)
            | Self::RateLimited { source, .. }
            | Self::Unconfirmed { source, .. } => Some(source),
        }
    }
}

/// See [`NumberApi::owned`](crate::NumberApi::owned).
pub(crate) async fn owned<A: NumberApi>(
    api: &A,
    tag: &str,
    deadline: Instant,
) -> Result<Listing, ApiError> {
    let Entries { entries, mut cut_short } = api.list(tag, deadline).await?;
    let mut numbers = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.tag == tag) {
        match entry.number {
            Some(number) => numbers.push(Owned { number, provider_id: entry.provider_id }),
            None => cut_short = Some(ApiError::at(A::LIST)(Problem::UnreadableNumber)),
        }
    }
    // A purchase while the list is read may shift a number to the next page: it is then
    // listed twice.
    let mut seen = HashSet::new();
    numbers.retain(|owned| seen.insert(owned.number.clone()));
    Ok(Listing { numbers, cut_short })
}

/// See [`NumberApi::available`](crate::NumberApi::available).
pub(crate) async fn available<A: NumberApi>(
    api: &A,
    country: &str,
    number_type: NumberType,
    limit: usize,
    deadline: Instant,
) -> Result<Vec<Number>, ApiError> {
    let mut numbers = api.search(country, number_type, limit, deadline).await?;
    let mut seen = HashSet::new();
    numbers.retain(|number| seen.insert(number.clone()));
    numbers.truncate(limit);
    Ok(numbers)
}

/// See [`NumberApi::buy`](crate::NumberApi::buy).
pub(crate) async fn buy<A: NumberApi>(
    api: &A,
    number: &Number,
    purpose: &Purpose<'_>,
    deadline: Instant,
) -> Result<Owned, BuyError> {
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let error = match api.order(number, purpose, half).await {
        Ok(provider_id) => return Ok(Owned { number: number.clone(), provider_id }),
        Err(error) => error,
    };
    match error.problem {
        Problem::Status { retry_after, status: 429, .. } => {
            Err(BuyError::RateLimited { retry_after, source: error })
        }
        Problem::Status { status: status @ 400..500, code, .. } => {
            Err(if A::is_taken(status, code) { BuyError::Taken } else { BuyError::Refused(error) })
        }
        Problem::NotReached(_) | Problem::OutOfTime => {
            Err(BuyError::Unconfirmed { source: error, lookup: None })
        }
        _ => confirm(api, number, purpose.tag, error, deadline).await,
    }
}

/// Looks up a number whose order got no clear answer.
async fn confirm<A: NumberApi>(
    api: &A,
    number: &Number,
    tag: &str,
    error: ApiError,
    deadline: Instant,
) -> Result<Owned, BuyError> {
    let entries = match api.find(number, deadline).await {
        Ok(listed) => listed.entries,
        Err(lookup) => {
            return Err(BuyError::Unconfirmed { source: error, lookup: Some(lookup) });
        }
    };
    match entries.into_iter().find(|entry| entry.number.as_ref() == Some(number)) {
        Some(Entry { provider_id, tag: actual, .. }) if actual == tag => {
            Ok(Owned { number: number.clone(), provider_id })
        }
        // The account has the number under another tag.
        Some(_) => Err(BuyError::Taken),
        None => Err(BuyError::Unconfirmed { source: error, lookup: None }),
    }
}

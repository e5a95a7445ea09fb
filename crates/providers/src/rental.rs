//! Finding, renting and listing numbers, whoever the provider is.
//!
//! Every call takes a deadline and is over by then. What was bought is never in
//! doubt for long: it carries its tag from the first moment, so that the next
//! listing under the tag has it, whatever became of the answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use masking::{Number, NumberType, Pool};

use crate::http::{ApiError, Problem};

/// A number that the account rents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The number.
    pub number: Number,
    /// The provider's id of it, needed to change it or give it back.
    pub provider_id: String,
}

/// What the account rents under a tag.
#[derive(Debug)]
pub struct Listing {
    /// The numbers, as far as they were read.
    pub numbers: Vec<Owned>,
    /// Why there may be more of them; none if the list was read to its end.
    pub cut_short: Option<ApiError>,
}

/// What numbers are bought for. Each provider makes its own terms of it.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// The pool that the numbers are for.
    pub pool: &'a Pool,
    /// The name under which the account lists them; at most 64 characters.
    pub tag: &'a str,
    /// Where providers reach the HTTP API.
    pub public_base_url: &'a str,
}

/// A number was not bought, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum BuyError {
    /// The number has gone to someone else: try another.
    #[error("the number is not for sale any more")]
    Taken,
    /// The provider won't sell: stop, the next number will fare no better.
    #[error("the provider refuses to sell")]
    Refused(#[source] ApiError),
    /// Nothing was done: stop until the next check, or longer if it says so.
    #[error("the provider asks for patience")]
    RateLimited {
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
        /// What it said.
        source: ApiError,
    },
    /// What became of it is not known, and the account didn't have the number right
    /// afterwards. Stop: if it was bought after all, the next listing has it.
    #[error("the purchase was not confirmed")]
    Unconfirmed {
        /// What became of the order.
        source: ApiError,
        /// Why the number could not be looked up in the account, if it was tried.
        lookup: Option<ApiError>,
    },
}

/// A provider's number API, as its folder writes it.
pub(crate) trait NumberApi {
    /// The name of the call that lists numbers, for errors.
    const LIST: &'static str;

    /// Lists the account's numbers; those under other tags may be left out. Only a
    /// beginning that can't be read is an error.
    async fn list(&self, tag: &str, deadline: Instant) -> Result<Entries, ApiError>;

    /// Lists the account's numbers; all but this one may be left out.
    async fn find(&self, number: &Number, deadline: Instant) -> Result<Entries, ApiError>;

    /// Finds numbers that can be rented, about `limit`. The country is an ISO 3166 code.
    async fn search(
        &self,
        country: &str,
        number_type: NumberType,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError>;

    /// Orders a number, with its tag and webhooks set from the first moment; once.
    /// Returns the provider's id of it.
    async fn order(
        &self,
        number: &Number,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<String, ApiError>;

    /// Whether this refusal of an order means that someone else has the number.
    fn is_taken(status: u16, code: Option<i64>) -> bool;
}

/// A number that the account rents, under whatever tag.
pub(crate) struct Entry {
    /// None if it can't be read.
    pub(crate) number: Option<Number>,
    pub(crate) provider_id: String,
    pub(crate) tag: String,
}

/// A list of the account's numbers, perhaps not to its end.
pub(crate) struct Entries {
    pub(crate) entries: Vec<Entry>,
    pub(crate) cut_short: Option<ApiError>,
}

impl Listing {
    /// Whether all that the account rents under the tag is in it. Only then does a
    /// number's absence say that it was lost.
    pub fn is_complete(&self) -> bool {
        self.cut_short.is_none()
    }
}

impl BuyError {
    /// What the provider answered, if it was asked for this number.
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
    // A number that is bought while the list is read may shift another to the next page.
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

/// Looks for a number whose order got no clear answer.
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
        // Ours, but for something else.
        Some(_) => Err(BuyError::Taken),
        None => Err(BuyError::Unconfirmed { source: error, lookup: None }),
    }
}

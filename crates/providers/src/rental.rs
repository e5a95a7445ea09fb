//! Finds, rents, lists and gives back numbers, for any provider.
//!
//! Every call takes a deadline and ends by then. A bought number has its tag from the
//! first moment, so the next listing under the tag has the number even if the answer to
//! the purchase was lost.

use std::collections::HashSet;

use masking::{Number, NumberType, Pool};
use tokio::time::Instant;

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
#[derive(Debug, Default)]
pub struct Listing {
    /// The numbers that could be read and can be used.
    pub numbers: Vec<Owned>,
    /// Numbers that the list happens to show and that are not for use: those under other
    /// tags, and those that the provider has not put into service yet.
    pub others: HashSet<Number>,
    /// How many numbers under the tag are not in service yet. They are paid for.
    pub pending: usize,
    /// Why numbers may be missing; `None` if the list is complete.
    pub cut_short: Option<ApiError>,
}

/// A number of the account, with the tag that the account has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The number. `None` if it can't be read.
    pub number: Option<Number>,
    /// The provider's id of the number.
    pub provider_id: String,
    /// The tag, as the provider stores it.
    pub tag: String,
}

/// The purpose of a number. Each provider derives the terms of its order from it.
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
    /// Someone else has the number, or the account has it already: try another.
    #[error("the number is not for sale any more")]
    Taken,
    /// The account had the number before the order, which changed its tag and webhooks
    /// and cost nothing. The caller has to put it as it was.
    #[error("the account had the number before")]
    HadBefore {
        /// The provider's id of the number.
        provider_id: String,
    },
    /// The provider refuses to sell: stop, since it would refuse the next number too.
    #[error("the provider refuses to sell")]
    Refused(#[source] ApiError),
    /// The order was not sent, or the provider limits requests: nothing was sold, stop.
    #[error("the order was not taken")]
    NotTaken(#[source] ApiError),
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

    /// Lists the account's numbers, and may leave out those under another tag than `tag`.
    /// Fails only if the first page can't be read.
    async fn list(&self, tag: Option<&str>, deadline: Instant) -> Result<Entries, ApiError>;

    /// Asks whether the account has a number, before it is bought. `None` if the lists
    /// of this API show every number of the account anyway.
    async fn ask(&self, number: &Number, deadline: Instant) -> Result<Option<Asked>, ApiError>;

    /// Asks for a number after an order that got no clear answer.
    async fn find(&self, number: &Number, deadline: Instant) -> Result<Option<Entry>, ApiError>;

    /// Reads one number of the account by the provider's id. `None` if it has none.
    async fn read(&self, provider_id: &str, deadline: Instant) -> Result<Option<Entry>, ApiError>;

    /// Finds numbers that can be rented, about `limit`. `country` is an ISO 3166 code.
    async fn search(
        &self,
        country: &str,
        number_type: NumberType,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError>;

    /// Orders a number, once. The order itself sets its tag and webhooks.
    async fn order(
        &self,
        number: &Number,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<Sold, ApiError>;

    /// Sets tag and webhooks of a number that the account has.
    async fn point(
        &self,
        provider_id: &str,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<(), ApiError>;

    /// Gives a number back. Succeeds too if the account has it no more.
    async fn give_back(&self, provider_id: &str, deadline: Instant) -> Result<(), ApiError>;

    /// Whether this refusal of an order means that someone else has the number.
    fn is_taken(status: u16, code: Option<i64>) -> bool;
}

/// A number that the account rents, under any tag.
#[derive(Clone)]
pub(crate) struct Entry {
    /// `None` if it can't be read.
    pub(crate) number: Option<Number>,
    pub(crate) provider_id: String,
    pub(crate) tag: String,
    /// Whether the number is in service.
    pub(crate) ready: bool,
}

/// The account's numbers. `cut_short` says why the list may be incomplete.
pub(crate) struct Entries {
    pub(crate) entries: Vec<Entry>,
    pub(crate) cut_short: Option<ApiError>,
}

/// The answer to [`NumberApi::ask`].
pub(crate) struct Asked {
    pub(crate) has_it: bool,
    /// The provider's time, in seconds since the Unix epoch, if it tells.
    pub(crate) at: Option<i64>,
}

/// The answer to an order.
pub(crate) struct Sold {
    pub(crate) entry: Entry,
    /// When the account got the number, in seconds since the Unix epoch, if the provider
    /// tells.
    pub(crate) since: Option<i64>,
}

/// A number is older than its order if it was created this long before, by the
/// provider's own clocks, which may differ by some seconds.
const CLOCKS_DIFFER: i64 = 5;

impl Listing {
    /// Whether the listing has all numbers under the tag.
    pub fn is_complete(&self) -> bool {
        self.cut_short.is_none()
    }
}

impl BuyError {
    /// The API error behind it; `None` for a number that somebody has already.
    pub fn cause(&self) -> Option<&ApiError> {
        match self {
            Self::Taken | Self::HadBefore { .. } => None,
            Self::Refused(source) | Self::NotTaken(source) | Self::Unconfirmed { source, .. } => {
                Some(source)
            }
        }
    }
}

/// See [`NumberApi::owned`](crate::NumberApi::owned).
pub(crate) async fn owned<A: NumberApi>(
    api: &A,
    tag: &str,
    deadline: Instant,
) -> Result<Listing, ApiError> {
    Ok(listing(api.list(Some(tag), deadline).await?, tag, A::LIST))
}

/// What a list of the account says of the numbers under exactly this tag. `call` is that of
/// the list, for errors.
fn listing(Entries { entries, cut_short }: Entries, tag: &str, call: &'static str) -> Listing {
    let mut listing = Listing { cut_short, ..Listing::default() };
    // A purchase while the list is read may shift a number to the next page: it is then
    // listed twice.
    let mut seen = HashSet::new();
    for Entry { number, provider_id, tag: actual, ready } in entries {
        match number {
            Some(number) if actual == tag && ready => {
                let is_new = seen.insert(number.clone());
                listing.numbers.extend(is_new.then_some(Owned { number, provider_id }));
            }
            Some(number) => {
                listing.pending += usize::from(actual == tag);
                listing.others.insert(number);
            }
            None if actual == tag => {
                listing.cut_short = Some(ApiError::at(call)(Problem::UnreadableNumber));
            }
            None => {}
        }
    }
    listing
}

/// See [`NumberApi::everything`](crate::NumberApi::everything).
pub(crate) async fn everything<A: NumberApi>(
    api: &A,
    deadline: Instant,
) -> Result<Vec<Tagged>, ApiError> {
    let Entries { entries, cut_short } = api.list(None, deadline).await?;
    match cut_short {
        Some(error) => Err(error),
        None => Ok(entries.into_iter().map(Tagged::from).collect()),
    }
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
    Ok(numbers)
}

/// See [`NumberApi::buy`](crate::NumberApi::buy).
pub(crate) async fn buy<A: NumberApi>(
    api: &A,
    number: &Number,
    purpose: &Purpose<'_>,
    deadline: Instant,
) -> Result<Owned, BuyError> {
    let asked_at = match api.ask(number, deadline).await {
        Ok(Some(Asked { has_it: true, .. })) => return Err(BuyError::Taken),
        Ok(Some(Asked { at, .. })) => at,
        Ok(None) => None,
        Err(error) => return Err(BuyError::NotTaken(error)),
    };
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let error = match api.order(number, purpose, half).await {
        Ok(Sold { entry, since }) if is_older(since, asked_at) => {
            return Err(BuyError::HadBefore { provider_id: entry.provider_id });
        }
        Ok(Sold { entry: Entry { provider_id, ready: true, .. }, .. }) => {
            return Ok(Owned { number: number.clone(), provider_id });
        }
        // Paid, and not in service yet: the listing shows when it is.
        Ok(_) => {
            let source = ApiError::at(A::LIST)(Problem::NotInService);
            return Err(BuyError::Unconfirmed { source, lookup: None });
        }
        Err(error) => error,
    };
    match error.problem {
        Problem::Status { status: status @ 400..500, code, .. } if A::is_taken(status, code) => {
            Err(BuyError::Taken)
        }
        Problem::Status { status: 429, .. } | Problem::NotReached(_) | Problem::OutOfTime => {
            Err(BuyError::NotTaken(error))
        }
        Problem::Status { status: 400..500, .. } => Err(BuyError::Refused(error)),
        _ => confirm(api, number, purpose.tag, error, deadline).await,
    }
}

/// Whether the account had a number before it was asked for it.
fn is_older(since: Option<i64>, asked_at: Option<i64>) -> bool {
    since.zip(asked_at).is_some_and(|(since, asked_at)| since < asked_at - CLOCKS_DIFFER)
}

/// Looks up a number whose order got no clear answer.
async fn confirm<A: NumberApi>(
    api: &A,
    number: &Number,
    tag: &str,
    source: ApiError,
    deadline: Instant,
) -> Result<Owned, BuyError> {
    match api.find(number, deadline).await {
        Err(lookup) => Err(BuyError::Unconfirmed { source, lookup: Some(lookup) }),
        Ok(Some(Entry { provider_id, tag: actual, ready: true, .. })) if actual == tag => {
            Ok(Owned { number: number.clone(), provider_id })
        }
        // The account has the number under another tag: somebody else's, or its own form of
        // this one. Only a listing can tell.
        Ok(_) => Err(BuyError::Unconfirmed { source, lookup: None }),
    }
}

impl From<Entry> for Tagged {
    fn from(entry: Entry) -> Self {
        Self { number: entry.number, provider_id: entry.provider_id, tag: entry.tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_older_than_its_order_only_if_both_times_are_known_and_clearly_apart() {
        assert!(is_older(Some(94), Some(100)));
        for (since, asked_at) in [
            (Some(95), Some(100)),
            (Some(100), Some(100)),
            (Some(101), Some(100)),
            (None, Some(100)),
            (Some(94), None),
        ] {
            assert!(!is_older(since, asked_at), "{since:?} {asked_at:?}");
        }
    }

    fn entry(number: Option<&str>, tag: &str, ready: bool) -> Entry {
        let number = number.map(|number| number.parse().unwrap());
        Entry { number, provider_id: "PN1".to_owned(), tag: tag.to_owned(), ready }
    }

    #[test]
    fn a_listing_has_each_number_of_its_tag_once_and_knows_of_the_others() {
        let entries = vec![
            entry(Some("+14155550100"), "s/a", true),
            entry(Some("+14155550100"), "s/a", true),
            entry(Some("+14155550101"), "s/a", false),
            entry(Some("+14155550102"), "s/a", false),
            entry(Some("+14155550103"), "s/b", false),
            entry(None, "s/b", true),
        ];
        let listing = listing(Entries { entries, cut_short: None }, "s/a", "list");
        let numbers: Vec<&str> = listing.numbers.iter().map(|it| it.number.as_str()).collect();
        assert_eq!(numbers, ["+14155550100"]);
        assert_eq!((listing.pending, listing.others.len()), (2, 3));
        assert!(listing.cut_short.is_none(), "it is not of this tag");
    }

    #[test]
    fn a_number_of_the_tag_that_can_not_be_read_makes_the_listing_incomplete() {
        let entries = vec![entry(None, "s/a", true)];
        let listing = listing(Entries { entries, cut_short: None }, "s/a", "list");
        assert!(listing.cut_short.is_some());
    }
}

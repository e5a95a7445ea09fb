//! Finding, renting and listing numbers, at either provider.
//!
//! Every call takes a deadline and is over by then. What was bought is never in
//! doubt for long: it carries its tag from the first moment, so that the next
//! listing under the tag has it, whatever became of the answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use masking::{Number, NumberType};
use reqwest::Client;

use crate::http::{ApiError, Problem};
use crate::{exotel, twilio};

/// A provider's number API.
#[derive(Clone, Debug)]
pub enum NumberApi {
    /// Twilio's.
    Twilio(twilio::numbers::Api),
    /// Exotel's.
    Exotel(exotel::numbers::Api),
}

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

/// How a number is to be rented.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The name under which the account lists it; at most 64 characters.
    pub tag: String,
    /// Whom Twilio asks when someone dials the number. Exotel asks its flow.
    pub voice_url: String,
    /// Whom Twilio asks when that fails.
    pub fallback_url: Option<String>,
    /// Twilio's id of the address that some countries ask for.
    pub address_sid: Option<String>,
    /// Twilio's id of the regulatory bundle that some countries ask for.
    pub bundle_sid: Option<String>,
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
    Unconfirmed(#[source] ApiError),
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

impl NumberApi {
    /// Opens Twilio's API; for the client see [`crate::client`].
    pub fn twilio(client: Client, account: &twilio::Account) -> Self {
        Self::Twilio(twilio::numbers::Api::new(client, account))
    }

    /// Opens Exotel's API; for the client see [`crate::client`].
    pub fn exotel(client: Client, account: &exotel::Account) -> Self {
        Self::Exotel(exotel::numbers::Api::new(client, account))
    }

    /// Lists all that the account rents under exactly this tag. Fails if not even
    /// the beginning could be read; see [`Listing::is_complete`] for the end.
    pub async fn owned(&self, tag: &str, deadline: Instant) -> Result<Listing, ApiError> {
        let (call, listed) = match self {
            Self::Twilio(api) => (twilio::numbers::LIST, api.tagged(tag, deadline).await?),
            Self::Exotel(api) => (exotel::numbers::LIST, api.all(deadline).await?),
        };
        let Entries { entries, mut cut_short } = listed;
        let mut numbers = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.tag == tag) {
            match entry.number {
                Some(number) => numbers.push(Owned { number, provider_id: entry.provider_id }),
                None => cut_short = Some(ApiError { call, problem: Problem::UnreadableNumber }),
            }
        }
        // A number that is bought while the list is read may shift another to the next page.
        let mut seen = HashSet::new();
        numbers.retain(|owned| seen.insert(owned.number.clone()));
        Ok(Listing { numbers, cut_short })
    }

    /// Finds numbers that can be rented, at most `limit`. The country is an ISO 3166 code.
    pub async fn available(
        &self,
        country: &str,
        number_type: NumberType,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError> {
        let mut numbers = match self {
            Self::Twilio(api) => api.available(country, number_type, limit, deadline).await?,
            Self::Exotel(api) => api.available(country, number_type, deadline).await?,
        };
        let mut seen = HashSet::new();
        numbers.retain(|number| seen.insert(number.clone()));
        numbers.truncate(limit);
        Ok(numbers)
    }

    /// Rents this very number, with its tag and webhooks set from the first moment.
    ///
    /// The order is sent once. If its answer is lost, the number is looked for in
    /// the account before the purchase is called unconfirmed; half of the time is
    /// kept for that.
    pub async fn buy(
        &self,
        number: &Number,
        terms: &Terms,
        deadline: Instant,
    ) -> Result<Owned, BuyError> {
        let now = Instant::now();
        let half = now + deadline.saturating_duration_since(now) / 2;
        let ordered = match self {
            Self::Twilio(api) => api.order(number, terms, half).await,
            Self::Exotel(api) => api.order(number, terms, half).await,
        };
        let error = match ordered {
            Ok(provider_id) => return Ok(Owned { number: number.clone(), provider_id }),
            Err(error) => error,
        };
        match error.problem {
            Problem::Status { retry_after, status: 429, .. } => {
                Err(BuyError::RateLimited { retry_after, source: error })
            }
            Problem::Status { status: 400..500, .. } if self.says_taken(&error.problem) => {
                Err(BuyError::Taken)
            }
            Problem::Status { status: 400..500, .. } => Err(BuyError::Refused(error)),
            Problem::NotReached(_) | Problem::OutOfTime => Err(BuyError::Unconfirmed(error)),
            _ => self.confirm(number, &terms.tag, error, deadline).await,
        }
    }

    fn says_taken(&self, problem: &Problem) -> bool {
        match (self, problem) {
            (Self::Twilio(_), Problem::Status { code, .. }) => {
                *code == Some(twilio::numbers::NOT_AVAILABLE)
            }
            (Self::Exotel(_), Problem::Status { status, .. }) => {
                exotel::numbers::NOT_AVAILABLE.contains(status)
            }
            _ => false,
        }
    }

    /// Looks for a number whose order got no clear answer.
    async fn confirm(
        &self,
        number: &Number,
        tag: &str,
        error: ApiError,
        deadline: Instant,
    ) -> Result<Owned, BuyError> {
        let listed = match self {
            Self::Twilio(api) => api.numbered(number, deadline).await,
            Self::Exotel(api) => api.all(deadline).await,
        };
        let entries = match listed {
            Ok(listed) => listed.entries,
            Err(lookup) => {
                tracing::warn!(
                    call = lookup.call,
                    problem = %lookup.problem,
                    "an unanswered purchase could not be looked up"
                );
                return Err(BuyError::Unconfirmed(error));
            }
        };
        match entries.into_iter().find(|entry| entry.number.as_ref() == Some(number)) {
            Some(Entry { provider_id, tag: actual, .. }) if actual == tag => {
                Ok(Owned { number: number.clone(), provider_id })
            }
            // Ours, but for something else.
            Some(_) => Err(BuyError::Taken),
            None => Err(BuyError::Unconfirmed(error)),
        }
    }
}

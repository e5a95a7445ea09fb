//! Why a check stops early, and what it logs then.

use std::time::Duration;

use lambda_support::Chain;
use masking::{Number, Pool};
use masking_store::StoreError;
use providers::{ApiError, BuyError};
use tracing::field::display;

use crate::by_hand::named;

/// The log message of a check that somebody should look at. The template's
/// `CheckStoppedFilter` matches it.
const STOPPED: &str = "a check stopped";

/// Why a check stops early.
pub(crate) enum Stop {
    Table(StoreError),
    Provider(ApiError),
    Purchase(BuyError),
    NoAccount,
    NoCountry,
    /// The account lacks more numbers than a check may withdraw.
    TooManyMissing {
        missing: Vec<Number>,
        most: usize,
    },
    /// The pool has as many numbers as it may have, and needs more.
    MaxReached,
    SoldOut {
        short_of: usize,
    },
    /// Another check of the pool is at work.
    Overtaken,
    /// The provider asked to be left alone for longer than until now.
    Paused,
    OutOfTime,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Table(error)
    }
}

impl Stop {
    /// How long to leave the provider alone, if that is why the check stops.
    pub(crate) fn rate_limit(&self) -> Option<Duration> {
        match self {
            Self::Provider(error) => error.rate_limit(),
            Self::Purchase(error) => error.cause()?.rate_limit(),
            _ => None,
        }
    }

    /// The word for it in the journal.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::Provider(_) => "provider",
            Self::Purchase(_) => "purchase",
            Self::NoAccount => "no_account",
            Self::NoCountry => "no_country",
            Self::TooManyMissing { .. } => "too_many_missing",
            Self::MaxReached => "max_reached",
            Self::SoldOut { .. } => "sold_out",
            Self::Overtaken => "overtaken",
            Self::Paused => "paused",
            Self::OutOfTime => "out_of_time",
        }
    }

    pub(crate) fn log(&self, pool: &Pool) {
        let pool = &pool.id;
        match self {
            Self::Table(error) => {
                let error = Chain(error);
                tracing::error!(%pool, why = "the table did not answer", %error, "{STOPPED}");
            }
            Self::Provider(ApiError { call, problem }) => {
                let problem = Chain(problem);
                tracing::error!(%pool, why = "the provider did not answer", call, %problem, "{STOPPED}");
            }
            Self::Purchase(error) => {
                if let BuyError::Unconfirmed { lookup: Some(ApiError { call, problem }), .. } =
                    error
                {
                    let problem = Chain(problem);
                    tracing::warn!(%pool, call, %problem, "an unanswered purchase could not be looked up");
                }
                let cause = error.cause();
                let call = cause.map(|cause| cause.call);
                let problem = cause.map(|cause| display(Chain(&cause.problem)));
                tracing::error!(%pool, why = %error, call, problem, "{STOPPED}");
            }
            Self::NoAccount => {
                tracing::error!(%pool, why = "the rental secret has no account to rent numbers from: fill it in", "{STOPPED}");
            }
            Self::NoCountry => {
                tracing::error!(%pool, why = "the pool has no country: nothing can be bought", "{STOPPED}");
            }
            Self::TooManyMissing { missing, most } => {
                let why =
                    "the account lacks too many numbers at once: nothing is withdrawn or bought";
                let (count, numbers) = (missing.len(), named(missing));
                tracing::error!(%pool, why, missing = count, numbers, most, "{STOPPED}");
            }
            Self::MaxReached => {
                tracing::warn!(%pool, "the pool has its max_numbers, and could use more");
            }
            Self::SoldOut { short_of } => {
                tracing::error!(%pool, why = "the provider has too few numbers for sale", short_of, "{STOPPED}");
            }
            Self::Overtaken => {
                tracing::warn!(%pool, "another check of the pool is at work");
            }
            Self::Paused => {
                tracing::info!(%pool, "the provider asked for patience: a later check goes on");
            }
            Self::OutOfTime => {
                tracing::info!(%pool, "no time is left: the next check goes on");
            }
        }
    }
}

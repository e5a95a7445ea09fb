//! Checks a pool: reconciles the table with the provider's account, then buys numbers.
//!
//! The account's numbers under the pool's tag are the truth about what is rented. The
//! table is reconciled with them before anything is bought, so that a crash between
//! paying and storing loses no number and buys none twice. `reconcile.rs` and
//! `purchases.rs` decide what to do; this file does it.

use std::time::Instant;

use lambda_support::Chain;
use masking::{Number, Pool, Provider};
use masking_store::StoreError;
use providers::{ApiError, BuyError, Listing, NumberApi, Owned, Purpose};
use tracing::field::display;

use crate::circulation::Circulation;
use crate::handler::{RefillPool, for_each};
use crate::purchases::{Step, candidates, next_step, shortfall};
use crate::reconcile::{Reconciliation, numbers_to_read, reconcile};
use crate::tag;

/// A check in progress: what it found, and what it did so far.
struct Check<'a> {
    function: &'a RefillPool,
    pool: &'a Pool,
    deadline: Instant,
    circulation: Circulation,
    added: usize,
    withdrawn: usize,
    bought: usize,
}

/// Why a check stops early.
enum Stop {
    Table(StoreError),
    Provider(ApiError),
    Purchase(BuyError),
    NoCountry,
    OutOfTime,
}

impl RefillPool {
    /// Brings a pool back to its target, as far as its provider and the time allow.
    /// Problems are logged; the next check goes on from there.
    pub(crate) async fn check(&self, pool: &Pool, deadline: Instant) {
        let circulation = match self.numbers.in_circulation(pool).await {
            Ok(rows) => Circulation::from_iter(rows),
            Err(error) => return Stop::Table(error).log(pool),
        };
        let mut check = Check {
            function: self,
            pool,
            deadline,
            circulation,
            added: 0,
            withdrawn: 0,
            bought: 0,
        };
        if let Some(api) = self.number_api(pool).await
            && let Err(stop) = check.refill(&api).await
        {
            stop.log(pool);
        }
        check.log();
    }

    /// The API of the pool's provider. `None` for a pool that is filled by hand, or while
    /// the secret has no account.
    async fn number_api(&self, pool: &Pool) -> Option<NumberApi> {
        // Checks are rare enough to read the secret each time.
        let secret = self.accounts.fresh().await.unwrap_or_default();
        let api = NumberApi::open(pool.provider, &secret, &self.http);
        if api.is_none() && pool.provider != Provider::Manual {
            tracing::error!(
                pool = %pool.id,
                provider = ?pool.provider,
                "the rental secret has no account to rent numbers from: fill it in"
            );
        }
        api
    }
}

impl Check<'_> {
    async fn refill(&mut self, api: &NumberApi) -> Result<(), Stop> {
        let tag = tag::of(&self.function.stack_name, &self.pool.id);
        let listing = api.owned(&tag, self.deadline).await.map_err(Stop::Provider)?;
        self.reconcile(&listing).await.map_err(Stop::Table)?;
        let owned = listing.numbers.len();
        // Only a complete listing says how many numbers the account holds.
        if let Some(error) = listing.cut_short {
            return Err(Stop::Provider(error));
        }
        let shortfall = shortfall(self.pool, &self.circulation, owned, self.function.now());
        self.buy(api, &tag, shortfall).await
    }

    async fn reconcile(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let rows = self.function.numbers.rows(&numbers_to_read(&self.circulation, listing)).await?;
        let indexed = std::mem::take(&mut self.circulation);
        let Reconciliation { circulation, add, withdraw } =
            reconcile(self.pool.provider, indexed, rows, listing);
        self.circulation = circulation;
        for owned in &add {
            self.add(owned).await?;
            self.added += 1;
        }
        self.withdraw(&withdraw).await
    }

    async fn add(&mut self, owned: &Owned) -> Result<(), StoreError> {
        let Owned { number, provider_id } = owned;
        let now = self.function.now();
        self.function.numbers.add(self.pool, number, provider_id, now).await?;
        self.circulation.insert(number.clone(), now);
        Ok(())
    }

    async fn withdraw(&mut self, lost: &[Number]) -> Result<(), StoreError> {
        let Self { function, pool, .. } = *self;
        let provider = Some(pool.provider);
        let withdraw = async |number| function.numbers.withdraw(&pool.id, number, provider).await;
        for_each(lost, withdraw).await?;
        for number in lost {
            tracing::warn!(pool = %pool.id, %number, "withdrew a number that the account lost");
            self.circulation.remove(number);
            self.withdrawn += 1;
        }
        Ok(())
    }

    async fn buy(&mut self, api: &NumberApi, tag: &str, shortfall: usize) -> Result<(), Stop> {
        if shortfall == 0 {
            return Ok(());
        }
        let Self { function, pool, deadline, .. } = *self;
        let country = pool.country.as_deref().ok_or(Stop::NoCountry)?;
        let limit = candidates(shortfall);
        let for_sale = api.available(country, pool.number_type, limit, deadline).await;
        let purpose = Purpose { pool, tag, public_base_url: &function.public_base_url };
        for candidate in for_sale.map_err(Stop::Provider)? {
            let time_left = deadline.saturating_duration_since(Instant::now());
            match next_step(shortfall - self.bought, time_left) {
                Step::Buy => {}
                Step::Enough => return Ok(()),
                Step::OutOfTime => return Err(Stop::OutOfTime),
            }
            let owned = match api.buy(&candidate, &purpose, deadline).await {
                Ok(owned) => owned,
                Err(BuyError::Taken) => continue,
                Err(error) => return Err(Stop::Purchase(error)),
            };
            self.bought += 1;
            // If this fails, the next listing has the number.
            self.add(&owned).await.map_err(Stop::Table)?;
        }
        let short_of = shortfall - self.bought;
        if 0 < short_of {
            tracing::warn!(pool = %pool.id, short_of, "the provider has too few numbers for sale");
        }
        Ok(())
    }

    fn log(&self) {
        let Self { pool, circulation, added, withdrawn, bought, .. } = self;
        let free = circulation.usable(pool, self.function.now());
        let numbers = circulation.len();
        tracing::info!(pool = %pool.id, free, numbers, added, withdrawn, bought, "checked a pool");
    }
}

impl Stop {
    fn log(&self, pool: &Pool) {
        let pool = &pool.id;
        match self {
            Self::Table(error) => {
                let error = Chain(error);
                tracing::error!(%pool, %error, "a check stopped: the table did not answer");
            }
            Self::Provider(ApiError { call, problem }) => {
                let problem = Chain(problem);
                tracing::error!(%pool, call, %problem, "a check stopped: the provider did not answer");
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
                tracing::error!(%pool, %error, call, problem, "a check stopped buying");
            }
            Self::NoCountry => {
                tracing::error!(%pool, "the pool has no country: nothing can be bought");
            }
            Self::OutOfTime => {
                tracing::info!(%pool, "no time is left to buy more: the next check goes on");
            }
        }
    }
}

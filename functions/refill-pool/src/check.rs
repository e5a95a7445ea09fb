//! A check of a pool: reconcile first, buy second.
//!
//! What the provider's account has under the pool's tag is the truth about what is
//! rented; the table is brought into line with it before anything is bought, so
//! that a crash between paying and storing loses nothing and buys nothing twice.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use carriers::{ApiError, BuyError, Listing, NumberApi, Terms};
use lambda_support::Chain;
use masking::{Allocation, Number, Pool, Provider, Timestamp};
use masking_store::StoreError;

use crate::handler::{RefillPool, for_each};
use crate::tag;

/// A purchase is not begun with less time than this.
const TIME_TO_BUY: Duration = Duration::from_secs(10);
/// Numbers searched for beyond those needed, since others buy too.
const SPARE_CANDIDATES: usize = 10;

/// What a check found and did, for the log.
#[derive(Debug, Default)]
struct Checked {
    added: usize,
    withdrawn: usize,
    bought: usize,
}

/// When each number of a pool is free; what was withdrawn is left out.
type Availability = HashMap<Number, Timestamp>;

impl RefillPool {
    /// Brings a pool back to its target, as far as its provider and the time allow.
    /// What goes wrong is logged; the next check goes on from there.
    pub(crate) async fn check(&self, pool: &Pool, deadline: Instant) {
        let mut checked = Checked::default();
        let mut numbers = match self.in_circulation(pool).await {
            Ok(numbers) => numbers,
            Err(error) => return log_store_error(pool, &error),
        };
        if let Some(api) = self.number_api(pool).await
            && let Err(error) = self.refill(pool, &api, &mut numbers, &mut checked, deadline).await
        {
            log_store_error(pool, &error);
        }
        let free = usable(pool, &numbers, self.now());
        let Checked { added, withdrawn, bought } = checked;
        tracing::info!(pool = %pool.id, free, numbers = numbers.len(), added, withdrawn, bought, "checked a pool");
    }

    async fn in_circulation(&self, pool: &Pool) -> Result<Availability, StoreError> {
        let rows = self.numbers.in_circulation(pool).await?;
        Ok(rows.into_iter().map(|row| (row.number, row.available_at)).collect())
    }

    /// The API of the pool's provider; none for a pool that is filled by hand, or
    /// while the secret has no account.
    async fn number_api(&self, pool: &Pool) -> Option<NumberApi> {
        // A check runs every few minutes: it may as well have the secret as it is now.
        let providers = self.providers.fresh().await;
        let providers = providers.as_deref();
        let api = match pool.provider {
            Provider::Manual => return None,
            Provider::Twilio => providers
                .and_then(|it| it.twilio_account.as_ref())
                .map(|account| NumberApi::twilio(self.http.clone(), account)),
            Provider::Exotel => providers
                .and_then(|it| it.exotel_account.as_ref())
                .map(|account| NumberApi::exotel(self.http.clone(), account)),
        };
        if api.is_none() {
            tracing::error!(
                pool = %pool.id,
                provider = ?pool.provider,
                "the provider secret has no account to rent numbers from: fill it in"
            );
        }
        api
    }

    async fn refill(
        &self,
        pool: &Pool,
        api: &NumberApi,
        numbers: &mut Availability,
        checked: &mut Checked,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let tag = tag::of(&self.stack_name, &pool.id);
        let listing = match api.owned(&tag, deadline).await {
            Ok(listing) => listing,
            Err(error) => {
                log_api_error(pool, &error);
                return Ok(());
            }
        };
        self.reconcile(pool, &listing, numbers, checked).await?;
        // How many the account holds is only known from a whole listing.
        if let Some(error) = &listing.cut_short {
            log_api_error(pool, error);
            return Ok(());
        }
        let soon = self.now().after(pool.cooldown_seconds);
        let shortfall = pool.shortfall(usable(pool, numbers, soon), count(listing.numbers.len()));
        self.buy(pool, api, tag, shortfall, numbers, checked, deadline).await
    }

    /// Adds what the account has and the table lacks, and withdraws what a whole
    /// listing no longer has: it may be someone else's by now.
    async fn reconcile(
        &self,
        pool: &Pool,
        listing: &Listing,
        numbers: &mut Availability,
        checked: &mut Checked,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let owned: Vec<Number> = listing.numbers.iter().map(|owned| owned.number.clone()).collect();
        let mut missing: HashMap<_, _> = listing
            .numbers
            .iter()
            .map(|owned| (&owned.number, owned.provider_id.as_str()))
            .collect();
        // The index lags; these rows do not.
        for row in self.numbers.rows(&owned).await? {
            missing.remove(&row.number);
            if row.in_circulation {
                numbers.insert(row.number, row.available_at);
            } else {
                numbers.remove(&row.number);
            }
        }
        for (number, provider_id) in missing {
            self.numbers.add(pool, number, provider_id, now).await?;
            numbers.insert(number.clone(), now);
            checked.added += 1;
        }

        if listing.is_complete() {
            let owned: HashSet<&Number> = owned.iter().collect();
            let absent: Vec<Number> =
                numbers.keys().filter(|number| !owned.contains(number)).cloned().collect();
            let rows = self.numbers.rows(&absent).await?;
            let lost = rows.iter().filter(|row| row.provider == Some(pool.provider));
            let lost: Vec<&Number> = lost.map(|row| &row.number).collect();
            let provider = Some(pool.provider);
            let withdraw = async |number| self.numbers.withdraw(&pool.id, number, provider).await;
            for_each(lost.iter().copied(), withdraw).await?;
            for number in lost {
                tracing::warn!(pool = %pool.id, %number, "withdrew a number that the account lost");
                numbers.remove(number);
                checked.withdrawn += 1;
            }
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a purchase is made of; nobody else calls it"
    )]
    async fn buy(
        &self,
        pool: &Pool,
        api: &NumberApi,
        tag: String,
        shortfall: u64,
        numbers: &mut Availability,
        checked: &mut Checked,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let shortfall = usize::try_from(shortfall).unwrap_or(usize::MAX);
        if shortfall == 0 {
            return Ok(());
        }
        let Some(country) = &pool.country else {
            tracing::error!(pool = %pool.id, "the pool has no country: nothing can be bought");
            return Ok(());
        };
        let limit = shortfall.saturating_add(SPARE_CANDIDATES);
        let candidates = match api.available(country, pool.number_type, limit, deadline).await {
            Ok(candidates) => candidates,
            Err(error) => {
                log_api_error(pool, &error);
                return Ok(());
            }
        };
        let voice_url = format!("{}/calls/twilio", self.public_base_url.trim_end_matches('/'));
        let terms = Terms {
            tag,
            fallback_url: Some(voice_url.clone()),
            voice_url,
            address_sid: pool.address_sid.clone(),
            bundle_sid: pool.bundle_sid.clone(),
        };
        for candidate in candidates {
            if checked.bought == shortfall {
                return Ok(());
            }
            if deadline.saturating_duration_since(Instant::now()) < TIME_TO_BUY {
                tracing::info!(pool = %pool.id, "no time is left to buy more: the next check goes on");
                return Ok(());
            }
            let owned = match api.buy(&candidate, &terms, deadline).await {
                Ok(owned) => owned,
                Err(BuyError::Taken) => continue,
                Err(error) => {
                    log_buy_error(pool, &error);
                    return Ok(());
                }
            };
            checked.bought += 1;
            // If this fails, the next listing has the number.
            let now = self.now();
            self.numbers.add(pool, &owned.number, &owned.provider_id, now).await?;
            numbers.insert(owned.number, now);
        }
        if checked.bought < shortfall {
            let short_of = shortfall - checked.bought;
            tracing::warn!(pool = %pool.id, short_of, "the provider has too few numbers for sale");
        }
        Ok(())
    }
}

/// How many of a pool's numbers may serve an order by then: those that are free, or
/// all that a shared pool has.
fn usable(pool: &Pool, numbers: &Availability, by: Timestamp) -> u64 {
    match pool.allocation {
        Allocation::Exclusive => count(numbers.values().filter(|it| **it <= by).count()),
        Allocation::Shared => count(numbers.len()),
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn log_store_error(pool: &Pool, error: &StoreError) {
    let error = Chain(error);
    tracing::error!(pool = %pool.id, %error, "a check stopped: the table did not answer");
}

fn log_api_error(pool: &Pool, error: &ApiError) {
    tracing::error!(pool = %pool.id, call = error.call, problem = %error.problem, "a check stopped: the provider did not answer");
}

fn log_buy_error(pool: &Pool, error: &BuyError) {
    match error {
        BuyError::Taken => {}
        BuyError::Refused(source)
        | BuyError::RateLimited { source, .. }
        | BuyError::Unconfirmed(source) => tracing::error!(
            pool = %pool.id,
            %error,
            call = source.call,
            problem = %source.problem,
            "a check stopped buying"
        ),
    }
}

//! Checks a pool: reconciles the table with the provider's account, then buys numbers.
//!
//! Neither a listing nor the index is trusted alone: the ledger bounds what is paid, and
//! the account is asked again before a number is withdrawn. A check that ends anywhere is
//! continued by the next. `reconcile.rs`, `missing.rs`, `ledger.rs` and `purchases.rs`
//! decide what to do; this file, `closer.rs` and `buy.rs` do it.

use journal::ProviderRequest;
use masking::{Pool, Provider, Timestamp};
use masking_store::{Change, Ledger};
use providers::{ApiError, Ended, Listing, NumberApi, Owned, Purpose, Transport};
use tokio::time::Instant;

use crate::circulation::{Circulation, count};
use crate::handler::RefillPool;
use crate::missing::has_it;
use crate::reconcile::{Findings, Retired, Returned, numbers_to_read, reconcile};
use crate::stop::Stop;
use crate::{ledger, tag};

/// The log message of a pool that needs numbers. The template's `PoolBelowMinFreeFilter`
/// matches it.
const BELOW_MIN_FREE: &str = "a pool is below min_free";

/// A check in progress: what it found, and what it did so far.
pub(crate) struct Check<'a> {
    pub(crate) function: &'a RefillPool,
    pub(crate) pool: &'a Pool,
    pub(crate) tag: String,
    pub(crate) deadline: Instant,
    pub(crate) ledger: Ledger,
    pub(crate) circulation: Circulation,
    pub(crate) done: Done,
}

/// What a check did, in numbers.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Numbers of the account that came into circulation: new, back, or of another pool.
    adopted: usize,
    pub(crate) withdrawn: usize,
    given_back: usize,
    pub(crate) bought: usize,
}

impl RefillPool {
    /// Brings a pool back to its target, as far as its provider and the time allow.
    /// Problems are logged; the next check goes on from there.
    pub(crate) async fn check(&self, pool: &Pool, deadline: Instant) {
        let mut check = Check {
            function: self,
            pool,
            tag: tag::of(&self.stack_name, &pool.id),
            deadline,
            ledger: Ledger::default(),
            circulation: Circulation::default(),
            done: Done::default(),
        };
        // Whatever is cut off here is mended by the next check, as after a crash.
        let ended = tokio::time::timeout_at(deadline, check.run()).await;
        let stopped = ended.unwrap_or(Err(Stop::OutOfTime)).err();
        if let Some(stop) = &stopped {
            check.pause(stop).await;
            stop.log(pool);
        }
        check.log(stopped.as_ref());
    }

    /// The API of the pool's provider. `None` for a pool that is filled by hand.
    async fn number_api(&self, pool: &Pool) -> Result<Option<NumberApi>, Stop> {
        if pool.provider == Provider::Manual {
            return Ok(None);
        }
        // Checks are rare enough to read the secret each time.
        let secret = self.accounts.fresh().await.unwrap_or_default();
        let transport = self.transport_of(pool.provider);
        let api = NumberApi::open(pool.provider, &secret, &transport);
        api.map(Some).ok_or(Stop::NoAccount)
    }

    /// The way to a provider, by which each request leaves a line in the journal.
    fn transport_of(&self, provider: Provider) -> Transport {
        let (journal, provider) = (self.journal.clone(), provider.as_str());
        self.transport.observed(move |ended, took| {
            let (outcome, status) = match ended {
                Ended::Answered(status) => (outcome_of(status), Some(status)),
                Ended::NotReached => ("not_reached", None),
                Ended::Unanswered => ("no_answer", None),
            };
            journal.write(ProviderRequest::new(provider, outcome, status, took));
        })
    }
}

fn outcome_of(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        429 => "too_many",
        300..=499 => "refused",
        _ => "failed",
    }
}

impl Check<'_> {
    async fn run(&mut self) -> Result<(), Stop> {
        let indexed = self.function.numbers.in_circulation(self.pool).await?;
        self.circulation = indexed.iter().cloned().collect();
        let Some(api) = self.function.number_api(self.pool).await? else { return Ok(()) };
        self.ledger = self.function.numbers.ledger(&self.pool.id).await?;
        if ledger::is_paused(self.ledger, self.function.now()) {
            return Err(Stop::Paused);
        }
        let listing = api.owned(&self.tag, self.deadline).await.map_err(Stop::Provider)?;
        let rows = self.function.numbers.rows(&numbers_to_read(&indexed, &listing)).await?;
        let findings = reconcile(self.pool, rows, &listing, self.function.now());
        let certain = listing.is_complete() && findings.missing.is_empty();
        self.settle(findings.held, certain).await?;
        self.reconcile(&api, findings, listing.numbers.len()).await?;
        let Listing { others, cut_short, .. } = listing;
        // Nothing is bought before the account was listed to its end, nor on a listing
        // that lacked numbers: it may lack more.
        match cut_short {
            Some(error) => Err(Stop::Provider(error)),
            None if 0 < self.done.withdrawn => Ok(()),
            None => self.buy(&api, others).await,
        }
    }

    /// Brings the ledger in line with a listing, by which the account holds `held` numbers.
    pub(crate) async fn settle(&mut self, held: u64, certain: bool) -> Result<(), Stop> {
        let now = self.function.now();
        let settled = ledger::after_listing(self.ledger, held, certain, now);
        if settled != self.ledger || self.ledger.revision == 0 {
            self.write(settled).await?;
        }
        Ok(())
    }

    /// Writes the ledger, which no other check may have written meanwhile.
    pub(crate) async fn write(&mut self, ledger: Ledger) -> Result<(), Stop> {
        let written = self.function.numbers.write_ledger(&self.pool.id, ledger).await?;
        self.ledger = written.ok_or(Stop::Overtaken)?;
        Ok(())
    }

    async fn reconcile(
        &mut self,
        api: &NumberApi,
        findings: Findings,
        listed: usize,
    ) -> Result<(), Stop> {
        let Findings { circulation, add, put_back, take_over, give_back, missing, .. } = findings;
        self.circulation = circulation;
        if 0 < findings.of_other_pools {
            let numbers = findings.of_other_pools;
            tracing::warn!(pool = %self.pool.id, numbers, "numbers under the pool's tag serve other pools: withdraw them there, and import them here");
        }
        for owned in &add {
            self.adopt(owned).await?;
        }
        for Returned { owned, available_at } in put_back {
            self.put_back(owned, available_at).await?;
        }
        for owned in &take_over {
            self.take_over(owned).await?;
        }
        for retired in &give_back {
            self.give_back(api, retired).await?;
        }
        // Whatever the account is believed to have and does not show is looked for.
        if !missing.is_empty() || u64::try_from(listed).unwrap_or(u64::MAX) < self.ledger.paid {
            self.look_closer(api, missing, findings.held).await?;
        }
        Ok(())
    }

    /// Adds a number that the account has and the table lacks.
    pub(crate) async fn adopt(&mut self, owned: &Owned) -> Result<(), Stop> {
        if self.add(owned).await? == Change::Done {
            self.done.adopted += 1;
        }
        Ok(())
    }

    pub(crate) async fn add(&mut self, owned: &Owned) -> Result<Change, Stop> {
        let Owned { number, provider_id } = owned;
        let now = self.function.now();
        let change = self.function.numbers.add(self.pool, number, provider_id, now).await?;
        if change == Change::Done {
            self.circulation.insert(number.clone(), now);
        }
        Ok(change)
    }

    pub(crate) async fn put_back(
        &mut self,
        owned: Owned,
        available_at: Timestamp,
    ) -> Result<(), Stop> {
        let Owned { number, provider_id } = owned;
        let now = self.function.now();
        let Self { function, pool, .. } = *self;
        if function.numbers.put_back(pool, &number, &provider_id, now).await? == Change::Done {
            self.circulation.insert(number, available_at);
            self.done.adopted += 1;
        }
        Ok(())
    }

    /// Takes a number over that the account renamed from another pool, once it has rested.
    async fn take_over(&mut self, owned: &Owned) -> Result<(), Stop> {
        let Owned { number, provider_id } = owned;
        let now = self.function.now();
        if self.function.routes.in_use(number, now).await? {
            return Ok(());
        }
        let Self { function, pool, .. } = *self;
        let change = function.numbers.take_over(pool, number, Some(provider_id), now).await?;
        if change == Change::Done {
            self.circulation.insert(number.clone(), now);
            self.done.adopted += 1;
        }
        Ok(())
    }

    /// Gives a retired number back once nobody can use it any more, and only if the account
    /// still has it for this pool: by its own answer, since a listing may be late. Its row
    /// stays, so that a late listing does not bring it back.
    pub(crate) async fn give_back(
        &mut self,
        api: &NumberApi,
        retired: &Retired,
    ) -> Result<(), Stop> {
        let Owned { number, provider_id } = &retired.owned;
        let now = self.function.now();
        if !retired.has_rested(now) || self.function.routes.in_use(number, now).await? {
            return Ok(());
        }
        let answer = match api.read(provider_id, self.deadline).await {
            Ok(answer) => answer,
            Err(error) => return self.go_on_after(error),
        };
        if !has_it(answer.as_ref(), &self.tag) {
            return Ok(());
        }
        match api.give_back(provider_id, self.deadline).await {
            Ok(()) => {
                self.done.given_back += 1;
                self.write(ledger::after_return(self.ledger)).await
            }
            Err(error) => self.go_on_after(error),
        }
    }

    /// Logs that something failed with one number. The check goes on with the others,
    /// unless the provider limits requests.
    pub(crate) fn go_on_after(&self, error: ApiError) -> Result<(), Stop> {
        let limits_requests = error.rate_limit().is_some();
        let stop = Stop::Provider(error);
        if limits_requests {
            return Err(stop);
        }
        stop.log(self.pool);
        Ok(())
    }

    /// Remembers that the provider wants to be left alone, if that is why the check ends.
    async fn pause(&mut self, stop: &Stop) {
        let Some(pause) = stop.rate_limit() else { return };
        let now = self.function.now();
        let paused = ledger::after_rate_limit(self.ledger, pause, now);
        if let Err(stop) = self.write(paused).await {
            stop.log(self.pool);
        }
    }

    /// Writes the journal's line, and warns of a pool that needs numbers. Of a table that did not
    /// answer nothing is known, so its pool has no figures.
    fn log(&self, stopped: Option<&Stop>) {
        let Self { pool, done, .. } = self;
        let mut line = journal::Check::new(pool.id.as_str(), pool.provider.as_str());
        line.stopped = stopped.map(Stop::as_str);
        line.bought = count(done.bought);
        line.given_back = count(done.given_back);
        line.lost = count(done.withdrawn);
        line.adopted = count(done.adopted);
        if matches!(stopped, Some(Stop::Table(_))) {
            self.function.journal.write(line);
            return;
        }
        let stock = self.circulation.stock(pool, self.function.now());
        let free = stock.free;
        line.stock = Some(journal::Stock {
            free,
            held: stock.held,
            cooling: stock.cooling,
            min_free: pool.min_free,
            paid: self.ledger.paid,
        });
        self.function.journal.write(line);
        if free < pool.min_free {
            let min_free = pool.min_free;
            tracing::warn!(pool = %pool.id, free, min_free, "{BELOW_MIN_FREE}");
        }
    }
}

impl RefillPool {
    pub(crate) fn purpose<'a>(&'a self, pool: &'a Pool, tag: &'a str) -> Purpose<'a> {
        Purpose { pool, tag, public_base_url: &self.public_base_url }
    }
}

//! Buys what a pool lacks. The ledger is raised before each order, so that nothing that an
//! answer says, or fails to say, exceeds the pool's `max_numbers`.

use std::collections::HashSet;

use masking::Number;
use masking_store::Change;
use providers::{BuyError, NumberApi};
use tokio::time::Instant;

use crate::check::Check;
use crate::purchases::{Step, candidates, draw, next_step, shortfall};
use crate::stop::Stop;
use crate::{ledger, tag};

impl Check<'_> {
    /// Buys numbers up to the pool's target. `others` are numbers that the account has for
    /// other purposes.
    pub(crate) async fn buy(
        &mut self,
        api: &NumberApi,
        others: HashSet<Number>,
    ) -> Result<(), Stop> {
        let shortfall =
            shortfall(self.pool, &self.circulation, self.ledger.paid, self.function.now());
        if shortfall == 0 {
            return if self.is_short() { Err(Stop::MaxReached) } else { Ok(()) };
        }
        for candidate in self.candidates(api, others, shortfall).await? {
            let time_left = self.deadline.saturating_duration_since(Instant::now());
            match next_step(shortfall - self.done.bought, time_left) {
                Step::Buy => self.order(api, &candidate).await?,
                Step::Enough => return Ok(()),
                Step::OutOfTime => return Err(Stop::OutOfTime),
            }
        }
        let short_of = shortfall - self.done.bought;
        if 0 < short_of { Err(Stop::SoldOut { short_of }) } else { Ok(()) }
    }

    /// Whether the pool could use more numbers than it may have.
    fn is_short(&self) -> bool {
        let now = self.function.now();
        0 < shortfall(self.pool, &self.circulation, 0, now)
    }

    /// The numbers to try, in the order in which to try them.
    async fn candidates(
        &self,
        api: &NumberApi,
        mut known: HashSet<Number>,
        shortfall: usize,
    ) -> Result<Vec<Number>, Stop> {
        let Self { function, pool, deadline, .. } = *self;
        let country = pool.country.as_deref().ok_or(Stop::NoCountry)?;
        let limit = candidates(shortfall);
        let for_sale = api.available(country, pool.number_type, limit, deadline).await;
        let drawn = draw(for_sale.map_err(Stop::Provider)?, &known, limit);
        let rows = function.numbers.rows(&drawn).await?;
        known.extend(rows.into_iter().map(|row| row.number));
        Ok(drawn.into_iter().filter(|number| !known.contains(number)).collect())
    }

    async fn order(&mut self, api: &NumberApi, candidate: &Number) -> Result<(), Stop> {
        let now = self.function.now();
        let before = self.ledger;
        let raised = ledger::before_order(before, self.pool.max_numbers, now);
        self.write(raised.ok_or(Stop::MaxReached)?).await?;
        let purpose = self.function.purpose(self.pool, &self.tag);
        match api.buy(candidate, &purpose, self.deadline).await {
            Ok(owned) => {
                self.done.bought += 1;
                // If this fails, the next listing has the number.
                match self.add(&owned).await? {
                    Change::Done => Ok(()),
                    // Another pool of this stack bought it in the same moment.
                    Change::NotSo => self.return_to_owner(api, candidate, &owned.provider_id).await,
                }
            }
            Err(BuyError::Taken) => self.write(ledger::after_no_sale(self.ledger, before)).await,
            Err(BuyError::HadBefore { provider_id }) => {
                self.write(ledger::after_no_sale(self.ledger, before)).await?;
                self.return_to_owner(api, candidate, &provider_id).await
            }
            Err(error @ (BuyError::NotTaken(_) | BuyError::Refused(_))) => {
                self.write(ledger::after_no_sale(self.ledger, before)).await?;
                Err(Stop::Purchase(error))
            }
            Err(error @ BuyError::Unconfirmed { .. }) => Err(Stop::Purchase(error)),
        }
    }

    /// Puts a number as it was that an order took from somebody who had it before: from a
    /// pool of this stack, or else from somebody who has to take it back.
    async fn return_to_owner(
        &mut self,
        api: &NumberApi,
        number: &Number,
        provider_id: &str,
    ) -> Result<(), Stop> {
        let Self { function, pool, deadline, .. } = *self;
        let rows = function.numbers.rows(std::slice::from_ref(number)).await?;
        let owner = rows.first().and_then(|row| function.pools.by_id(&row.pool));
        let tag = owner
            .map_or(tag::UNCLAIMED.to_owned(), |owner| tag::of(&function.stack_name, &owner.id));
        let purpose = function.purpose(owner.unwrap_or(pool), &tag);
        api.point(provider_id, &purpose, deadline).await.map_err(Stop::Provider)?;
        if owner.is_none() {
            // It may be logged: it is a number of the account, and no participant's phone.
            tracing::error!(pool = %pool.id, %number, "an order changed a number that the account had: put back its name and its webhooks");
        }
        Ok(())
    }
}

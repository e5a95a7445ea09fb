//! Looks closer at an account whose listing lacks numbers. Only here a check withdraws.

use masking::Number;
use masking_store::{Withdrawn, WithdrawnBy};
use providers::{NumberApi, Tagged};

use crate::by_hand::named;
use crate::check::Check;
use crate::handler::for_each;
use crate::ledger;
use crate::missing::{Suspicion, count_of, has_it, most_withdrawn, renamed, suspect};
use crate::reconcile::{Missing, Retired};
use crate::stop::Stop;

/// The log message of a check that withdrew numbers. The template's
/// `NumbersWithdrawnFilter` matches it.
const WITHDREW: &str = "withdrew numbers that the account lacks";

impl Check<'_> {
    /// Looks for numbers in the whole account that its listing under the tag lacks, and
    /// withdraws those that it really lacks. By that listing the account holds `held`.
    pub(crate) async fn look_closer(
        &mut self,
        api: &NumberApi,
        missing: Vec<Missing>,
        held: u64,
    ) -> Result<(), Stop> {
        let account = api.everything(self.deadline).await.map_err(Stop::Provider)?;
        self.settle_renamed(api, &account).await?;
        let suspicion = suspect(missing, &account, &self.tag);
        let Suspicion { unfounded, unclaimed, doubtful } = suspicion;
        if !unfounded.is_empty() {
            let numbers = unfounded.len();
            tracing::warn!(pool = %self.pool.id, numbers, "a listing lacked numbers that the account has");
        }
        for missing in &unclaimed {
            let purpose = self.function.purpose(self.pool, &self.tag);
            if let Err(error) = api.point(&missing.provider_id, &purpose, self.deadline).await {
                self.go_on_after(error)?;
            }
        }
        if doubtful.is_empty() {
            return self.settle(held.max(count_of(&account, &self.tag)), true).await;
        }
        let most = most_withdrawn(self.circulation.len());
        if most < doubtful.len() {
            let missing = doubtful.into_iter().map(|missing| missing.number).collect();
            return Err(Stop::TooManyMissing { missing, most });
        }
        let mut lost = Vec::new();
        for missing in doubtful {
            let answer = api.read(&missing.provider_id, self.deadline).await;
            if !has_it(answer.map_err(Stop::Provider)?.as_ref(), &self.tag) {
                lost.push(missing);
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        self.write(ledger::before_loss(self.ledger, self.function.now())).await?;
        let Self { function, pool, .. } = *self;
        let withdraw = async |number| {
            function.numbers.withdraw(pool, number, WithdrawnBy::Account, function.now()).await
        };
        let lost: Vec<&Number> = lost.iter().map(|missing| &missing.number).collect();
        for_each(lost.iter().copied(), withdraw).await?;
        for number in &lost {
            self.circulation.remove(number);
        }
        self.done.withdrawn = lost.len();
        let (count, numbers) = (lost.len(), named(lost.iter().copied()));
        tracing::error!(pool = %pool.id, count, numbers, "{WITHDREW}");
        Ok(())
    }

    /// Adds, puts back and gives back numbers that the account has under the tag in another
    /// form, which no listing under the tag shows.
    async fn settle_renamed(&mut self, api: &NumberApi, account: &[Tagged]) -> Result<(), Stop> {
        let renamed = renamed(account, &self.tag);
        let numbers: Vec<Number> = renamed.iter().map(|owned| owned.number.clone()).collect();
        let rows = self.function.numbers.rows(&numbers).await?;
        for owned in renamed {
            let Some(row) = rows.iter().find(|row| row.number == owned.number) else {
                self.adopt(&owned).await?;
                continue;
            };
            if row.pool != self.pool.id {
                continue;
            }
            let available_at = row.available_at;
            match row.withdrawn {
                Some(Withdrawn { by: WithdrawnBy::Account, .. }) => {
                    self.put_back(owned, available_at).await?;
                }
                Some(Withdrawn { by: WithdrawnBy::Retirement, at }) => {
                    let retired = Retired { owned, available_at, withdrawn_at: at };
                    self.give_back(api, &retired).await?;
                }
                Some(Withdrawn { by: WithdrawnBy::Operator, .. }) | None => {}
            }
        }
        Ok(())
    }
}

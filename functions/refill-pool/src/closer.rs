//! Looks closer at an account whose listing lacks numbers. Only here a check withdraws.

use masking::Number;
use masking_store::{PoolNumber, Withdrawn, WithdrawnBy};
use providers::{NumberApi, Owned, Tagged};

use crate::check::Check;
use crate::handler::for_each;
use crate::ledger;
use crate::missing::{Suspicion, has_it, most_withdrawn, renamed, suspect};
use crate::reconcile::{Missing, Retired};
use crate::stop::Stop;

/// The log message of a check that withdrew numbers. The template's
/// `NumbersWithdrawnFilter` matches it.
const WITHDREW: &str = "withdrew numbers that the account lacks";

impl Check<'_> {
    /// Looks for numbers in the whole account that its listing under the tag lacks, and
    /// withdraws those that it really lacks.
    pub(crate) async fn look_closer(
        &mut self,
        api: &NumberApi,
        missing: Vec<Missing>,
    ) -> Result<(), Stop> {
        let account = api.everything(self.deadline).await.map_err(Stop::Provider)?;
        self.settle_renamed(api, &account).await?;
        let suspicion = suspect(missing, &account, &self.tag);
        let Suspicion { unfounded, unclaimed, moved: mut lost, absent } = suspicion;
        if !unfounded.is_empty() {
            let numbers = unfounded.len();
            tracing::warn!(pool = %self.pool.id, numbers, "a listing lacked numbers that the account has");
        }
        for missing in &unclaimed {
            let purpose = self.function.purpose(self.pool, &self.tag);
            let pointed = api.point(&missing.provider_id, &purpose, self.deadline).await;
            pointed.map_err(Stop::Provider)?;
        }
        let most = most_withdrawn(self.circulation.len());
        if most < lost.len() + absent.len() {
            return Err(Stop::TooManyMissing { missing: lost.len() + absent.len(), most });
        }
        for missing in absent {
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
        let (numbers, first) = (lost.len(), lost.first());
        tracing::error!(pool = %pool.id, numbers, first = first.map(|it| it.as_str()), "{WITHDREW}");
        Ok(())
    }

    /// Puts back and gives back numbers that the account has under the tag in another form,
    /// which no listing under the tag shows.
    async fn settle_renamed(&mut self, api: &NumberApi, account: &[Tagged]) -> Result<(), Stop> {
        for row in self.function.numbers.rows(&renamed(account, &self.tag)).await? {
            let PoolNumber { number, pool, available_at, provider_id, withdrawn, .. } = row;
            let (Some(Withdrawn { by, at }), Some(provider_id)) = (withdrawn, provider_id) else {
                continue;
            };
            if pool != self.pool.id {
                continue;
            }
            match by {
                WithdrawnBy::Account => self.put_back(number, available_at).await?,
                WithdrawnBy::Retirement => {
                    let owned = Owned { number, provider_id };
                    let retired = Retired { owned, available_at, withdrawn_at: at };
                    self.give_back(api, &retired).await?;
                }
                WithdrawnBy::Operator => {}
            }
        }
        Ok(())
    }
}

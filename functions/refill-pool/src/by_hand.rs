//! Numbers that an operator puts in and takes out.

use std::collections::BTreeSet;

use masking::{Number, Pool};
use masking_store::{Import, StoreError, Withdrawal};

use crate::RefillPool;
use crate::handler::for_each;

/// A log line names no more numbers than this.
const NAMED: usize = 20;

impl RefillPool {
    pub(crate) async fn import(
        &self,
        pool: &Pool,
        numbers: &BTreeSet<Number>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let import = async |number| self.numbers.import(pool, number, now).await;
        let results = for_each(numbers, import).await?;
        let of_another_pool = with(&results, &Import::OfAnotherPool);
        tracing::info!(
            pool = %pool.id,
            added = with(&results, &Import::Added).len(),
            put_back = with(&results, &Import::PutBack).len(),
            known = with(&results, &Import::Known).len(),
            of_another_pool = of_another_pool.len(),
            "imported numbers"
        );
        if !of_another_pool.is_empty() {
            let numbers = named(&of_another_pool);
            tracing::warn!(pool = %pool.id, numbers, "numbers of another pool were not moved");
        }
        Ok(())
    }

    pub(crate) async fn withdraw(
        &self,
        pool: &Pool,
        numbers: &BTreeSet<Number>,
    ) -> Result<(), StoreError> {
        let withdraw = async |number| self.numbers.withdraw(&pool.id, number, None).await;
        let results = for_each(numbers, withdraw).await?;
        tracing::info!(
            pool = %pool.id,
            withdrawn = with(&results, &Withdrawal::Withdrawn).len(),
            not_of_the_pool = with(&results, &Withdrawal::NotOfThePool).len(),
            "withdrew numbers"
        );
        Ok(())
    }
}

fn with<'a, T: PartialEq>(results: &[(&'a Number, T)], wanted: &T) -> Vec<&'a Number> {
    results.iter().filter(|(_, result)| result == wanted).map(|(number, _)| *number).collect()
}

/// The first of many numbers, for a log. They are known to be ours.
fn named(numbers: &[&Number]) -> String {
    let names: Vec<&str> = numbers.iter().take(NAMED).map(|number| number.as_str()).collect();
    let more = if NAMED < numbers.len() { " …" } else { "" };
    format!("{}{more}", names.join(" "))
}

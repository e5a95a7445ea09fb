//! Imports and withdraws numbers for an operator.

use std::collections::BTreeSet;

use masking::{Number, Pool};
use masking_store::{Import, StoreError, Withdrawal};

use crate::RefillPool;
use crate::handler::for_each;

/// How many numbers a log line names at most.
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

/// The first of many numbers, for a log. They may be logged: they are our own numbers,
/// and not phones of participants.
fn named(numbers: &[&Number]) -> String {
    let names: Vec<&str> = numbers.iter().take(NAMED).map(|number| number.as_str()).collect();
    let more = if NAMED < numbers.len() { " …" } else { "" };
    format!("{}{more}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_names_the_first_numbers_and_says_if_there_are_more() {
        let numbers: Vec<Number> =
            (10..=30).map(|n| format!("+6221500{n}").parse().unwrap()).collect();
        let numbers: Vec<&Number> = numbers.iter().collect();
        assert_eq!(named(&numbers[..2]), "+622150010 +622150011");
        assert!(named(&numbers[..20]).ends_with(" +622150029"));
        assert!(named(&numbers).ends_with(" +622150029 …"));
    }
}

//! Imports and withdraws numbers for an operator.

use std::collections::BTreeSet;

use journal::Message;
use masking::{Number, Pool};
use masking_store::{Change, Import, StoreError, WithdrawnBy};

use crate::RefillPool;
use crate::circulation::count;
use crate::handler::for_each;

/// How many numbers a log line names at most.
const NAMED: usize = 20;

/// The result of importing one number, with the take-over of other pools' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Added,
    PutBack,
    Known,
    TakenOver,
    OfAnotherPool,
}

impl RefillPool {
    pub(crate) async fn import(
        &self,
        pool: &Pool,
        numbers: &BTreeSet<Number>,
    ) -> Result<(), StoreError> {
        let results = for_each(numbers, async |number| self.import_one(pool, number).await).await?;
        let of_another_pool = with(&results, &Arrival::OfAnotherPool);
        let mut line = Message::new(pool.id.as_str(), "pool.import");
        line.unchanged = count(with(&results, &Arrival::Known).len());
        line.elsewhere = count(of_another_pool.len());
        line.changed = count(results.len()) - line.unchanged - line.elsewhere;
        self.journal.write(line);
        if !of_another_pool.is_empty() {
            let numbers = named(of_another_pool.iter().copied());
            tracing::warn!(pool = %pool.id, numbers, "numbers of another pool were not moved: withdraw them there, and import them again when their orders are over");
        }
        Ok(())
    }

    /// Imports a number, or takes it over from another pool that has no use for it.
    async fn import_one(&self, pool: &Pool, number: &Number) -> Result<Arrival, StoreError> {
        let now = self.now();
        match self.numbers.import(pool, number, now).await? {
            Import::Added => return Ok(Arrival::Added),
            Import::PutBack => return Ok(Arrival::PutBack),
            Import::Known => return Ok(Arrival::Known),
            Import::OfAnotherPool => {}
        }
        let taken_over = !self.routes.in_use(number, now).await?
            && self.numbers.take_over(pool, number, None, now).await? == Change::Done;
        Ok(if taken_over { Arrival::TakenOver } else { Arrival::OfAnotherPool })
    }

    /// Takes numbers out of circulation. Those that are retired are given back by a later
    /// check.
    pub(crate) async fn withdraw(
        &self,
        pool: &Pool,
        numbers: &BTreeSet<Number>,
        by: WithdrawnBy,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let withdraw = async |number| self.numbers.withdraw(pool, number, by, now).await;
        let results = for_each(numbers, withdraw).await?;
        let retires = by == WithdrawnBy::Retirement;
        let kind = if retires { "pool.retire" } else { "pool.withdraw" };
        let mut line = Message::new(pool.id.as_str(), kind);
        line.changed = count(with(&results, &Change::Done).len());
        line.elsewhere = count(with(&results, &Change::NotSo).len());
        self.journal.write(line);
        Ok(())
    }
}

fn with<'a, T: PartialEq>(results: &[(&'a Number, T)], wanted: &T) -> Vec<&'a Number> {
    results.iter().filter(|(_, result)| result == wanted).map(|(number, _)| *number).collect()
}

/// The first of many numbers, for a log. They may be logged: they are our own numbers,
/// and not phones of participants.
pub(crate) fn named<'a>(
    numbers: impl IntoIterator<Item = &'a Number, IntoIter: ExactSizeIterator>,
) -> String {
    let numbers = numbers.into_iter();
    let more = if NAMED < numbers.len() { " …" } else { "" };
    let names: Vec<&str> = numbers.take(NAMED).map(Number::as_str).collect();
    format!("{}{more}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_names_the_first_numbers_and_says_if_there_are_more() {
        let numbers: Vec<Number> =
            (10..=30).map(|n| format!("+6221500{n}").parse().unwrap()).collect();
        assert_eq!(named(&numbers[..2]), "+622150010 +622150011");
        assert!(named(&numbers[..20]).ends_with(" +622150029"));
        assert!(named(&numbers).ends_with(" +622150029 …"));
    }
}

//! Decides how to reconcile the table with the provider's account. The account's numbers
//! under the pool's tag are the truth about what is rented.

use std::collections::HashSet;

use masking::{Number, Provider};
use masking_store::PoolNumber;
use providers::{Listing, Owned};

use crate::circulation::Circulation;

/// The changes that reconcile the table with the account.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reconciliation {
    /// The numbers in circulation before anything is added or withdrawn. A number that
    /// the account has and an operator withdrew is not among them: it stays withdrawn.
    pub(crate) circulation: Circulation,
    /// The numbers that the account has and the table lacks.
    pub(crate) add: Vec<Owned>,
    /// The numbers that the account lost: someone else may have them by now.
    pub(crate) withdraw: Vec<Number>,
}

/// The numbers whose rows have to be read, since the index lags behind the rows.
pub(crate) fn numbers_to_read(indexed: &Circulation, listing: &Listing) -> Vec<Number> {
    let owned = listing.numbers.iter().map(|owned| &owned.number);
    let known: HashSet<&Number> = owned.clone().collect();
    let absent = indexed.numbers().filter(|number| !known.contains(number));
    // Only a complete listing shows which numbers the account lacks.
    owned.chain(absent.filter(|_| listing.is_complete())).cloned().collect()
}

/// Compares the rows of [`numbers_to_read`] with the account's numbers. Only a number of
/// this provider can be lost there, and only a complete listing shows that it is.
pub(crate) fn reconcile(
    provider: Provider,
    indexed: Circulation,
    rows: Vec<PoolNumber>,
    listing: &Listing,
) -> Reconciliation {
    let owned: HashSet<&Number> = listing.numbers.iter().map(|owned| &owned.number).collect();
    let mut circulation = indexed;
    let mut stored = HashSet::new();
    let mut withdraw = Vec::new();
    for row in rows {
        if owned.contains(&row.number) {
            circulation.update(&row);
            stored.insert(row.number);
        } else if listing.is_complete() && row.provider == Some(provider) {
            withdraw.push(row.number);
        }
    }
    let add = listing.numbers.iter().filter(|owned| !stored.contains(&owned.number));
    Reconciliation { circulation, add: add.cloned().collect(), withdraw }
}

#[cfg(test)]
mod tests {
    use masking::Timestamp;
    use providers::{ApiError, Problem};

    use super::*;

    fn number(digit: u8) -> Number {
        format!("+62215000{digit}").parse().unwrap()
    }

    fn owned(digit: u8) -> Owned {
        Owned { number: number(digit), provider_id: format!("PN{digit}") }
    }

    fn whole(digits: &[u8]) -> Listing {
        Listing { numbers: digits.iter().map(|digit| owned(*digit)).collect(), cut_short: None }
    }

    fn cut_short(digits: &[u8]) -> Listing {
        let error = ApiError { call: "list", problem: Problem::Endless };
        Listing { cut_short: Some(error), ..whole(digits) }
    }

    fn row(digit: u8, provider: Provider) -> PoolNumber {
        PoolNumber {
            number: number(digit),
            available_at: Timestamp::from_seconds(digit.into()),
            in_circulation: true,
            provider: Some(provider),
        }
    }

    fn circulation(digits: &[u8]) -> Circulation {
        digits.iter().map(|digit| row(*digit, Provider::Manual)).collect()
    }

    #[track_caller]
    fn check(
        indexed: &[u8],
        rows: Vec<PoolNumber>,
        listing: &Listing,
        in_circulation: &[u8],
        add: &[u8],
        withdraw: &[u8],
    ) {
        let expected = Reconciliation {
            circulation: circulation(in_circulation),
            add: add.iter().map(|digit| owned(*digit)).collect(),
            withdraw: withdraw.iter().map(|digit| number(*digit)).collect(),
        };
        let indexed = circulation(indexed);
        assert_eq!(reconcile(Provider::Twilio, indexed, rows, listing), expected);
    }

    #[test]
    fn a_table_in_line_with_the_account_stays_as_it_is() {
        let rows = vec![row(1, Provider::Twilio), row(2, Provider::Twilio)];
        check(&[1, 2], rows, &whole(&[1, 2]), &[1, 2], &[], &[]);
        check(&[], vec![], &whole(&[]), &[], &[], &[]);
    }

    #[test]
    fn a_number_that_only_the_account_has_is_added() {
        check(&[1], vec![row(1, Provider::Twilio)], &whole(&[1, 2]), &[1], &[2], &[]);
        check(&[1], vec![row(1, Provider::Twilio)], &cut_short(&[1, 2]), &[1], &[2], &[]);
    }

    #[test]
    fn a_row_overrides_the_index() {
        check(&[], vec![row(1, Provider::Twilio)], &whole(&[1]), &[1], &[], &[]);
        let stale =
            PoolNumber { available_at: Timestamp::from_seconds(9), ..row(1, Provider::Manual) };
        let indexed = Circulation::from_iter([stale]);
        let rows = vec![row(1, Provider::Twilio)];
        let reconciled = reconcile(Provider::Twilio, indexed, rows, &whole(&[1]));
        assert_eq!(reconciled.circulation, circulation(&[1]));
    }

    #[test]
    fn a_withdrawn_number_that_the_account_has_stays_withdrawn() {
        let withdrawn = PoolNumber { in_circulation: false, ..row(1, Provider::Twilio) };
        for indexed in [&[1][..], &[]] {
            check(indexed, vec![withdrawn.clone()], &whole(&[1]), &[], &[], &[]);
        }
    }

    #[test]
    fn a_number_that_the_account_lost_is_withdrawn() {
        let rows = vec![row(1, Provider::Twilio), row(2, Provider::Twilio)];
        check(&[1, 2], rows, &whole(&[1]), &[1, 2], &[], &[2]);
    }

    #[test]
    fn a_number_from_elsewhere_is_not_withdrawn() {
        let of_an_unknown_provider = PoolNumber { provider: None, ..row(3, Provider::Exotel) };
        let rows = vec![row(1, Provider::Manual), row(2, Provider::Exotel), of_an_unknown_provider];
        check(&[1, 2, 3], rows, &whole(&[]), &[1, 2, 3], &[], &[]);
    }

    #[test]
    fn a_listing_that_was_cut_short_withdraws_nothing() {
        let rows = vec![row(1, Provider::Twilio), row(2, Provider::Twilio)];
        check(&[1, 2], rows, &cut_short(&[1]), &[1, 2], &[], &[]);
    }

    #[test]
    fn the_rows_of_absent_numbers_are_read_only_for_a_complete_listing() {
        let read = |listing: &Listing| {
            let mut numbers = numbers_to_read(&circulation(&[1, 2]), listing);
            numbers.sort();
            numbers
        };
        assert_eq!(read(&whole(&[2, 3])), [number(1), number(2), number(3)]);
        assert_eq!(read(&cut_short(&[2, 3])), [number(2), number(3)]);
    }
}

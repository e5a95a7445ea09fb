use masking::{PoolId, Pools, Provider};
use providers::{ApiError, Problem};

use super::*;

const NOW: u64 = 1_000_000;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

fn number(digit: u8) -> Number {
    format!("+62215000{digit}").parse().unwrap()
}

fn owned(digit: u8) -> Owned {
    Owned { number: number(digit), provider_id: format!("PN{digit}") }
}

fn whole(digits: &[u8]) -> Listing {
    Listing { numbers: digits.iter().map(|digit| owned(*digit)).collect(), ..Listing::default() }
}

fn cut_short(digits: &[u8]) -> Listing {
    let error = ApiError { call: "list", problem: Problem::Endless };
    Listing { cut_short: Some(error), ..whole(digits) }
}

/// A number of the pool `us`, rented from Twilio long ago.
fn row(digit: u8) -> PoolNumber {
    PoolNumber {
        number: number(digit),
        pool: PoolId::parse("us").unwrap(),
        available_at: Timestamp::from_seconds(digit.into()),
        provider: Some(Provider::Twilio),
        provider_id: Some(format!("PN{digit}")),
        added_at: Some(Timestamp::from_seconds(NOW - YOUNG)),
        withdrawn: None,
    }
}

fn withdrawn(digit: u8, by: WithdrawnBy) -> PoolNumber {
    PoolNumber { withdrawn: Some(Withdrawn { by, at: now() }), ..row(digit) }
}

fn of_another_pool(row: PoolNumber) -> PoolNumber {
    PoolNumber { pool: PoolId::parse("eu").unwrap(), ..row }
}

fn indexed(digit: u8) -> IndexedNumber {
    IndexedNumber { number: number(digit), available_at: Timestamp::from_seconds(digit.into()) }
}

fn circulation(digits: &[u8]) -> Circulation {
    digits.iter().map(|digit| indexed(*digit)).collect()
}

fn missing(digit: u8) -> Missing {
    Missing { number: number(digit), provider_id: format!("PN{digit}") }
}

fn findings(rows: Vec<PoolNumber>, listing: &Listing) -> Findings {
    let pools = Pools::parse(r#"[{"id":"us","provider":"twilio"}]"#).unwrap();
    reconcile(pools.named(None).unwrap(), rows, listing, now())
}

#[test]
fn a_table_in_line_with_the_account_stays_as_it_is() {
    let expected = Findings { circulation: circulation(&[1, 2]), held: 2, ..Findings::default() };
    assert_eq!(findings(vec![row(1), row(2)], &whole(&[1, 2])), expected);
    assert_eq!(findings(vec![], &whole(&[])), Findings::default());
}

#[test]
fn a_number_that_only_the_account_has_is_added() {
    for listing in [whole(&[1, 2]), cut_short(&[1, 2])] {
        let found = findings(vec![row(1)], &listing);
        assert_eq!((found.add, found.circulation), (vec![owned(2)], circulation(&[1])));
    }
}

#[test]
fn a_withdrawn_number_that_the_account_has_is_put_back_unless_an_operator_withdrew_it() {
    let found = findings(vec![withdrawn(1, WithdrawnBy::Account)], &whole(&[1]));
    let returned = Returned { owned: owned(1), available_at: Timestamp::from_seconds(1) };
    assert_eq!((found.put_back, found.circulation), (vec![returned], circulation(&[])));
    let found = findings(vec![withdrawn(1, WithdrawnBy::Operator)], &whole(&[1]));
    assert_eq!(found, Findings { held: 1, ..Findings::default() });
}

#[test]
fn a_retired_number_is_given_back_once_it_has_rested() {
    let found = findings(vec![withdrawn(1, WithdrawnBy::Retirement)], &whole(&[1]));
    let retired = found.give_back.first().unwrap();
    assert_eq!(retired.owned, owned(1));
    assert!(!retired.has_rested(now().after(REST_SECONDS - 1)));
    assert!(retired.has_rested(now().after(REST_SECONDS)));
    let held = Retired { available_at: now().after(100), ..retired.clone() };
    assert!(!held.has_rested(now().after(99)));
    assert!(held.has_rested(now().after(100)));
    let gone = findings(vec![withdrawn(1, WithdrawnBy::Retirement)], &whole(&[]));
    assert_eq!(gone, Findings::default());
}

#[test]
fn a_number_that_the_listing_lacks_is_missing_and_stays_in_circulation() {
    let found = findings(vec![row(1), row(2)], &whole(&[1]));
    assert_eq!((found.missing, found.held), (vec![missing(2)], 2));
    assert_eq!(found.circulation, circulation(&[1, 2]));
}

#[test]
fn a_young_number_a_number_from_elsewhere_and_one_of_a_short_list_are_not_missing() {
    let young = PoolNumber { added_at: Some(Timestamp::from_seconds(NOW - YOUNG + 1)), ..row(1) };
    let by_hand = PoolNumber { provider: Some(Provider::Manual), ..row(2) };
    let unknown = PoolNumber { provider: None, ..row(3) };
    let found = findings(vec![young, by_hand, unknown], &whole(&[]));
    assert_eq!((found.missing, found.held), (vec![], 1));
    assert_eq!(found.circulation, circulation(&[1, 2, 3]));
    assert_eq!(findings(vec![row(1)], &cut_short(&[])).missing, []);
    let of_an_earlier_version = PoolNumber { added_at: None, ..row(4) };
    assert_eq!(findings(vec![of_an_earlier_version], &whole(&[])).missing, [missing(4)]);
}

#[test]
fn a_number_of_another_pool_is_not_counted_and_taken_over_only_if_its_account_gave_it_up() {
    let found = findings(vec![of_another_pool(row(1))], &whole(&[1]));
    assert_eq!((found.of_other_pools, found.circulation), (1, circulation(&[])));
    assert!(found.add.is_empty() && found.take_over.is_empty());

    let given_up = of_another_pool(withdrawn(1, WithdrawnBy::Account));
    assert_eq!(findings(vec![given_up], &whole(&[1])).take_over, [owned(1)]);
    let retired = of_another_pool(withdrawn(1, WithdrawnBy::Retirement));
    assert_eq!(findings(vec![retired], &whole(&[1])).give_back, []);
    let by_hand = of_another_pool(withdrawn(1, WithdrawnBy::Operator));
    assert_eq!(findings(vec![by_hand], &whole(&[1])).take_over, []);
    assert_eq!(findings(vec![of_another_pool(row(1))], &whole(&[])), Findings::default());
}

#[test]
fn numbers_that_are_not_in_service_yet_are_held() {
    let listing = Listing { pending: 2, ..whole(&[1]) };
    assert_eq!(findings(vec![row(1)], &listing).held, 3);
}

#[test]
fn the_rows_of_all_numbers_are_read_that_the_index_or_the_account_shows() {
    let mut numbers = numbers_to_read(&[indexed(1), indexed(2)], &whole(&[2, 3]));
    numbers.sort();
    assert_eq!(numbers, [number(1), number(2), number(3)]);
}

//! What a check of a pool says, and what it leaves alone.

use serde_json::json;
use support::World;
use support::provider::{Call, FakeProvider, Fault};
use support::rows::text;
use support::world::assigned;

use crate::people::PAIR;

/// A world whose pool `us` may rent this many numbers and wants all of them, of an account
/// that has so many for sale.
async fn world_that_rents(most: usize, for_sale: usize) -> (World, FakeProvider) {
    let pools = json!([{
        "id": "us", "provider": "twilio", "country": "US", "min_free": 0, "target_free": most,
        "max_numbers": most, "shards": 1,
    }]);
    let world = World::with_pools(&pools);
    let provider = FakeProvider::start().await;
    provider.stock().now = world.now();
    world.given_rental_secret(&json!({"twilio": provider.twilio_part()}));
    let numbers: Vec<String> = (0..for_sale).map(|n| format!("+141555501{n:02}")).collect();
    provider.given_available(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
    (world, provider)
}

/// Checks the pool, and returns what was logged meanwhile.
async fn check(world: &World) -> String {
    let before = world.log().len();
    world.when_pool_told(&json!({"type": "pool.check", "pool": "us"})).await;
    world.log().split_off(before)
}

/// How many numbers the pool's ledger says are paid for.
async fn paid(world: &World) -> String {
    let rows = world.rows("NumbersTable").await;
    rows.iter().find_map(|row| text(row, "paid").map(str::to_owned)).unwrap()
}

#[tokio::test]
async fn a_provider_that_sells_all_that_is_missing_has_enough() {
    let (world, provider) = world_that_rents(2, 2).await;
    let log = check(&world).await;
    assert_eq!(provider.purchases().len(), 2);
    assert!(!log.contains("a check stopped"), "{log}");
    assert!(!log.contains("serve other pools"), "{log}");
}

#[tokio::test]
async fn a_pool_that_has_all_that_it_may_have_says_so_only_if_it_could_use_more() {
    let (world, _) = world_that_rents(2, 9).await;
    check(&world).await;
    let says = "the pool has its max_numbers";
    let log = check(&world).await;
    assert!(!log.contains(says), "both are free: {log}");
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let log = check(&world).await;
    assert!(log.contains(says), "{log}");
}

#[tokio::test]
async fn a_check_that_changes_nothing_writes_nothing() {
    let (world, _) = world_that_rents(2, 9).await;
    check(&world).await;
    world.take_bill();
    check(&world).await;
    let bill = world.take_bill();
    assert!(bill.write_units == 0.0, "{bill:?}");
}

#[tokio::test]
async fn a_list_that_breaks_off_never_lowers_what_is_paid() {
    let (world, provider) = world_that_rents(4, 9).await;
    check(&world).await;
    assert_eq!(paid(&world).await, "4");
    {
        let mut stock = provider.stock();
        (stock.page_size, stock.next_page) = (2, Some(json!("https://another.example.com/")));
    }
    for _ in 0..3 {
        let log = check(&world).await;
        assert!(log.contains("a check stopped"), "{log}");
        world.seconds_pass(25 * 3600);
        provider.stock().now = world.now();
    }
    assert_eq!(paid(&world).await, "4");
}

#[tokio::test]
async fn a_provider_that_limits_requests_is_counted_as_such() {
    let (world, provider) = world_that_rents(2, 9).await;
    for _ in 0..4 {
        provider.fail_next(Call::List, Fault::Status(429, 20429));
    }
    let log = check(&world).await;
    assert!(log.contains(r#""outcome":"too_many","status":"429""#), "{log}");
    let log = check(&world).await;
    assert!(log.contains(r#""stopped":"paused""#), "it is left alone: {log}");
}

#[tokio::test]
async fn an_import_of_a_pools_own_numbers_names_none_of_another() {
    let world = World::new();
    world.given_numbers("id-jkt", 0..2).await;
    assert!(!world.log().contains("numbers of another pool"), "{}", world.log());
}

#[tokio::test]
async fn an_account_that_shows_all_that_it_has_is_listed_once() {
    let (world, provider) = world_that_rents(2, 9).await;
    check(&world).await;
    let before = provider.calls(Call::List).len();
    check(&world).await;
    assert_eq!(provider.calls(Call::List).len() - before, 1);
}

#[tokio::test]
async fn a_number_that_the_account_has_again_is_back_and_counted() {
    let (world, provider) = world_that_rents(3, 3).await;
    check(&world).await;
    world.seconds_pass(7200);
    let lost = provider.stock().owned.remove(0);
    let log = check(&world).await;
    assert!(log.contains(r#""NumbersFree":2"#) && log.contains(r#""NumbersLost":1"#), "{log}");
    assert!(!log.contains("a listing lacked numbers that the account has"), "{log}");
    provider.stock().owned.push(lost);
    let log = check(&world).await;
    assert!(log.contains(r#""NumbersFree":3"#) && log.contains(r#""NumbersAdopted":1"#), "{log}");
}

#[tokio::test]
async fn a_provider_that_limits_requests_while_numbers_are_given_back_ends_the_check() {
    let (world, provider) = world_that_rents(3, 3).await;
    check(&world).await;
    let numbers: Vec<String> = provider.owned().into_iter().map(|it| it.number).collect();
    let retire = json!({"type": "pool.retire", "pool": "us", "numbers": numbers});
    world.when_pool_told(&retire).await;
    world.seconds_pass(60);
    provider.fail_next(Call::GiveBack, Fault::Status(429, 20429));
    let log = check(&world).await;
    assert!(log.contains(r#""stopped":"provider""#), "{log}");
    assert_eq!(provider.owned().len(), 3, "nothing more is asked for");
}

#[tokio::test]
async fn a_whole_list_that_lacks_what_the_table_has_does_not_lower_what_is_paid_at_once() {
    let (world, provider) = world_that_rents(4, 9).await;
    check(&world).await;
    world.seconds_pass(7200);
    let real = std::mem::take(&mut provider.stock().owned);
    for _ in 0..3 {
        let log = check(&world).await;
        assert!(log.contains(r#""stopped":"too_many_missing""#), "{log}");
        world.seconds_pass(25 * 3600);
        provider.stock().now = world.now();
    }
    provider.stock().owned = real;
    assert_eq!(paid(&world).await, "4");
}

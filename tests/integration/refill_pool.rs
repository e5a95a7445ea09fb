//! How a pool is filled: by hand, and from a provider.

use std::time::Duration;

use serde_json::{Value, json};
use support::World;
use support::provider::{ACCOUNT, Call, FakeProvider, Fault};
use support::world::{Handled, assigned, event, number};

use crate::people::{AGENT, CUSTOMER};

const TAG: &str = "masking/us";

fn import(pool: &str, numbers: &[String]) -> Value {
    json!({"type": "pool.import", "pool": pool, "numbers": numbers})
}

fn check(pool: &str) -> Value {
    json!({"type": "pool.check", "pool": pool})
}

fn is_done(handled: &Handled) -> bool {
    handled.refused.is_empty() && handled.again == 0
}

/// A world whose pool `us` is filled from a provider, up to five numbers.
async fn world_with_provider(name: &str, country: &str) -> (World, FakeProvider) {
    let pools = json!([{
        "id": "us", "provider": name, "country": country, "min_free": 0, "target_free": 5,
        "max_numbers": 8, "shards": 2,
    }]);
    let world = World::with_pools(&pools);
    let provider = FakeProvider::start().await;
    let accounts = json!({"twilio": provider.twilio_part(), "exotel": provider.exotel_part()});
    world.given_rental_secret(&accounts);
    (world, provider)
}

fn us_numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("+141555501{n:02}")).collect()
}

fn given_for_sale(provider: &FakeProvider, numbers: &[String]) {
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    provider.given_available(&numbers);
}

/// The end of the line that sums a check up.
fn summary(free: u64, paid: u64, added: u64, withdrawn: u64, bought: u64) -> String {
    format!(
        r#""NumbersFree":{free},"NumbersHeld":0,"NumbersCooling":0,"NumbersWanted":0,"NumbersPaid":{paid},"NumbersBought":{bought},"NumbersGivenBack":0,"NumbersLost":{withdrawn},"NumbersAdopted":{added}"#
    )
}

#[tokio::test]
async fn imported_numbers_are_free_at_once_and_importing_again_changes_nothing() {
    let world = World::new();
    let numbers = [number(1), number(2)];
    assert!(is_done(&world.when_pool_told(&import("id-jkt", &numbers)).await));
    assert_eq!(world.free_numbers().await, numbers);

    world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    assert!(is_done(&world.when_pool_told(&import("id-jkt", &numbers)).await));
    assert!(world.free_numbers().await.is_empty(), "a number that is known keeps its row");
}

#[tokio::test]
async fn a_number_of_another_pool_is_reported_and_not_moved() {
    let pools = json!([{"id": "a", "default": true}, {"id": "b"}]);
    let world = World::with_pools(&pools);
    world.given_numbers("a", 1..2).await;
    assert!(is_done(&world.when_pool_told(&import("b", &[number(1), number(2)])).await));
    let rows = world.rows("NumbersTable").await;
    let pools: Vec<_> = rows.iter().map(|row| support::rows::text(row, "pool").unwrap()).collect();
    assert!(pools.contains(&"a") && pools.contains(&"b"), "{pools:?}");
    let log = world.log();
    assert!(log.contains("numbers of another pool were not moved"), "{log}");
    assert!(
        log.contains(r#""NumbersChanged":1,"NumbersUnchanged":0,"NumbersElsewhere":1"#),
        "{log}"
    );
}

#[tokio::test]
async fn a_bad_message_is_refused_by_its_field() {
    let world = World::new();
    for (body, reason) in [
        ("no JSON", "body: must be JSON"),
        (r#"{"type":"pool.burn"}"#, "type: is not a known type of pool message"),
        (r#"{"type":"pool.check","pool":"x"}"#, "pool: must be the id of a pool of this stack"),
        (r#"{"type":"pool.withdraw","pool":"id-jkt"}"#, "numbers: is missing"),
    ] {
        let handled = world.when_refill_receives(body).await;
        assert_eq!((handled.refused, handled.again), (vec![reason.to_owned()], 0));
    }
}

#[tokio::test]
async fn a_withdrawn_number_is_back_when_it_is_imported_again() {
    let world = World::new();
    world.given_numbers("id-jkt", 1..3).await;
    let withdraw =
        json!({"type": "pool.withdraw", "pool": "id-jkt", "numbers": [number(1), number(9)]});
    for _ in 0..2 {
        assert!(is_done(&world.when_pool_told(&withdraw).await));
        assert_eq!(world.free_numbers().await, [number(2)]);
    }
    let log = world.log();
    assert!(
        log.contains(r#""NumbersChanged":1,"NumbersUnchanged":0,"NumbersElsewhere":1"#),
        "{log}"
    );
    assert!(is_done(&world.when_pool_told(&import("id-jkt", &[number(1), number(2)])).await));
    let log = world.log();
    let counts = r#""NumbersChanged":1,"NumbersUnchanged":1,"NumbersElsewhere":0"#;
    assert!(log.contains(counts), "{log}");
    assert_eq!(world.free_numbers().await, [number(1), number(2)]);
}

#[tokio::test]
async fn a_check_of_all_pools_becomes_a_check_of_each() {
    let world = World::with_pools(&json!([{"id": "a", "default": true}, {"id": "b"}]));
    assert!(is_done(&world.when_pool_told(&json!({"type": "pool.check"})).await));
    let sent = world.take_signals();
    let sent: Vec<_> =
        sent.iter().map(|it| (it.group.as_deref().unwrap(), it.body.as_str())).collect();
    assert_eq!(
        sent,
        [
            ("a", r#"{"pool":"a","type":"pool.check"}"#),
            ("b", r#"{"pool":"b","type":"pool.check"}"#),
        ]
    );
}

#[tokio::test]
async fn a_check_of_a_pool_that_is_filled_by_hand_says_how_many_are_free() {
    let world = World::new();
    world.given_numbers("id-jkt", 0..5).await;
    world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    assert!(is_done(&world.when_pool_told(&check("id-jkt")).await));
    let log = world.log();
    assert!(log.contains(r#""NumbersFree":3,"NumbersHeld":2,"NumbersCooling":0"#), "{log}");
    assert!(!log.contains("a check stopped"), "nothing is rented: {log}");
}

#[tokio::test]
async fn messages_are_redelivered_while_the_tables_do_not_answer_but_a_check_never_is() {
    let world = World::without_tables();
    let handled = world.when_pool_told(&import("id-jkt", &[number(1)])).await;
    assert_eq!((handled.again, handled.waits), (1, vec![5]));
    let withdraw = json!({"type": "pool.withdraw", "pool": "id-jkt", "numbers": [number(1)]});
    assert_eq!(world.when_pool_told(&withdraw).await.again, 1);
    assert!(is_done(&world.when_pool_told(&check("id-jkt")).await));
    let log = world.log();
    assert!(log.contains("the table did not answer") && log.contains("a check stopped"), "{log}");
    assert!(!log.contains("NumbersFree"), "nothing is known of the pool: {log}");
}

#[tokio::test]
async fn a_pool_is_bought_up_to_its_target_with_tag_and_webhooks() {
    for (name, country, numbers) in [
        ("twilio", "US", us_numbers(0..9)),
        ("exotel", "IN", (0..9).map(|n| format!("+9180000000{n:02}")).collect()),
    ] {
        let (world, provider) = world_with_provider(name, country).await;
        given_for_sale(&provider, &numbers);
        assert!(is_done(&world.when_pool_told(&check("us")).await));
        assert_eq!(world.free_numbers().await.len(), 5, "{name}: {}", world.log());
        let owned = provider.owned();
        assert_eq!(owned.len(), 5);
        for number in owned {
            assert_eq!(number.tag, TAG);
            if name == "twilio" {
                assert_eq!(number.voice_url, "https://calls.example.com/calls/twilio");
                assert_eq!(number.fallback_url, number.voice_url);
            } else {
                let flow = format!("http://my.exotel.com/{ACCOUNT}/exoml/start_voice/42");
                assert_eq!(number.voice_url, flow);
            }
        }
        assert!(is_done(&world.when_pool_told(&check("us")).await));
        assert_eq!(provider.purchases().len(), 5, "a full pool buys nothing");
        assert_eq!(provider.calls(Call::Search).len(), 1, "and does not look for any");
        let log = world.log();
        assert!(log.contains(&summary(5, 5, 0, 0, 5)), "{log}");
        assert!(!log.contains("too few numbers for sale"), "{log}");
        assert!(!log.contains("the rental secret leaves these off"), "{log}");
    }
}

#[tokio::test]
async fn numbers_that_cool_down_for_minutes_count_as_free_and_held_ones_do_not() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..20));
    world.when_pool_told(&check("us")).await;
    world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    world.when_pool_told(&check("us")).await;
    assert_eq!(provider.purchases().len(), 7, "two are held");
    world.when_told(&event("completed", "o-1", 2)).await;
    world.when_told(&assigned("o-2", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    world.when_pool_told(&check("us")).await;
    assert_eq!(provider.purchases().len(), 7, "two are held and two cool down");
}

#[tokio::test]
async fn the_account_never_holds_more_than_it_may() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..20));
    world.when_pool_told(&check("us")).await;
    for order in 0..3 {
        let (a, b) = (format!("+1202555010{order}"), format!("+1202555020{order}"));
        let people = [("customer", a.as_str()), ("agent", b.as_str())];
        world.when_told(&assigned(&format!("o-{order}"), 1, &people)).await;
        world.when_pool_told(&check("us")).await;
    }
    assert_eq!(provider.owned().len(), 8);
}

#[tokio::test]
async fn numbers_of_the_account_that_the_table_lacks_are_added_before_any_is_bought() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..9));
    for number in us_numbers(20..23) {
        provider.given_owned(&number, TAG);
    }
    provider.given_owned("+14155550199", "another-stack/us");
    world.when_pool_told(&check("us")).await;
    assert_eq!(provider.purchases().len(), 2);
    let log = world.log();
    assert!(log.contains(&summary(5, 5, 3, 0, 2)), "{log}");
    let free = world.free_numbers().await;
    assert_eq!(free.len(), 5);
    assert!(!free.contains(&"+14155550199".to_owned()));
}

#[tokio::test]
async fn numbers_that_the_account_lost_are_withdrawn_and_imported_ones_stay() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..5));
    world.given_numbers("us", 0..1).await;
    world.when_pool_told(&check("us")).await;
    let lost = provider.owned().first().unwrap().number.clone();
    provider.given_lost(&lost);
    world.seconds_pass(3600);
    world.when_pool_told(&check("us")).await;
    let free = world.free_numbers().await;
    assert!(!free.contains(&lost), "{free:?}");
    assert!(free.contains(&number(0)));
    let log = world.log();
    assert!(log.contains("withdrew numbers that the account lacks"), "{log}");
    assert!(log.contains(&summary(4, 4, 0, 1, 0)), "a check that withdrew buys nothing: {log}");
    world.when_pool_told(&check("us")).await;
    assert!(world.log().contains(&summary(5, 5, 0, 0, 1)), "the next one does");
}

#[tokio::test]
async fn a_withdrawn_number_stays_withdrawn_though_the_account_has_it() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..5));
    world.when_pool_told(&check("us")).await;
    let number = world.free_numbers().await.remove(0);
    let withdraw = json!({"type": "pool.withdraw", "pool": "us", "numbers": [number]});
    world.when_pool_told(&withdraw).await;
    world.when_pool_told(&check("us")).await;
    assert!(!world.free_numbers().await.contains(&number));
}

#[tokio::test]
async fn a_listing_that_was_cut_short_withdraws_and_buys_nothing() {
    let (world, provider) = world_with_provider("exotel", "IN").await;
    let numbers: Vec<String> = (0..3).map(|n| format!("+9180000000{n:02}")).collect();
    for number in &numbers {
        provider.given_owned(number, TAG);
    }
    world.when_pool_told(&check("us")).await;
    given_for_sale(&provider, &["+918000000099".to_owned()]);
    provider.stock().page_size = 1;
    provider.stock().pages_ignored = true;
    world.when_pool_told(&check("us")).await;
    assert_eq!(world.free_numbers().await, numbers);
    assert!(provider.purchases().is_empty());
    assert!(world.log().contains("the provider did not answer"));
}

#[tokio::test]
async fn a_sale_whose_answer_is_lost_is_neither_lost_nor_repeated() {
    for fault in [Fault::Silence, Fault::Status(500, 0), Fault::WebPage, Fault::EmptyObject] {
        let (world, provider) = world_with_provider("twilio", "US").await;
        given_for_sale(&provider, &us_numbers(0..9));
        provider.lose_next_sale(fault.clone());
        let check = check("us").to_string();
        let time = Duration::from_secs(14);
        assert!(is_done(&world.when_refill_receives_within(&check, time).await));
        assert!(is_done(&world.when_refill_receives_within(&check, time).await));
        assert_eq!(provider.owned().len(), 5, "{fault:?}");
        assert_eq!(world.free_numbers().await.len(), 5, "{fault:?}");
        let mut orders = provider.orders();
        orders.sort();
        orders.dedup();
        assert_eq!(orders.len(), provider.orders().len(), "no number is ordered twice: {fault:?}");
    }
}

#[tokio::test]
async fn a_provider_in_trouble_stops_a_check_with_the_call_and_the_code() {
    for (call, fault, said) in [
        (Call::List, Fault::WebPage, "list"),
        (Call::List, Fault::EmptyObject, "list"),
        (Call::List, Fault::Status(403, 20003), "20003"),
        (Call::Search, Fault::Status(400, 21452), "21452"),
        (Call::Buy, Fault::Status(400, 21631), "21631"),
        (Call::Buy, Fault::TooManyRequests(60), "429"),
        (Call::Ask, Fault::Status(403, 20003), "20003"),
    ] {
        let (world, provider) = world_with_provider("twilio", "US").await;
        given_for_sale(&provider, &us_numbers(0..9));
        provider.fail_next(call, fault.clone());
        assert!(is_done(&world.when_pool_told(&check("us")).await), "a check never fails");
        assert!(provider.purchases().is_empty(), "{call:?} {fault:?}");
        let log = world.log();
        assert!(log.contains("Twilio") && log.contains(said), "{call:?} {fault:?}: {log}");
        world.seconds_pass(60);
        world.when_pool_told(&check("us")).await;
        assert_eq!(provider.purchases().len(), 5, "the next check goes on");
    }
}

#[tokio::test]
async fn a_purchase_that_was_neither_confirmed_nor_looked_up_is_found_by_the_next_check() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..9));
    provider.lose_next_sale(Fault::Status(500, 0));
    // The account is asked for the number before the order, and after it.
    provider.fail_next(Call::Ask, Fault::Late(Duration::ZERO));
    provider.fail_next(Call::Ask, Fault::Status(403, 20003));
    assert!(is_done(&world.when_pool_told(&check("us")).await));
    let log = world.log();
    assert!(log.contains("an unanswered purchase could not be looked up"), "{log}");
    assert!(log.contains("the purchase was not confirmed"), "{log}");
    world.when_pool_told(&check("us")).await;
    assert_eq!((provider.purchases().len(), world.free_numbers().await.len()), (5, 5));
}

#[tokio::test]
async fn a_provider_without_enough_numbers_sells_what_it_has() {
    let (world, provider) = world_with_provider("exotel", "IN").await;
    given_for_sale(&provider, &["+918000000001".to_owned(), "+918000000002".to_owned()]);
    assert!(is_done(&world.when_pool_told(&check("us")).await));
    assert_eq!(world.free_numbers().await.len(), 2);
    let log = world.log();
    assert!(log.contains("the provider has too few numbers for sale"), "{log}");
    assert!(log.contains(r#""short_of":3"#), "{log}");
}

#[tokio::test]
async fn a_number_that_someone_else_bought_is_left_for_the_next_candidate() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..9));
    provider.stock().sold.push("+14155550100".to_owned());
    world.when_pool_told(&check("us")).await;
    assert_eq!(provider.purchases().len(), 5);
    assert!(!provider.purchases().contains(&"+14155550100".to_owned()));
}

#[tokio::test]
async fn nothing_is_bought_without_time_account_or_country() {
    let (world, provider) = world_with_provider("twilio", "US").await;
    given_for_sale(&provider, &us_numbers(0..9));
    let check_us = check("us").to_string();
    let handled = world.when_refill_receives_within(&check_us, Duration::from_secs(5)).await;
    assert!(is_done(&handled));
    assert!(world.log().contains("no time is left"));
    assert!(provider.purchases().is_empty());

    let pools = json!([{"id": "us", "provider": "twilio"}]);
    let world = World::with_pools(&pools);
    world.given_rental_secret(&json!({}));
    assert!(is_done(&world.when_pool_told(&check("us")).await));
    assert!(world.log().contains("the rental secret has no account"));

    let world = World::with_pools(&pools);
    world.given_rental_secret(&json!({"twilio": provider.twilio_part()}));
    assert!(is_done(&world.when_pool_told(&check("us")).await));
    assert!(world.log().contains("the pool has no country"));
    assert!(provider.purchases().is_empty());
}

#[tokio::test]
async fn a_list_with_a_mistake_is_refused_whole() {
    let world = World::new();
    let handled = world.when_pool_told(&import("id-jkt", &[number(1), "62215".to_owned()])).await;
    assert_eq!(handled.again, 0);
    assert!(handled.refused[0].starts_with("numbers[1]: "), "{handled:?}");
    assert!(world.rows("NumbersTable").await.is_empty());
}

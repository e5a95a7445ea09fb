//! What a wrong, late or odd answer of a provider's account can do to money and stock.

use std::time::Duration;

use serde_json::{Value, json};
use support::World;
use support::provider::{Call, FakeProvider, Fault};
use support::world::{assigned, event};

use crate::people::{AGENT, CUSTOMER};

const TAG: &str = "masking/us";
const HOUR: u64 = 3600;

struct Stage {
    world: World,
    provider: FakeProvider,
}

impl Stage {
    /// Pools of Twilio, with numbers for sale. Each has a target of 5 and at most 8 numbers.
    async fn with_pools(ids: &[&str]) -> Self {
        let pool = |id: &&str| {
            json!({
                "id": id, "provider": "twilio", "country": "US", "min_free": 0, "target_free": 5,
                "max_numbers": 8, "shards": 2, "default": *id == "us",
            })
        };
        Self::with(&ids.iter().map(pool).collect()).await
    }

    async fn with(pools: &Value) -> Self {
        let world = World::with_pools(pools);
        let provider = FakeProvider::start().await;
        provider.stock().now = world.now();
        provider.stock().for_sale = (0..60).map(|n| format!("+141555501{n:02}")).collect();
        world.given_rental_secret(&json!({"twilio": provider.twilio_part()}));
        Self { world, provider }
    }

    async fn check(&self, pool: &str) {
        let handled = self.world.when_pool_told(&json!({"type": "pool.check", "pool": pool})).await;
        assert_eq!((handled.refused.len(), handled.again), (0, 0), "a check never fails");
    }

    fn seconds_pass(&self, seconds: u64) {
        self.world.seconds_pass(seconds);
        self.provider.stock().now = self.world.now();
    }

    /// Lists and answers of the account that know of no number, for a whole check.
    async fn check_of_an_account_that_looks_empty(&self, pool: &str) {
        let real = std::mem::take(&mut self.provider.stock().owned);
        self.check(pool).await;
        let mut stock = self.provider.stock();
        let bought = std::mem::replace(&mut stock.owned, real);
        stock.owned.extend(bought);
    }

    fn paid(&self) -> usize {
        self.provider.owned().len()
    }

    fn tag_of(&self, number: &str) -> String {
        let owned = self.provider.owned();
        owned.into_iter().find(|owned| owned.number == number).unwrap().tag
    }

    fn rename(&self, number: &str, tag: &str) {
        let mut stock = self.provider.stock();
        let owned = stock.owned.iter_mut().find(|owned| owned.number == number);
        tag.clone_into(&mut owned.unwrap().tag);
    }

    async fn free(&self) -> Vec<String> {
        self.world.free_numbers().await
    }
}

#[tokio::test]
async fn listings_that_are_whole_and_wrong_withdraw_and_buy_nothing() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.check("us").await;
    let free = stage.free().await;
    for _ in 0..4 {
        stage.seconds_pass(25 * HOUR);
        stage.check_of_an_account_that_looks_empty("us").await;
        assert_eq!(stage.free().await, free);
    }
    assert_eq!(stage.paid(), 5);
    let log = stage.world.log();
    assert!(log.contains("the account lacks too many numbers at once"), "{log}");
    assert!(log.contains(r#""missing":5"#) && log.contains(r#""most":3"#), "{log}");
    stage.check("us").await;
    assert_eq!((stage.paid(), stage.free().await), (5, free));
}

#[tokio::test]
async fn a_small_pool_that_a_wrong_listing_withdrew_is_put_back_and_not_bought_again() {
    let pools = json!([{
        "id": "us", "provider": "twilio", "country": "US", "min_free": 0, "target_free": 3,
        "max_numbers": 3, "shards": 2,
    }]);
    let stage = Stage::with(&pools).await;
    stage.check("us").await;
    let free = stage.free().await;
    stage.seconds_pass(HOUR);
    for _ in 0..4 {
        stage.check_of_an_account_that_looks_empty("us").await;
        assert!(stage.free().await.is_empty());
        assert_eq!(stage.paid(), 3);
        stage.seconds_pass(5 * HOUR);
    }
    assert!(stage.world.log().contains("withdrew numbers that the account lacks"));
    stage.check("us").await;
    assert_eq!((stage.paid(), stage.free().await), (3, free));
}

#[tokio::test]
async fn purchases_that_show_in_listings_later_than_the_next_checks_stay_and_are_not_repeated() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.check("us").await;
    for _ in 0..3 {
        stage.seconds_pass(15 * 60);
        stage.check_of_an_account_that_looks_empty("us").await;
    }
    assert_eq!((stage.paid(), stage.free().await.len()), (5, 5));
}

#[tokio::test]
async fn purchases_whose_answers_and_listings_are_lost_never_exceed_max_numbers() {
    let stage = Stage::with_pools(&["us"]).await;
    for _ in 0..20 {
        stage.provider.lose_next_sale(Fault::Status(500, 0));
        stage.provider.fail_next(Call::Ask, Fault::Listed(vec![]));
        stage.provider.fail_next(Call::Ask, Fault::Listed(vec![]));
        stage.check_of_an_account_that_looks_empty("us").await;
        assert!(stage.paid() <= 8, "{}", stage.paid());
        stage.seconds_pass(60);
    }
    stage.check("us").await;
    assert_eq!((stage.paid(), stage.free().await.len()), (8, 8));
}

#[tokio::test]
async fn an_account_that_stores_tags_in_another_form_keeps_its_numbers() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.provider.stock().renames = true;
    for _ in 0..8 {
        stage.check("us").await;
        stage.seconds_pass(25 * HOUR);
    }
    assert_eq!((stage.paid(), stage.free().await.len()), (5, 5));
    assert_eq!(stage.provider.owned()[0].tag, "MASKINGUS");
}

#[tokio::test]
async fn pools_that_buy_at_the_same_moment_take_no_number_from_each_other() {
    for resells in [true, false] {
        let stage = Stage::with_pools(&["us", "eu"]).await;
        stage.provider.stock().resells = resells;
        tokio::join!(stage.check("us"), stage.check("eu"));
        stage.check("us").await;
        stage.check("eu").await;
        assert_eq!((stage.paid(), stage.free().await.len()), (10, 10), "{}", stage.world.log());
        let of = |tag: &str| stage.provider.owned().iter().filter(|it| it.tag == tag).count();
        assert_eq!((of(TAG), of("masking/eu")), (5, 5));
    }
}

#[tokio::test]
async fn a_number_that_the_account_has_for_something_else_is_left_as_it_is() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.provider.stock().resells = true;
    // The search still offers all of the numbers that the account has.
    for n in 0..40 {
        stage.provider.given_owned(&format!("+141555501{n:02}"), "support hotline");
    }
    stage.check("us").await;
    let hotline = stage.provider.owned().iter().filter(|it| it.tag == "support hotline").count();
    assert_eq!((hotline, stage.free().await.len()), (40, 5));
}

#[tokio::test]
async fn a_number_that_an_order_took_by_mistake_is_put_back_or_named_unclaimed() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.provider.stock().resells = true;
    for n in 0..60 {
        stage.provider.given_owned(&format!("+141555501{n:02}"), "support hotline");
    }
    stage.provider.fail_next(Call::Ask, Fault::Listed(vec![]));
    stage.check("us").await;
    let changed: Vec<_> =
        stage.provider.owned().into_iter().filter(|it| it.tag != "support hotline").collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].tag, "unclaimed");
    assert!(stage.free().await.is_empty(), "it is not handed out");
    assert!(stage.world.log().contains("an order changed a number that the account had"));
}

#[tokio::test]
async fn a_number_that_somebody_took_by_mistake_is_taken_back() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.check("us").await;
    let free = stage.free().await;
    stage.rename(&free[0], "unclaimed");
    stage.seconds_pass(HOUR);
    stage.check("us").await;
    assert_eq!(stage.tag_of(&free[0]), TAG);
    assert_eq!((stage.paid(), stage.free().await), (5, free));
}

#[tokio::test]
async fn numbers_that_are_renamed_to_another_pool_serve_that_pool() {
    let stage = Stage::with_pools(&["us", "eu"]).await;
    stage.check("us").await;
    let moved = stage.free().await[..2].to_vec();
    for number in &moved {
        stage.rename(number, "masking/eu");
    }
    stage.seconds_pass(HOUR);
    stage.check("eu").await;
    assert_eq!(stage.paid(), 5 + 5, "numbers that serve another pool do not count as free");
    let log = stage.world.log();
    assert!(log.contains("numbers under the pool's tag serve other pools"), "{log}");

    stage.check("us").await;
    assert_eq!(stage.free().await.len(), 8, "the old pool withdrew two, and buys none yet");
    stage.seconds_pass(60);
    let before = stage.world.log().len();
    stage.check("eu").await;
    let log = stage.world.log().split_off(before);
    assert!(log.contains(r#""NumbersFree":7"#) && log.contains(r#""NumbersAdopted":2"#), "{log}");
    let rows = stage.world.rows("NumbersTable").await;
    for number in &moved {
        let row = rows.iter().find(|row| support::rows::word(row, "number") == *number);
        let row = row.unwrap();
        assert_eq!(support::rows::text(row, "pool"), Some("eu"));
        assert!(row.contains_key("pool_shard"), "it can be handed out");
    }
}

#[tokio::test]
async fn a_pause_that_the_provider_asks_for_outlasts_the_check() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.provider.fail_next(Call::Buy, Fault::TooManyRequests(120));
    stage.check("us").await;
    let requests = || {
        [Call::List, Call::Ask, Call::Search, Call::Buy]
            .map(|call| stage.provider.calls(call).len())
            .iter()
            .sum::<usize>()
    };
    let before = requests();
    stage.seconds_pass(119);
    stage.check("us").await;
    assert_eq!(requests(), before, "it is left alone");
    assert!(stage.world.log().contains("the provider asked for patience"));
    stage.seconds_pass(1);
    stage.check("us").await;
    assert_eq!(stage.paid(), 5);
}

#[tokio::test]
async fn numbers_that_cool_down_for_long_do_not_count_as_free() {
    let pools = json!([{
        "id": "us", "provider": "twilio", "country": "US", "min_free": 0, "target_free": 4,
        "max_numbers": 20, "shards": 1, "cooldown_seconds": 86_400,
    }]);
    let stage = Stage::with(&pools).await;
    stage.check("us").await;
    for order in ["o-1", "o-2"] {
        stage
            .world
            .when_told(&assigned(order, 1, &[("customer", CUSTOMER), ("agent", AGENT)]))
            .await;
        stage.world.when_told(&event("completed", order, 2)).await;
    }
    assert!(stage.free().await.is_empty(), "all four cool down for a day");
    stage.check("us").await;
    assert_eq!((stage.paid(), stage.free().await.len()), (8, 4));
}

#[tokio::test]
async fn retired_numbers_rest_and_are_given_back_once() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.check("us").await;
    stage.world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    let owned: Vec<String> = stage.provider.owned().into_iter().map(|it| it.number).collect();
    let retire = json!({"type": "pool.retire", "pool": "us", "numbers": owned});
    for _ in 0..2 {
        assert_eq!(stage.world.when_pool_told(&retire).await.again, 0);
    }
    assert!(stage.free().await.is_empty());
    stage.provider.stock().for_sale.clear();
    stage.check("us").await;
    assert_eq!(stage.paid(), 5, "they rest");
    stage.seconds_pass(60);
    stage.provider.fail_next(Call::GiveBack, Fault::Status(500, 0));
    stage.check("us").await;
    assert_eq!(stage.paid(), 3, "two serve an order, and with one the provider was unwell");
    let log = stage.world.log();
    assert!(log.contains("a check stopped") && log.contains(r#""NumbersGivenBack":2"#), "{log}");
    stage.check("us").await;
    assert_eq!(stage.paid(), 2, "two serve an order");
    let held: Vec<String> = stage.provider.owned().into_iter().map(|it| it.number).collect();
    stage.world.when_told(&event("completed", "o-1", 2)).await;
    stage.check("us").await;
    assert_eq!(stage.paid(), 2, "they cool down");
    stage.seconds_pass(600);
    stage.check("us").await;
    assert_eq!(stage.paid(), 0);
    // A late listing shows one of them again: it is not handed out, and given back again.
    stage.provider.given_owned(&held[0], TAG);
    stage.check("us").await;
    assert_eq!((stage.paid(), stage.free().await.len()), (0, 0));
}

#[tokio::test]
async fn a_retired_number_that_serves_something_else_by_now_is_not_given_back() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.check("us").await;
    let number = stage.free().await.remove(0);
    let retire = json!({"type": "pool.retire", "pool": "us", "numbers": [number]});
    stage.world.when_pool_told(&retire).await;
    stage.seconds_pass(60);
    // The listing is late: only the number's own answer has its new name.
    let id = stage.provider.owned().into_iter().find(|it| it.number == number).unwrap().sid;
    let listed = json!({"sid": id, "phone_number": number, "friendly_name": TAG});
    stage.provider.fail_next(Call::List, Fault::Listed(vec![listed]));
    stage.rename(&number, "support hotline");
    stage.check("us").await;
    assert_eq!(stage.tag_of(&number), "support hotline");
}

#[tokio::test]
async fn a_number_that_is_withdrawn_in_one_pool_can_be_imported_into_another() {
    let stage = Stage::with(&json!([{"id": "us", "default": true}, {"id": "eu"}])).await;
    stage.world.given_numbers("us", 1..3).await;
    let numbers = stage.free().await;
    let tell = async |kind: &str, pool: &str| {
        let body = json!({"type": kind, "pool": pool, "numbers": numbers});
        assert_eq!(stage.world.when_pool_told(&body).await.again, 0);
        stage.world.log()
    };
    stage.world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    tell("pool.withdraw", "us").await;
    stage.seconds_pass(60);
    let log = tell("pool.import", "eu").await;
    assert!(
        log.contains(r#""NumbersChanged":0,"NumbersUnchanged":0,"NumbersElsewhere":2"#),
        "they serve an order: {log}"
    );
    stage.world.when_told(&event("completed", "o-1", 2)).await;
    stage.seconds_pass(600);
    let log = tell("pool.import", "eu").await;
    assert!(
        log.contains(r#""NumbersChanged":2,"NumbersUnchanged":0,"NumbersElsewhere":0"#),
        "{log}"
    );
    assert_eq!(stage.free().await, numbers);
}

#[tokio::test]
async fn a_number_of_a_shared_pool_is_not_moved_while_somebody_has_a_route_on_it() {
    let pools = json!([{"id": "us", "default": true, "allocation": "shared"}, {"id": "eu"}]);
    let stage = Stage::with(&pools).await;
    stage.world.given_numbers("us", 1..3).await;
    let numbers = stage.free().await;
    stage.world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    let tell = async |kind: &str, pool: &str| {
        let body = json!({"type": kind, "pool": pool, "numbers": numbers});
        stage.world.when_pool_told(&body).await;
        stage.world.log()
    };
    tell("pool.withdraw", "us").await;
    stage.seconds_pass(HOUR);
    let log = tell("pool.import", "eu").await;
    assert!(
        log.contains(r#""NumbersChanged":0,"NumbersUnchanged":0,"NumbersElsewhere":2"#),
        "{log}"
    );
    stage.seconds_pass(25 * HOUR);
    let log = tell("pool.import", "eu").await;
    assert!(
        log.contains(r#""NumbersChanged":2,"NumbersUnchanged":0,"NumbersElsewhere":0"#),
        "{log}"
    );
}

#[tokio::test]
async fn a_pool_with_too_few_free_numbers_says_so_also_if_it_is_filled_by_hand() {
    let stage = Stage::with(&json!([{"id": "us", "min_free": 3}])).await;
    stage.world.given_numbers("us", 1..3).await;
    stage.check("us").await;
    let log = stage.world.log();
    assert!(log.contains("a pool is below min_free"), "{log}");
    assert!(log.contains(r#""free":2,"min_free":3"#), "{log}");
    stage.world.given_numbers("us", 3..4).await;
    stage.check("us").await;
    let log = stage.world.log();
    assert_eq!(log.matches("a pool is below min_free").count(), 1, "now it has enough: {log}");
}

#[tokio::test]
async fn table_work_ends_by_the_deadline_too() {
    let world = World::with_silent_tables();
    for body in [
        json!({"type": "pool.check", "pool": "id-jkt"}),
        json!({"type": "pool.import", "pool": "id-jkt", "numbers": ["+622150001"]}),
    ] {
        let time = Duration::from_millis(50);
        let text = body.to_string();
        let handling = world.when_refill_receives_within(&text, time);
        let handled = tokio::time::timeout(Duration::from_secs(5), handling).await.unwrap();
        assert_eq!(handled.again, usize::from(body["type"] == "pool.import"));
    }
}

#[tokio::test]
async fn an_operator_s_withdrawal_is_not_undone_by_a_check() {
    let stage = Stage::with_pools(&["us"]).await;
    stage.check("us").await;
    let number = stage.free().await.remove(0);
    let withdraw = json!({"type": "pool.withdraw", "pool": "us", "numbers": [number]});
    stage.world.when_pool_told(&withdraw).await;
    for _ in 0..3 {
        stage.seconds_pass(25 * HOUR);
        stage.check("us").await;
        assert!(!stage.free().await.contains(&number));
    }
    assert_eq!((stage.paid(), stage.free().await.len()), (6, 5));
}

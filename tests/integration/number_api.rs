//! The number APIs of the providers, over HTTP against a fake provider that can fail.
#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::time::Duration;

use masking::{Number, NumberType, Pools, Provider};
use providers::{ApiError, BuyError, NumberApi, Owned, Problem, Purpose, RentalSecret, Transport};
use serde_json::json;
use support::provider::{Call, FakeProvider, Fault, PASSWORD};
use tokio::time::{Instant, timeout};

const TAG: &str = "vn/in-blr";
const FIRST: &str = "+918000000001";
const SECOND: &str = "+918000000002";
const THIRD: &str = "+918000000003";

/// A deadline that is late enough for every answer.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A deadline for requests without an answer.
fn at_once() -> Instant {
    Instant::now() + Duration::from_millis(600)
}

fn twilio(provider: &FakeProvider) -> NumberApi {
    open(Provider::Twilio, &secret(provider))
}

fn exotel(provider: &FakeProvider) -> NumberApi {
    open(Provider::Exotel, &secret(provider))
}

fn open(provider: Provider, secret: &RentalSecret) -> NumberApi {
    let transport = Transport::network().expect("a client");
    NumberApi::open(provider, secret, &transport).expect("the part is complete")
}

fn secret(provider: &FakeProvider) -> RentalSecret {
    let text = json!({ "twilio": provider.twilio_part(), "exotel": provider.exotel_part() });
    let (secret, invalid) = RentalSecret::parse(&text.to_string());
    assert_eq!(invalid, []);
    secret
}

/// Both providers, each with its own stock.
async fn each_provider() -> [(FakeProvider, NumberApi); 2] {
    let (first, second) = (FakeProvider::start().await, FakeProvider::start().await);
    let (twilio, exotel) = (twilio(&first), exotel(&second));
    [(first, twilio), (second, exotel)]
}

fn number(text: &str) -> Number {
    text.parse().expect("a number")
}

/// Buys a number for a pool that has every optional field.
async fn buy(api: &NumberApi, text: &str, deadline: Instant) -> Result<Owned, BuyError> {
    let pools = r#"[{"id":"in-blr","country":"IN","address_sid":"AD1","bundle_sid":"BU1"}]"#;
    let pools = Pools::parse(pools).expect("valid pools");
    let purpose = Purpose {
        pool: pools.named(None).expect("the only one"),
        tag: TAG,
        public_base_url: "https://calls.example.com/",
    };
    api.buy(&number(text), &purpose, deadline).await
}

fn sorted(owned: &[Owned]) -> Vec<&str> {
    let mut numbers: Vec<&str> = owned.iter().map(|owned| owned.number.as_str()).collect();
    numbers.sort_unstable();
    numbers
}

#[track_caller]
fn is_status<T: std::fmt::Debug>(result: Result<T, ApiError>, expected: u16) {
    match result.expect_err("the call is refused").problem {
        Problem::Status { status, .. } => assert_eq!(status, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lists_what_the_account_has_under_the_tag_and_nothing_else() {
    for (provider, api) in each_provider().await {
        let listing = api.owned(TAG, soon()).await.expect("a listing");
        assert!(listing.is_complete() && listing.numbers.is_empty());

        provider.given_owned(FIRST, TAG);
        provider.given_owned(SECOND, "vn/in-blr-2");
        provider.given_owned(THIRD, TAG);

        let listing = api.owned(TAG, soon()).await.expect("a listing");
        assert!(listing.is_complete());
        assert_eq!(sorted(&listing.numbers), [FIRST, THIRD]);
        assert_eq!(listing.numbers[0].provider_id, provider.owned()[0].sid);
    }
}

#[tokio::test]
async fn reads_a_list_of_many_pages_to_its_end() {
    for count in [6, 7, 8] {
        for (provider, api) in each_provider().await {
            provider.stock().page_size = 2;
            for i in 0..count {
                provider.given_owned(&format!("+9180000010{i:02}"), TAG);
            }
            let listing = api.owned(TAG, soon()).await.expect("a listing");
            assert!(listing.is_complete(), "{:?}", listing.cut_short);
            assert_eq!(listing.numbers.len(), count);
        }
    }
}

#[tokio::test]
async fn a_list_whose_later_page_fails_is_not_complete() {
    for fault in [Fault::WebPage, Fault::Status(404, 1), Fault::Status(400, 1)] {
        for (provider, api) in each_provider().await {
            provider.stock().page_size = 1;
            provider.given_owned(FIRST, TAG);
            provider.given_owned(SECOND, TAG);
            // The first page succeeds, and the second fails.
            provider.fail_next(Call::List, Fault::Late(Duration::ZERO));
            provider.fail_next(Call::List, fault.clone());

            let listing = api.owned(TAG, soon()).await.expect("a listing");
            assert_eq!(sorted(&listing.numbers), [FIRST]);
            assert!(!listing.is_complete(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_page_that_does_not_exist_after_a_short_one_is_the_end() {
    for status in [400, 404] {
        let provider = FakeProvider::start().await;
        provider.stock().size_echoed = true;
        provider.given_owned(FIRST, TAG);
        provider.fail_next(Call::List, Fault::Late(Duration::ZERO));
        provider.fail_next(Call::List, Fault::Status(status, 1));

        let listing = exotel(&provider).owned(TAG, soon()).await.expect("a listing");
        assert_eq!(sorted(&listing.numbers), [FIRST]);
        assert!(listing.is_complete(), "{status}");
    }
}

#[tokio::test]
async fn a_list_without_a_way_to_its_end_is_not_complete() {
    let provider = FakeProvider::start().await;
    provider.given_owned(FIRST, TAG);
    let base = provider.base_url();
    for next in [
        // In circles, to other hosts, and to no valid address.
        json!("/2010-04-01/Accounts/AC00000000000000000000000000000001/IncomingPhoneNumbers.json"),
        json!("https://elsewhere.example.com/2010-04-01/"),
        json!("//elsewhere.example.com/2010-04-01/"),
        json!(format!("{base}0/")),
        json!("http://["),
    ] {
        provider.stock().next_page = Some(next.clone());
        let listing = twilio(&provider).owned(TAG, soon()).await.expect("a listing");
        assert_eq!(sorted(&listing.numbers), [FIRST], "{next}");
        let problem = listing.cut_short.expect("it does not end").problem;
        assert!(matches!(problem, Problem::Endless), "{next} {problem:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_page_is_complete_if_the_page_is_not_full() {
    for (page_size, complete) in [(3, true), (2, false)] {
        let provider = FakeProvider::start().await;
        provider.stock().pages_ignored = true;
        provider.stock().page_size = page_size;
        provider.given_owned(FIRST, TAG);
        provider.given_owned(SECOND, TAG);

        let listing = exotel(&provider).owned(TAG, soon()).await.expect("a listing");
        assert_eq!(sorted(&listing.numbers), [FIRST, SECOND]);
        assert_eq!(listing.is_complete(), complete);
    }
}

#[tokio::test]
async fn a_page_shorter_than_claimed_is_not_taken_for_the_last() {
    let provider = FakeProvider::start().await;
    provider.stock().size_echoed = true;
    provider.stock().page_size = 1;
    provider.given_owned(FIRST, TAG);
    provider.given_owned(SECOND, TAG);

    let listing = exotel(&provider).owned(TAG, soon()).await.expect("a listing");
    assert_eq!(sorted(&listing.numbers), [FIRST, SECOND]);
    assert!(listing.is_complete());
}

#[tokio::test]
async fn a_number_that_can_not_be_read_leaves_the_listing_incomplete() {
    for (provider, api) in each_provider().await {
        provider.given_owned(FIRST, TAG);
        provider.given_owned("12", TAG);
        provider.given_owned("13", "another");

        let listing = api.owned(TAG, soon()).await.expect("a listing");
        assert_eq!(sorted(&listing.numbers), [FIRST]);
        assert!(!listing.is_complete());
    }
}

#[tokio::test]
async fn an_unreadable_answer_is_an_error_and_never_an_empty_list() {
    for fault in [Fault::WebPage, Fault::EmptyObject] {
        for (provider, api) in each_provider().await {
            provider.given_owned(FIRST, TAG);
            provider.fail_next(Call::List, fault.clone());
            provider.fail_next(Call::Search, fault.clone());

            let error = api.owned(TAG, soon()).await.expect_err("nonsense");
            assert!(matches!(error.problem, Problem::Nonsense), "{error:?}");
            let found = api.available("IN", NumberType::Local, 5, soon()).await;
            let error = found.expect_err("nonsense");
            assert!(matches!(error.problem, Problem::Nonsense), "{error:?}");
        }
    }
}

#[tokio::test]
async fn tries_again_after_a_pause_when_the_provider_is_busy_or_fails() {
    for (provider, api) in each_provider().await {
        provider.given_owned(FIRST, TAG);
        provider.fail_next(Call::List, Fault::TooManyRequests(1));
        provider.fail_next(Call::List, Fault::Status(503, 20503));
        let before = Instant::now();

        let listing = api.owned(TAG, soon()).await.expect("a listing");
        assert_eq!(sorted(&listing.numbers), [FIRST]);
        assert!(Duration::from_secs(1) <= before.elapsed());
    }
}

#[tokio::test]
async fn gives_up_when_the_pause_would_outlast_the_deadline() {
    for (provider, api) in each_provider().await {
        provider.fail_next(Call::List, Fault::TooManyRequests(3600));
        let listing = timeout(Duration::from_secs(10), api.owned(TAG, soon())).await;
        is_status(listing.expect("it does not wait for an hour"), 429);

        provider.fail_next(Call::Search, Fault::Silence);
        let before = Instant::now();
        let found = api.available("IN", NumberType::Local, 5, at_once()).await;
        assert!(matches!(found.expect_err("no answer").problem, Problem::NoAnswer(_)));
        assert!(before.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again() {
    for (provider, api) in each_provider().await {
        provider.stock().password = "another".to_owned();
        is_status(api.owned(TAG, soon()).await, 401);
        assert_eq!(provider.calls(Call::List).len(), 1);
    }
}

#[tokio::test]
async fn twilio_is_asked_with_the_api_key_about_the_account() {
    let provider = FakeProvider::start().await;
    provider.given_available(&[FIRST]);
    provider.stock().user = Some("SK1");
    let mut part = provider.twilio_part();
    part.as_object_mut().expect("an object").remove("auth_token");
    part["api_key"] = "SK1".into();
    part["api_secret"] = PASSWORD.into();
    let (secret, _) = RentalSecret::parse(&json!({ "twilio": part }).to_string());
    let api = open(Provider::Twilio, &secret);

    api.owned(TAG, soon()).await.expect("a listing");
    let bought = buy(&api, FIRST, soon()).await.expect("bought");
    assert_eq!(provider.orders(), [FIRST]);
    let id = &bought.provider_id;
    assert!(api.read(id, soon()).await.expect("an answer").is_some());
    api.give_back(id, soon()).await.expect("given back");
    assert!(provider.owned().is_empty());
}

#[tokio::test]
async fn finds_numbers_of_the_country_and_kind() {
    for (provider, api) in each_provider().await {
        provider.given_available(&[FIRST, SECOND, THIRD]);
        for (number_type, twilio, exotel) in [
            (NumberType::Local, "/IN/Local.json", "/IN/Landline"),
            (NumberType::Mobile, "/IN/Mobile.json", "/IN/Mobile"),
            (NumberType::TollFree, "/IN/TollFree.json", "/IN/TollFree"),
        ] {
            let found = api.available("IN", number_type, 2, soon()).await.expect("numbers");
            assert_eq!(found[..2], [number(FIRST), number(SECOND)]);
            let searches = provider.calls(Call::Search);
            let asked = searches.last().expect("a search");
            let path = asked.split('?').next().expect("a path");
            assert!(path.ends_with(twilio) || path.ends_with(exotel), "{asked}");
        }
    }
}

#[tokio::test]
async fn buys_a_number_with_tag_webhook_address_and_bundle_in_one_call() {
    let provider = FakeProvider::start().await;
    provider.given_available(&[FIRST]);
    let bought = buy(&twilio(&provider), FIRST, soon()).await.expect("bought");

    let owned = provider.owned().remove(0);
    assert_eq!((bought.number.as_str(), bought.provider_id), (FIRST, owned.sid));
    assert_eq!(owned.tag, TAG);
    assert_eq!(owned.voice_url, "https://calls.example.com/calls/twilio");
    assert_eq!(owned.fallback_url, owned.voice_url);
    assert_eq!((owned.address_sid.as_str(), owned.bundle_sid.as_str()), ("AD1", "BU1"));
    assert_eq!((provider.calls(Call::List).len(), provider.calls(Call::Ask).len()), (0, 1));
}

#[tokio::test]
async fn a_number_that_someone_else_took_is_distinguished_from_a_refusal() {
    for (provider, api) in each_provider().await {
        provider.given_available(&[FIRST, SECOND]);
        provider.stock().sold.push(FIRST.to_owned());
        let taken = buy(&api, FIRST, soon()).await;
        assert!(matches!(taken, Err(BuyError::Taken)), "{taken:?}");

        for status in [400, 401, 403] {
            provider.fail_next(Call::Buy, Fault::Status(status, 21631));
            let refused = buy(&api, SECOND, soon()).await;
            assert!(matches!(refused, Err(BuyError::Refused(_))), "{refused:?}");
        }
        assert!(provider.purchases().is_empty());
    }
}

#[tokio::test]
async fn a_purchase_that_must_wait_says_for_how_long() {
    for (provider, api) in each_provider().await {
        provider.given_available(&[FIRST]);
        provider.fail_next(Call::Buy, Fault::TooManyRequests(7));
        match buy(&api, FIRST, soon()).await {
            Err(BuyError::NotTaken(source)) => {
                assert_eq!(source.rate_limit(), Some(Duration::from_secs(7)));
            }
            other => panic!("{other:?}"),
        }
        assert!(provider.purchases().is_empty());
    }
}

#[tokio::test]
async fn a_purchase_whose_answer_is_lost_is_found_and_not_repeated() {
    for fault in [Fault::Silence, Fault::Status(500, 1), Fault::WebPage, Fault::EmptyObject] {
        for (provider, api) in each_provider().await {
            provider.given_owned(SECOND, "another");
            provider.given_available(&[FIRST]);
            provider.lose_next_sale(fault.clone());

            let deadline = Instant::now() + Duration::from_secs(2);
            let bought = buy(&api, FIRST, deadline).await.expect("bought");
            assert_eq!(bought.number.as_str(), FIRST);
            assert_eq!(bought.provider_id, provider.owned()[1].sid);
            assert_eq!((provider.orders().len(), provider.purchases().len()), (1, 1));
        }
    }
}

#[tokio::test]
async fn a_purchase_that_failed_is_not_taken_for_one() {
    for (provider, api) in each_provider().await {
        provider.given_available(&[FIRST]);
        provider.fail_next(Call::Buy, Fault::Status(500, 1));
        let failed = buy(&api, FIRST, soon()).await;
        assert!(matches!(failed, Err(BuyError::Unconfirmed { lookup: None, .. })), "{failed:?}");

        // Now the lookup fails too. Twilio is asked for the number before the order as well.
        provider.lose_next_sale(Fault::Status(500, 1));
        provider.fail_next(Call::List, Fault::Status(403, 1));
        provider.fail_next(Call::Ask, Fault::Late(Duration::ZERO));
        provider.fail_next(Call::Ask, Fault::Status(403, 1));
        let unknown = buy(&api, FIRST, soon()).await;
        assert!(
            matches!(unknown, Err(BuyError::Unconfirmed { lookup: Some(_), .. })),
            "{unknown:?}"
        );
        // The number was bought: the next listing has it.
        provider.recover();
        let listing = api.owned(TAG, soon()).await.expect("a listing");
        assert_eq!(sorted(&listing.numbers), [FIRST]);
    }
}

#[tokio::test]
async fn a_number_that_serves_something_else_is_not_mistaken_for_the_one_ordered() {
    for (provider, api) in each_provider().await {
        provider.given_owned(FIRST, "another");
        // What was asked before the order is out of date.
        provider.fail_next(Call::Ask, Fault::Listed(vec![]));
        provider.fail_next(Call::Buy, Fault::Status(500, 1));
        let unknown = buy(&api, FIRST, soon()).await;
        assert!(matches!(unknown, Err(BuyError::Unconfirmed { .. })), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_number_that_the_account_has_is_not_ordered() {
    let provider = FakeProvider::start().await;
    provider.stock().resells = true;
    provider.given_owned(FIRST, "another");
    let taken = buy(&twilio(&provider), FIRST, soon()).await;
    assert!(matches!(taken, Err(BuyError::Taken)), "{taken:?}");
    assert!(provider.orders().is_empty());
    assert_eq!(provider.owned()[0].tag, "another");
}

#[tokio::test]
async fn an_order_of_a_number_that_the_account_had_before_is_not_a_purchase() {
    for (age, is_purchase) in [(0, true), (5, true), (6, false), (86_400, false)] {
        let provider = FakeProvider::start().await;
        {
            let mut stock = provider.stock();
            (stock.resells, stock.now) = (true, 1_795_420_800);
        }
        provider.given_owned(FIRST, "another");
        provider.stock().owned[0].since = 1_795_420_800 - age;
        provider.fail_next(Call::Ask, Fault::Listed(vec![]));
        match buy(&twilio(&provider), FIRST, soon()).await {
            Ok(_) => assert!(is_purchase, "{age}"),
            Err(BuyError::HadBefore { provider_id }) => {
                assert!(!is_purchase, "{age}");
                assert_eq!(provider_id, provider.owned()[0].sid);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn numbers_are_read_changed_and_given_back_one_by_one() {
    for (provider, api) in each_provider().await {
        provider.given_owned(FIRST, "another");
        let id = provider.owned()[0].sid.clone();
        let found = api.read(&id, soon()).await.expect("an answer").expect("a number");
        assert_eq!((found.provider_id.as_str(), found.tag.as_str()), (id.as_str(), "another"));
        assert_eq!(api.everything(soon()).await.expect("all"), [found]);

        let pools = Pools::parse(r#"[{"id":"in-blr"}]"#).expect("valid pools");
        let pool = pools.named(None).expect("the only one");
        let purpose = Purpose { pool, tag: TAG, public_base_url: "https://calls.example.com" };
        api.point(&id, &purpose, soon()).await.expect("changed");
        let owned = provider.owned().remove(0);
        assert_eq!(owned.tag, TAG);
        assert!(!owned.voice_url.is_empty());

        for _ in 0..2 {
            api.give_back(&id, soon()).await.expect("given back, now or before");
            assert_eq!(api.read(&id, soon()).await.expect("an answer"), None);
        }
        is_status(api.point(&id, &purpose, soon()).await, 404);
        for call in [Call::Read, Call::GiveBack] {
            provider.fail_next(call, Fault::Status(403, 20003));
        }
        is_status(api.read(&id, soon()).await, 403);
        is_status(api.give_back(&id, soon()).await, 403);
    }
}

#[tokio::test]
async fn nothing_is_ordered_when_there_is_no_time_or_no_connection() {
    for (provider, api) in each_provider().await {
        provider.given_available(&[FIRST]);
        let late = buy(&api, FIRST, Instant::now()).await;
        let is_late = match &late {
            Err(BuyError::NotTaken(error)) => matches!(error.problem, Problem::OutOfTime),
            _ => false,
        };
        assert!(is_late, "{late:?}");
        assert!(provider.orders().is_empty());
    }
    // Nothing listens on this port.
    let part = json!({
        "account_sid": "AC1", "auth_token": "a", "base_url": "http://127.0.0.1:1",
    });
    let (secret, _) = RentalSecret::parse(&json!({ "twilio": part }).to_string());
    let api = open(Provider::Twilio, &secret);
    match buy(&api, FIRST, at_once()).await {
        Err(BuyError::NotTaken(source)) => {
            assert!(matches!(source.problem, Problem::NotReached(_)), "{source:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_quotes_neither_credentials_nor_the_account() {
    for (provider, api) in each_provider().await {
        provider.fail_next(Call::List, Fault::Silence);
        provider.fail_next(Call::Buy, Fault::Status(400, 21631));
        let errors = [
            format!("{:?}", api.owned(TAG, at_once()).await.expect_err("silence")),
            format!("{:?}", buy(&api, FIRST, soon()).await.expect_err("refused")),
            format!("{api:?}"),
        ];
        for error in &errors {
            assert!(!error.contains("password-1") && !error.contains("key-1"), "{error}");
        }
        for error in &errors[..2] {
            assert!(!error.contains("AC000") && !error.contains(FIRST), "{error}");
        }
    }
}

#[tokio::test]
async fn an_account_without_numbers_is_a_complete_listing() {
    for (_, api) in each_provider().await {
        let listing = api.owned(TAG, soon()).await.expect("a listing");
        assert!(listing.is_complete() && listing.numbers.is_empty());
    }
}

#[tokio::test]
async fn exotel_puts_a_bought_number_on_the_flow() {
    let provider = FakeProvider::start().await;
    provider.given_available(&[FIRST]);
    let bought = buy(&exotel(&provider), FIRST, soon()).await.expect("bought");
    assert_eq!(provider.calls(Call::List).len(), 0, "the answer is clear: nothing is looked up");

    let owned = provider.owned().remove(0);
    assert_eq!((bought.number.as_str(), bought.provider_id), (FIRST, owned.sid));
    assert_eq!(owned.tag, TAG);
    assert_eq!(
        owned.voice_url,
        "http://my.exotel.com/AC00000000000000000000000000000001/exoml/start_voice/42"
    );
}

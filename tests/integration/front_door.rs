//! What comes to the HTTP API and is no good question: malformed, oversized and unproved
//! requests.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_support::{SECRET_NOT_REFRESHED, SECRET_UNREADABLE};
use serde_json::{Value, json};
use support::World;
use support::events::{Route, exotel_call, switch_call, twilio_call};
use support::world::{
    EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN, assigned, numbers_in, provider_secret,
};
use tokio::time::Instant;

use crate::people::{CUSTOMER, PAIR};

/// Queries that are not those of a URI, one of which AWS was seen to make of `a+b`.
const RAW_QUERIES: [&str; 7] = ["x=a b", "a=<", "a=>", "a=\"", "a=\u{1}\n\t", "a=é#b", "%"];

/// The log lines of refused requests: route and kind.
fn refusals(world: &World) -> Vec<(String, String)> {
    let lines = world.log();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refused = lines.filter(|line| line["fields"]["message"] == "refused a request");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    refused.map(|line| (text(&line["fields"]["route"]), text(&line["fields"]["kind"]))).collect()
}

#[tokio::test]
async fn a_signature_is_checked_over_path_and_query_as_they_came() {
    let world = World::new();
    let form = [("From", CUSTOMER), ("To", "+622150001")];
    for query in RAW_QUERIES {
        let url = format!("https://calls.example.com/calls/twilio?{query}");
        let signature = support::twilio::signature(TWILIO_TOKEN, &url, &form);
        let mut event = twilio_call(&form, &signature);
        event["rawQueryString"] = query.into();
        assert_eq!(world.when_requested(&event).await.0, 200, "{query}");
        event["rawQueryString"] = format!("{query}&").into();
        assert_eq!(world.when_requested(&event).await.0, 403, "{query}");
    }
}

#[tokio::test]
async fn a_malformed_query_does_not_keep_exotel_from_an_answer() {
    let world = World::new();
    for query in RAW_QUERIES {
        let mut event = exotel_call(EXOTEL_TOKEN, &[]);
        event["rawQueryString"] = query.into();
        assert_eq!(world.when_requested(&event).await.0, 200, "{query}");
    }
}

#[tokio::test]
async fn a_malformed_path_or_header_gets_no_5xx() {
    let world = World::new();
    let body = json!({"caller": CUSTOMER, "called": "+622150001"}).to_string();
    let right = switch_call(&format!("Bearer {SWITCH_TOKEN}"), &body);
    for (header, value) in [
        ("x-forwarded-proto", json!("http,https")),
        ("x-forwarded-proto", json!("ht tp")),
        ("host", json!("a b<>")),
        ("host", json!("")),
        ("cookie", json!("\u{1}")),
        ("user-agent", json!(["a"])),
    ] {
        let mut event = right.clone();
        event["headers"][header] = value.clone();
        assert_eq!(world.when_requested(&event).await.0, 200, "{header}: {value}");
    }
    for path in ["/calls/exotel/ <\">", "/calls/exotel/é\u{0}", "//", " ", "", "?", "http://a b"] {
        let mut event = exotel_call("", &[]);
        event["rawPath"] = path.into();
        let status = world.when_requested(&event).await.0;
        assert!([403, 404].contains(&status), "{status} {path:?}");
    }
}

#[tokio::test]
async fn a_body_of_more_than_64_kib_is_refused_before_it_is_parsed() {
    let world = World::without_tables();
    // It is right in all else, so only its size is wrong.
    let long = "a".repeat(65_536);
    let form = [("From", CUSTOMER), ("To", "+622150001"), ("Long", long.as_str())];
    let url = "https://calls.example.com/calls/twilio";
    let signature = support::twilio::signature(TWILIO_TOKEN, url, &form);
    let mut plain = twilio_call(&form, &signature);
    assert_eq!(world.when_requested(&plain).await.0, 413);
    let body = plain["body"].as_str().unwrap().to_owned();
    plain["body"] = STANDARD.encode(body).into();
    plain["isBase64Encoded"] = true.into();
    assert_eq!(world.when_requested(&plain).await.0, 413);
    // Nothing of it is decoded either: it is no base64 at all.
    plain["body"] = "?".repeat(100_000).into();
    assert_eq!(world.when_requested(&plain).await.0, 413);
    let route = Route::Twilio;
    assert_eq!(refusals(&world), [0; 3].map(|_| (key(route), "too_large".to_owned())));
    assert!(!world.log().contains("aaaa"));

    let switch = switch_call(&format!("Bearer {SWITCH_TOKEN}"), &long.repeat(2));
    assert_eq!(world.when_requested(&switch).await.0, 413);
}

fn key(route: Route) -> String {
    match route {
        Route::Switch => "POST /calls/resolve",
        Route::Twilio => "POST /calls/twilio",
        Route::Exotel => "GET /calls/exotel/{token}",
    }
    .to_owned()
}

#[tokio::test]
async fn each_refusal_is_one_line_with_its_route_and_its_kind() {
    let world = World::without_tables();
    let form = [("From", CUSTOMER), ("To", "+622150001")];
    let mut unsigned = twilio_call(&form, "");
    unsigned["headers"].as_object_mut().unwrap().remove("x-twilio-signature");
    let mut nowhere = switch_call("", "");
    nowhere["rawPath"] = "/calls/nowhere".into();
    let mut broken = twilio_call(&form, "x");
    broken["isBase64Encoded"] = "yes".into();
    for (event, route, kind) in [
        (switch_call("", ""), key(Route::Switch), "unsigned"),
        (switch_call("Bearer another", ""), key(Route::Switch), "mismatch"),
        (switch_call(&format!("Bearer {SWITCH_TOKEN}"), "{"), key(Route::Switch), "unreadable"),
        (unsigned, key(Route::Twilio), "unsigned"),
        (twilio_call(&form, "AAAA"), key(Route::Twilio), "mismatch"),
        (broken, key(Route::Twilio), "unreadable"),
        (exotel_call("another", &[]), key(Route::Exotel), "mismatch"),
        (nowhere, "unknown".to_owned(), "unknown_route"),
    ] {
        let before = refusals(&world).len();
        let (status, _) = world.when_requested(&event).await;
        assert!((400..500).contains(&status));
        assert_eq!(refusals(&world)[before..], [(route, kind.to_owned())]);
    }

    world.given_provider_secret(Some(&json!({})));
    world.caches_age(Duration::from_mins(6)).await;
    let before = refusals(&world).len();
    world.when_requested(&exotel_call("another", &[])).await;
    assert_eq!(refusals(&world)[before..], [(key(Route::Exotel), "off".to_owned())]);
}

#[tokio::test]
async fn a_malformed_caller_is_answered_as_withheld_and_not_called_so_in_the_log() {
    let world = World::without_tables();
    let reason = |world: &World| {
        let line: Value = serde_json::from_str(world.log().lines().last().unwrap()).unwrap();
        assert_eq!((&line["line"], &line["decision"]), (&json!("call"), &json!("reject")));
        line["reason"].as_str().unwrap().to_owned()
    };
    for (from, to, expected) in [
        ("anonymous", "+622150001", "caller_hidden"),
        ("+12", "+622150001", "caller_malformed"),
        (CUSTOMER, "sip", "called_malformed"),
    ] {
        let (status, twiml) = world.when_twilio_calls(&[("From", from), ("To", to)]).await;
        assert!(status == 200 && twiml.contains("can not be reached"), "{twiml}");
        assert_eq!(reason(&world), expected);
        let query = [("CallFrom", from), ("CallTo", to)];
        let (status, answer) = world.when_exotel_calls(EXOTEL_TOKEN, &query).await;
        assert_eq!((status, &answer["destination"]["numbers"]), (200, &json!([])));
        assert_eq!(reason(&world), expected);
    }
}

#[tokio::test]
async fn while_the_secret_was_never_readable_a_caller_is_asked_to_try_again() {
    let world = World::new();
    world.given_provider_secret(None);
    let (status, answer) = world.when_called(CUSTOMER, "+622150001").await;
    assert_eq!((status, answer), (503, json!({"decision": "reject", "reason": "unavailable"})));
    let form = [("From", CUSTOMER), ("To", "+622150001")];
    let (status, twiml) = world.when_twilio_calls(&form).await;
    assert!(status == 200 && twiml.contains("try again"), "{twiml}");
    let query = [("CallFrom", "081211112222"), ("CallTo", "02150000001")];
    let (status, answer) = world.when_exotel_calls(EXOTEL_TOKEN, &query).await;
    assert_eq!((status, &answer["destination"]["numbers"]), (200, &json!([])));
    assert!(world.log().contains(SECRET_UNREADABLE));
    assert!(world.log().contains(r#""message":"call could not be resolved""#));
    assert_eq!(refusals(&world), []);
    // What proves nothing needs no secret to be refused.
    assert_eq!(world.when_switch_asks("{}", "").await.0, 403);

    // Read and empty is off, which is another thing.
    world.given_provider_secret(Some(&json!({})));
    world.caches_age(Duration::from_secs(1)).await;
    assert_eq!(world.when_called(CUSTOMER, "+622150001").await.0, 403);
    assert_eq!(refusals(&world).last().unwrap().1, "off");
}

#[tokio::test]
async fn a_secret_that_can_not_be_read_again_keeps_its_last_value() {
    let world = World::new();
    assert_eq!(world.when_called(CUSTOMER, "+622150001").await.0, 200);
    world.given_provider_secret(None);
    for _ in 0..3 {
        world.caches_age(Duration::from_mins(6)).await;
        assert_eq!(world.when_called(CUSTOMER, "+622150001").await.0, 200);
        assert_eq!(world.when_switch_asks("{}", "Bearer another").await.0, 403);
    }
    assert!(world.log().contains(SECRET_NOT_REFRESHED));
    assert!(!world.log().contains(&format!("{SECRET_UNREADABLE}\"")));
}

#[tokio::test]
async fn secrets_that_hang_delay_no_call_whose_check_passes() {
    let world = World::with_slow_secrets();
    world.given_numbers("id-jkt", 0..2).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    assert_eq!(world.when_called(CUSTOMER, &numbers["agent"]).await.0, 200);
    // Longer than a call may take, and shorter than the SDK's own patience with a stream.
    world.secrets_take(Duration::from_secs(4));
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(6)).await;
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(world.when_called(CUSTOMER, &numbers["agent"]).await.1["decision"], "connect");
        let form = [("From", CUSTOMER), ("To", numbers["agent"].as_str())];
        assert!(world.when_twilio_calls(&form).await.1.contains("<Dial"));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing was waited for");

    // The read that was begun beside comes to its end, and its value counts from then on.
    let mut secret = provider_secret();
    secret["resolve"]["tokens"] = json!(["another-token-of-a-switch"]);
    world.given_provider_secret(Some(&secret));
    assert_eq!(world.when_called(CUSTOMER, &numbers["agent"]).await.0, 200);
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.secrets_take(Duration::ZERO);
    assert_eq!(world.when_called(CUSTOMER, &numbers["agent"]).await.0, 403);
}

#[tokio::test]
async fn a_first_call_waits_for_both_secrets_at_once() {
    let world = World::with_slow_secrets();
    world.secrets_take(Duration::from_secs(1));
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(world.when_called(CUSTOMER, "+622150001").await.0, 200);
    assert_eq!(begun.elapsed().as_secs(), 1, "and not for one after the other");
}

const TEMPLATE: &str = include_str!("../../infra/template.yaml");

/// The lines of a resource of the template.
fn resource(name: &str) -> &'static str {
    let (_, rest) = TEMPLATE.split_once(&format!("\n  {name}:\n")).unwrap();
    rest.split("\n\n").next().unwrap()
}

#[test]
fn each_route_has_a_limit_of_its_own_and_all_of_them_together_stay_below_the_stages() {
    let number = |text: &str| text.trim().parse::<u64>().unwrap();
    let stage = TEMPLATE.split_once("DefaultRouteSettings:").unwrap().1;
    let total = number(stage.split_once("ThrottlingRateLimit:").unwrap().1.lines().next().unwrap());
    let calls = providers::WEBHOOKS.iter().map(|it| it.route());
    let routes = calls.chain(providers::REPORTS.iter().map(|it| it.route()));
    let limits: Vec<u64> = routes
        .map(|route| {
            let key = format!("\"{}\": {{ ThrottlingRateLimit:", route.as_str());
            let settings = TEMPLATE.split_once(&key).expect("the route is limited").1;
            number(settings.split(',').next().unwrap())
        })
        .collect();
    assert!(limits.iter().sum::<u64>() < total, "{limits:?} of {total}");
}

#[test]
fn the_stage_is_made_after_the_routes_and_these_one_after_the_other() {
    for (later, earlier) in [
        ("TwilioRoute", "ResolveRoute"),
        ("ExotelRoute", "TwilioRoute"),
        ("ReportCallIntegration", "ExotelRoute"),
        ("TwilioReportRoute", "SwitchReportRoute"),
        ("ExotelReportRoute", "TwilioReportRoute"),
        ("ApiStage", "ExotelReportRoute"),
    ] {
        assert!(resource(later).contains(&format!("    DependsOn: {earlier}\n")), "{later}");
    }
}

#[test]
fn only_the_function_that_buys_may_read_the_rental_secret() {
    assert!(!resource("ResolveCallRole").contains("RentalSecret"));
    assert!(resource("RefillPoolRole").contains("RentalSecret"));
    assert!(!resource("RefillPoolRole").contains("ProviderSecret"));
    assert_eq!(TEMPLATE.matches("!GetAtt RentalSecret.Id").count(), 3, "role, variable, output");
}

#[tokio::test]
async fn what_a_secret_leaves_off_is_said_and_nothing_if_it_leaves_nothing_off() {
    let says = "the provider secret leaves these off";
    let world = World::new();
    world.when_called(CUSTOMER, "+622150001").await;
    assert!(!world.log().contains(says), "{}", world.log());
    let world = World::new();
    world.given_provider_secret(Some(&json!({"resolve": {"tokens": [SWITCH_TOKEN]}})));
    world.when_called(CUSTOMER, "+622150001").await;
    assert!(world.log().contains(says), "{}", world.log());
}

//! How calls are answered, on each of the three routes.

use std::time::Duration;

use lambda_support::SECRET_UNREADABLE;
use serde_json::{Value, json};
use support::World;
use support::events::Route;
use support::world::{EXOTEL_TOKEN, SWITCH_TOKEN, assigned, event, numbers_in, provider_secret};
use tokio::time::{Instant, timeout};

use crate::people::{AGENT, CUSTOMER, PAIR, STRANGER};

const NOT_CONNECTED: &str = "can not be reached";

/// An order of a customer and an agent, and the number that stands for each.
async fn world_with_an_order() -> (World, String, String) {
    let world = World::new();
    world.given_numbers("id-jkt", 0..2).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    (world, numbers["customer"].clone(), numbers["agent"].clone())
}

fn form<'a>(from: &'a str, to: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("CallSid", "CA00000000000000000000000000000001"),
        ("From", from),
        ("To", to),
        ("CallStatus", "ringing"),
        ("FromCity", ""),
        ("CallerName", "José & Søn"),
    ]
}

fn query<'a>(from: &'a str, to: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("CallSid", "99530000000000000000000000000001"), ("CallFrom", from), ("CallTo", to)]
}

#[tokio::test]
async fn a_caller_without_a_route_reaches_nobody_on_our_number_or_another() {
    let (world, _, agent_number) = world_with_an_order().await;
    for called in [agent_number.as_str(), "+622199999999"] {
        let (status, answer) = world.when_called(STRANGER, called).await;
        assert_eq!((status, answer), (200, json!({"decision": "reject", "reason": "no_route"})));
    }
}

#[tokio::test]
async fn a_caller_who_withheld_the_number_is_not_looked_up() {
    // A read would fail here, so the answer shows that nothing is read.
    let world = World::without_tables();
    for caller in ["", " ", "anonymous", "Restricted", "+266696687", "+86282452253", "sip:bob"] {
        let (status, answer) = world.when_called(caller, "+622150001").await;
        assert_eq!(
            (status, answer),
            (200, json!({"decision": "reject", "reason": "caller_hidden"})),
            "{caller}"
        );
    }
}

#[tokio::test]
async fn a_missing_or_malformed_number_is_named() {
    let world = World::without_tables();
    let e164 = "must be a phone number in E.164 form: `+`, then 8 to 15 digits";
    for (body, error) in [
        ("", "body: must be JSON".to_owned()),
        ("[]", "body: must be a JSON object".to_owned()),
        (r#"{"caller":"+6281211112222"}"#, "called: is missing".to_owned()),
        (r#"{"called":"+622150001"}"#, "caller: is missing".to_owned()),
        (r#"{"caller":"12345678","called":"+622150001"}"#, format!("caller: {e164}")),
        (r#"{"caller":"+6281211112222","called":"02150001"}"#, format!("called: {e164}")),
        (r#"{"caller":7,"called":"+622150001"}"#, "caller: must be a string".to_owned()),
    ] {
        let (status, answer) =
            world.when_switch_asks(body, &format!("Bearer {SWITCH_TOKEN}")).await;
        assert_eq!((status, answer), (400, json!({ "error": error })));
    }
}

#[tokio::test]
async fn tables_that_do_not_answer_connect_nobody() {
    let world = World::without_tables();
    let (status, answer) = world.when_called(CUSTOMER, "+622150001").await;
    assert_eq!((status, answer), (503, json!({"decision": "reject", "reason": "unavailable"})));

    let (status, twiml) = world.when_twilio_calls(&form(CUSTOMER, "+622150001")).await;
    assert_eq!(status, 200);
    assert!(twiml.contains("try again") && !twiml.contains("<Dial"), "{twiml}");

    let query = query("081211112222", "02150000001");
    let (status, answer) = world.when_exotel_calls(EXOTEL_TOKEN, &query).await;
    assert_eq!((status, &answer["destination"]["numbers"]), (200, &json!([])));
    let log = world.log();
    assert!(log.contains(r#""message":"call could not be resolved""#), "the alarm listens: {log}");
}

#[tokio::test]
async fn a_table_that_does_not_answer_for_two_seconds_connects_nobody() {
    let world = World::with_silent_tables();
    tokio::time::pause();
    let begun = Instant::now();
    let answer = world.when_called(CUSTOMER, "+622150001");
    let (_, answer) = timeout(Duration::from_secs(3), answer).await.expect("an answer in time");
    assert!(Duration::from_secs(1) < begun.elapsed(), "the table was waited for");
    assert_eq!(answer, json!({"decision": "reject", "reason": "unavailable"}));
}

#[tokio::test]
async fn a_service_secret_that_is_unusable_connects_nobody() {
    for secret in [None, Some(""), Some(r#"{"caller_key":""}"#)] {
        let (world, _, agent_number) = world_with_an_order().await;
        world.given_service_secret(secret);
        let (status, answer) = world.when_called(CUSTOMER, &agent_number).await;
        assert_eq!((status, &answer["reason"]), (503, &json!("unavailable")), "{secret:?}");
    }
}

#[tokio::test]
async fn twilio_rings_the_callee_and_shows_the_callers_number() {
    let (world, customer_number, agent_number) = world_with_an_order().await;
    let (status, twiml) = world.when_twilio_calls(&form(CUSTOMER, &agent_number)).await;
    assert_eq!(status, 200);
    assert!(twiml.contains(&format!(r#"callerId="{customer_number}""#)), "{twiml}");
    assert!(twiml.contains(&format!(">{AGENT}</Number>")), "{twiml}");

    for (from, to) in [
        (STRANGER, agent_number.as_str()),
        ("+266696687", &agent_number),
        ("anonymous", &agent_number),
        ("", &agent_number),
        ("nonsense+1", &agent_number),
        ("12345678", &agent_number),
        (CUSTOMER, ""),
        (CUSTOMER, "02150001"),
    ] {
        let (status, twiml) = world.when_twilio_calls(&form(from, to)).await;
        assert_eq!(status, 200);
        assert!(twiml.contains(NOT_CONNECTED) && twiml.contains("<Hangup/>"), "{twiml}");
    }
    world.when_told(&event("completed", "o-1", 2)).await;
    let (_, twiml) = world.when_twilio_calls(&form(CUSTOMER, &agent_number)).await;
    assert!(twiml.contains(NOT_CONNECTED), "{twiml}");
}

#[tokio::test]
async fn twilios_own_signature_of_a_recorded_request_is_accepted() {
    let world = World::new();
    let request = Route::Twilio.recorded();
    let (status, twiml) = world.when_requested(&request).await;
    assert_eq!(status, 200);
    assert!(twiml.contains(NOT_CONNECTED), "{twiml}");
}

#[tokio::test]
async fn a_twilio_request_that_is_not_signed_touches_no_table() {
    // If a table were read, the answer would be "try again".
    let world = World::without_tables();
    let form = form(CUSTOMER, "+622150001");
    let url = "https://calls.example.com/calls/twilio";
    let of_another = support::twilio::signature("another-token", url, &form);
    let of_other_fields = support::twilio::signature(support::world::TWILIO_TOKEN, url, &form[1..]);
    for signature in ["", "nonsense", &of_another, &of_other_fields] {
        let (status, body) = world.when_twilio_sends(&form, signature).await;
        assert_eq!((status, body.as_str()), (403, r#"{"error":"forbidden"}"#));
    }
    let mut unsigned = Route::Twilio.recorded();
    unsigned["headers"].as_object_mut().unwrap().remove("x-twilio-signature");
    assert_eq!(world.when_requested(&unsigned).await.0, 403);
}

#[tokio::test]
async fn exotel_rings_the_callee_and_shows_the_callers_number() {
    let (world, customer_number, agent_number) = world_with_an_order().await;
    // Exotel writes numbers of its country in national form.
    let national = |number: &str| format!("0{}", number.strip_prefix("+62").unwrap());
    let (from, to) = (national(CUSTOMER), national(&agent_number));
    let (status, answer) = world.when_exotel_calls(EXOTEL_TOKEN, &query(&from, &to)).await;
    assert_eq!(status, 200);
    assert_eq!(answer["destination"]["numbers"], json!([AGENT]));
    assert_eq!(answer["outgoing_phone_number"], customer_number.as_str());

    for (from, to) in [
        (national(STRANGER), to.clone()),
        (String::new(), to.clone()),
        ("anonymous".to_owned(), to.clone()),
        ("12".to_owned(), to.clone()),
        (from.clone(), String::new()),
    ] {
        let (status, answer) = world.when_exotel_calls(EXOTEL_TOKEN, &query(&from, &to)).await;
        assert_eq!((status, &answer["destination"]["numbers"]), (200, &json!([])), "{from} {to}");
    }
}

#[tokio::test]
async fn a_wrong_token_touches_no_table() {
    let world = World::without_tables();
    let body = json!({"caller": CUSTOMER, "called": "+622150001"}).to_string();
    for authorization in
        ["", "Bearer", "Bearer ", "Bearer another", "Basic token-of-a-switch", SWITCH_TOKEN]
    {
        let answer = world.when_switch_asks(&body, authorization).await;
        assert_eq!(answer, (403, json!({"error": "forbidden"})), "{authorization}");
    }
    for token in ["", "another", "path-token-of-exote", "path-token-of-exotel/"] {
        let answer = world.when_exotel_calls(token, &query("081211112222", "02150001")).await;
        assert_eq!(answer, (403, json!({"error": "forbidden"})), "{token}");
    }
}

#[tokio::test]
async fn a_route_whose_part_of_the_secret_is_missing_or_malformed_is_off_and_the_others_are_on() {
    for part in ["resolve", "twilio", "exotel"] {
        for value in [
            Value::Null,
            json!({}),
            json!("nonsense"),
            json!({"tokens": 7, "auth_tokens": 7, "webhook_tokens": 7}),
        ] {
            let (world, _, agent_number) = world_with_an_order().await;
            let mut secret = provider_secret();
            secret[part] = value.clone();
            world.given_provider_secret(Some(&secret));
            let national = format!("0{}", agent_number.strip_prefix("+62").unwrap());
            let query = query("081211112222", &national);
            let statuses = [
                ("resolve", world.when_called(CUSTOMER, &agent_number).await.0),
                ("twilio", world.when_twilio_calls(&form(CUSTOMER, &agent_number)).await.0),
                ("exotel", world.when_exotel_calls(EXOTEL_TOKEN, &query).await.0),
            ];
            for (route, status) in statuses {
                let expected = if route == part { 403 } else { 200 };
                assert_eq!(status, expected, "{part} is {value}: {route}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_was_rotated_is_accepted_within_seconds() {
    let (world, _, agent_number) = world_with_an_order().await;
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200);
    let mut secret = provider_secret();
    secret["resolve"]["tokens"] = json!(["another-token-of-a-switch", SWITCH_TOKEN]);
    world.given_provider_secret(Some(&secret));
    let body = json!({"caller": CUSTOMER, "called": agent_number}).to_string();
    world.caches_age(Duration::from_secs(6)).await;
    assert_eq!(world.when_switch_asks(&body, "Bearer another-token-of-a-switch").await.0, 200);
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200, "the old one too");
}

#[tokio::test]
async fn a_secret_is_not_read_with_every_call() {
    let (world, _, agent_number) = world_with_an_order().await;
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200);
    let mut secret = provider_secret();
    secret["resolve"]["tokens"] = json!(["another-token-of-a-switch"]);
    world.given_provider_secret(Some(&secret));
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200, "it is kept");
    world.caches_age(Duration::from_mins(5)).await;
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200, "it is read beside");
    while world.when_called(CUSTOMER, &agent_number).await.0 == 200 {}
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 403);
}

#[tokio::test]
async fn a_secret_that_is_filled_in_is_found_within_a_second() {
    let (world, _, agent_number) = world_with_an_order().await;
    world.given_provider_secret(None);
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 503);
    assert!(world.log().contains(SECRET_UNREADABLE));
    world.given_provider_secret(Some(&provider_secret()));
    world.caches_age(Duration::from_millis(999)).await;
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200);
}

#[tokio::test]
async fn a_secret_that_becomes_unreadable_leaves_the_last_good_one() {
    let (world, _, agent_number) = world_with_an_order().await;
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200);
    world.given_provider_secret(None);
    world.given_service_secret(Some("nonsense"));
    world.caches_age(Duration::from_mins(6)).await;
    assert_eq!(world.when_called(CUSTOMER, &agent_number).await.0, 200);
}

#[tokio::test]
async fn another_path_is_not_found() {
    let world = World::without_tables();
    let mut request = Route::Switch.recorded();
    request["rawPath"] = "/calls/nowhere".into();
    assert_eq!(world.when_requested(&request).await.0, 404);
}

#[tokio::test]
async fn the_api_has_a_route_for_each_webhook_and_no_other() {
    let template = include_str!("../../infra/template.yaml");
    let keys = template.lines().filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    let mut keys: Vec<&str> = keys.collect();
    let calls = providers::WEBHOOKS.iter().map(|it| it.route().as_str());
    let reports = providers::REPORTS.iter().map(|it| it.route().as_str());
    let mut routes: Vec<&str> = calls.chain(reports).collect();
    keys.sort_unstable();
    routes.sort_unstable();
    assert_eq!(keys, routes);
}

#[tokio::test]
async fn a_call_id_that_could_be_a_phone_is_not_logged() {
    let (world, _, agent_number) = world_with_an_order().await;
    for call_id in ["628-1211-112222", "1234567", "id-6281211112222"] {
        let body = json!({"caller": CUSTOMER, "called": agent_number, "call_id": call_id});
        let authorization = format!("Bearer {SWITCH_TOKEN}");
        assert_eq!(world.when_switch_asks(&body.to_string(), &authorization).await.0, 200);
        assert!(!world.log().contains(call_id), "{}", world.log());
    }
    let ids = logged_call_ids(&world);
    assert!(ids.len() == 3 && ids.iter().all(|id| id.starts_with("hash:")), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

fn logged_call_ids(world: &World) -> Vec<String> {
    let lines = world.log();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["call_id"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn the_ids_of_common_switches_are_logged_as_they_are() {
    let (world, _, agent_number) = world_with_an_order().await;
    let ids = ["1795555379.42", "pbx-1795555379.42", "0b6f3a52-1111-4222-8333-123456789012"];
    for id in ids {
        let body = json!({"caller": CUSTOMER, "called": agent_number, "call_id": id}).to_string();
        world.when_switch_asks(&body, &format!("Bearer {SWITCH_TOKEN}")).await;
    }
    assert_eq!(logged_call_ids(&world), ids);
}

#[tokio::test]
async fn each_call_is_logged_with_its_reason_and_its_id() {
    let (world, _, agent_number) = world_with_an_order().await;
    world.when_called(CUSTOMER, &agent_number).await;
    world.when_called(STRANGER, &agent_number).await;
    let log = world.log();
    let calls = log.lines().filter(|line| line.contains(r#""line":"call""#));
    let calls: Vec<Value> = calls.map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields = ["route", "decision", "reason", "call_id", "order_id", "called"];
    let told: Vec<Value> = calls.iter().map(|call| json!(fields.map(|it| &call[it]))).collect();
    let route = "POST /calls/resolve";
    let connected = json!([route, "connect", "live", "call-1", "o-1", agent_number]);
    // A number without a route may be anybody's phone.
    assert_eq!(told, [connected, json!([route, "reject", "no_route", "call-1", null, null])]);
}

#[tokio::test]
async fn a_body_of_twilio_that_is_no_form_is_not_readable() {
    let world = World::without_tables();
    let mut request = Route::Twilio.recorded();
    request["headers"]["content-type"] = "application/json".into();
    assert_eq!(world.when_requested(&request).await.0, 400);
}

#[tokio::test]
async fn a_call_rings_and_lasts_as_long_as_the_stack_says() {
    let (mut world, _, agent_number) = world_with_an_order().await;
    world.given_variables(&[("RING_SECONDS", "12"), ("MAX_CALL_SECONDS", "900")]);
    let (_, twiml) = world.when_twilio_calls(&form(CUSTOMER, &agent_number)).await;
    assert!(twiml.contains(r#" timeout="12" timeLimit="900" "#), "{twiml}");
    let called = agent_number.replace("+62", "0");
    let (_, answer) = world.when_exotel_calls(EXOTEL_TOKEN, &query("081211112222", &called)).await;
    let seconds = (&answer["max_ringing_duration"], &answer["max_conversation_duration"]);
    assert_eq!(seconds, (&json!(12), &json!(900)));
}

#[tokio::test]
async fn a_caller_hears_the_sentences_of_the_stack() {
    let mut world = World::without_tables();
    let sentences = json!({
        "not_connected": {"say": "Nomor <ini> tidak aktif & \"mati\".", "language": "id-ID"},
        "try_again": {"play": "https://example.com/again.mp3?a=1&b=2"},
    });
    world.given_variables(&[("SENTENCES", &sentences.to_string())]);
    let (_, twiml) = world.when_twilio_calls(&form("anonymous", "+622150001")).await;
    let words = "Nomor &lt;ini&gt; tidak aktif &amp; &quot;mati&quot;.";
    let heard = format!(r#"<Say language="id-ID">{words}</Say><Hangup/>"#);
    assert!(twiml.contains(&heard), "{twiml}");
    let (_, twiml) = world.when_twilio_calls(&form(CUSTOMER, "+622150001")).await;
    assert!(twiml.contains("<Play>https://example.com/again.mp3?a=1&amp;b=2</Play>"), "{twiml}");
}

//! Calls on each route.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use support::World;
use support::events::Route;
use support::world::{EXOTEL_TOKEN, TWILIO_TOKEN, assigned, numbers_in};

use super::cases::{Stage, assert_no_phone, check, phones_in};
use super::inputs::{anything_or, like, mutated, phone, text};
use crate::people::{AGENT, CUSTOMER};

/// The parts of a request that a caller chooses.
#[derive(Clone, Debug)]
struct ApiRequest {
    query: String,
    body: Vec<u8>,
    base64: bool,
    headers: Vec<(&'static str, String)>,
}

/// Texts that a header may hold.
fn header_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        text.chars().take(300).collect()
    })
}

/// Encoded queries, as they are on the wire.
fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        1 => text(),
        4 => select(vec!["CallFrom", "CallTo", "From", "To", "callfrom", "CALLTO", "CallSid"])
            .prop_map(str::to_owned),
    ];
    let pairs = vec((name, text()), 0..6).prop_map(|pairs| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    });
    prop_oneof![3 => pairs, 1 => like("[!$-;=?-~]{0,60}")]
}

fn request(body: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = ApiRequest> {
    let names = select(vec!["user-agent", "cookie", "content-length", "x-forwarded-for"]);
    (query(), body, any::<bool>(), vec((names, header_text()), 0..3)).prop_map(
        |(query, body, base64, headers)| ApiRequest {
            base64: base64 || std::str::from_utf8(&body).is_err(),
            query,
            body,
            headers,
        },
    )
}

impl ApiRequest {
    /// The event of the HTTP API.
    fn event(&self, route: Route, path: &str) -> Value {
        let mut event = route.recorded();
        event["rawPath"] = path.into();
        event["rawQueryString"] = self.query.as_str().into();
        event["isBase64Encoded"] = self.base64.into();
        event["body"] = if self.base64 {
            STANDARD.encode(&self.body).into()
        } else {
            std::str::from_utf8(&self.body).unwrap().into()
        };
        for (name, value) in &self.headers {
            event["headers"][name] = value.as_str().into();
        }
        event
    }
}

/// A world with a live order, and one whose tables do not answer.
fn call_stages() -> [Stage; 2] {
    let with_an_order = async {
        let world = World::new();
        world.given_numbers("id-jkt", 0..2).await;
        let order = assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
        assert_eq!(world.when_told(&order).await.announced.len(), 1);
        world
    };
    [Stage::new(with_an_order), Stage::new(async { World::without_tables() })]
}

/// Sends a request in both worlds. Checks that the log has no phone of `given`, the input, and
/// returns both statuses and bodies.
fn ask(stages: &[Stage; 2], event: &Value, given: &str) -> [(u16, String); 2] {
    stages.each_ref().map(|stage| {
        let mut answer = (0, String::new());
        let log = stage.log_of(|| {
            answer = stage.run(async |world| world.when_requested(event).await);
        });
        for digits in phones_in(given).filter(|it| (8..=15).contains(&it.len())) {
            assert!(!log.contains(digits), "{digits} is in {log}");
        }
        answer
    })
}

#[test]
fn any_request_of_a_switch_is_answered_in_json() {
    let stages = call_stages();
    let right = (phone(), phone(), text()).prop_map(
        |(caller, called, id)| json!({"caller": caller, "called": called, "call_id": id}),
    );
    let body = anything_or(mutated(right, 0..=2)).prop_map(String::into_bytes);
    let body = prop_oneof![5 => body, 1 => vec(any::<u8>(), 0..60)];
    check(
        80,
        (request(body), proptest::option::weighted(0.2, header_text())),
        |(request, token)| {
            let mut event = request.event(Route::Switch, "/calls/resolve");
            if let Some(token) = &token {
                event["headers"]["authorization"] = token.as_str().into();
            }
            let given = String::from_utf8_lossy(&request.body).into_owned();
            let [with_tables, without] = ask(&stages, &event, &given);
            for ((status, answer), expected) in
                [(with_tables, [200, 400, 400]), (without, [200, 400, 503])]
            {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                if token.is_some() {
                    assert_eq!((status, answer), (403, json!({"error": "forbidden"})));
                } else {
                    assert!(expected.contains(&status), "{status} {answer}");
                    assert_eq!(status == 400, answer["error"].is_string());
                    assert_eq!(status == 503, answer["reason"] == "unavailable");
                    if status == 400 {
                        assert_no_phone(&given, &answer.to_string());
                    }
                }
            }
        },
    );
}

#[test]
fn a_request_of_twilio_is_answered_if_and_only_if_it_is_signed() {
    let stages = call_stages();
    let name = prop_oneof![
        1 => text(),
        3 => select(vec!["From", "To", "CallSid", "Caller"]).prop_map(str::to_owned),
    ];
    let form = btree_map(name, text(), 0..6);
    let body = form.prop_map(|form| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into_bytes()
    });
    let body = prop_oneof![5 => body, 1 => vec(any::<u8>(), 0..60)];
    let header = proptest::option::weighted(0.3, header_text()).boxed();
    check(120, (request(body), header.clone(), header), |(request, signature, content_type)| {
        let mut event = request.event(Route::Twilio, "/calls/twilio");
        let mut url = "https://calls.example.com/calls/twilio".to_owned();
        if !request.query.is_empty() {
            write!(url, "?{}", request.query).unwrap();
        }
        let form: BTreeSet<(String, String)> =
            form_urlencoded::parse(&request.body).into_owned().collect();
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let right = support::twilio::signature(TWILIO_TOKEN, &url, &form);
        event["headers"]["x-twilio-signature"] = signature.as_deref().unwrap_or(&right).into();
        if let Some(content_type) = &content_type {
            event["headers"]["content-type"] = content_type.as_str().into();
        }
        // A header that is not ASCII counts as absent.
        let signed = signature.as_ref().is_none_or(|it| it.is_ascii());
        let expected = match (&signature, &content_type) {
            (_, Some(_)) if signed => 400,
            (None, None) => 200,
            _ => 403,
        };
        let given: Vec<&str> = form.iter().map(|(_, value)| *value).collect();
        let given = given.join(" ");
        for (status, answer) in ask(&stages, &event, &given) {
            assert_eq!(status, expected, "{answer}");
            assert_eq!(status == 200, answer.starts_with("<?xml"), "{answer}");
            assert!(!answer.contains("<Dial"), "{answer}");
        }
    });
}

#[test]
fn a_request_of_exotel_is_answered_if_and_only_if_it_has_the_token() {
    let stages = call_stages();
    let path_text = text().prop_map(|text| text.chars().take(300).collect::<String>());
    let token = prop_oneof![3 => Just(EXOTEL_TOKEN.to_owned()), 1 => path_text];
    check(120, (request(Just(Vec::new())), token), |(request, token)| {
        let event = request.event(Route::Exotel, &format!("/calls/exotel/{token}"));
        let expected = if token == EXOTEL_TOKEN { 200 } else { 403 };
        let values = form_urlencoded::parse(request.query.as_bytes()).map(|(_, value)| value);
        let given = values.collect::<Vec<_>>().join(" ");
        for (status, answer) in ask(&stages, &event, &given) {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(status, expected);
            if status == 200 {
                assert_eq!(answer["destination"]["numbers"], json!([]));
            }
        }
    });
}

#[test]
fn the_agent_is_rung_for_nobody_but_the_customer() {
    let [stage, _] = call_stages();
    let numbers = stage.run(async |world| {
        let order = assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
        numbers_in(&world.when_told(&order).await.announced[0])
    });
    let number = numbers["agent"].clone();
    let nearly = |right: &str| {
        let right = right.to_owned();
        (any::<Index>(), any::<char>(), 0..4_u8).prop_map(move |(at, char, how)| {
            let mut chars: Vec<char> = right.chars().collect();
            let at = at.index(chars.len());
            match how {
                0 => chars[at] = char,
                1 => chars.insert(at, char),
                2 => drop(chars.remove(at)),
                _ => {}
            }
            String::from_iter(chars)
        })
    };
    check(80, (nearly(CUSTOMER), nearly(&number)), |(caller, called)| {
        let (status, answer) = stage.run(async |world| world.when_called(&caller, &called).await);
        let rung = caller.trim() == CUSTOMER && called == number;
        assert_eq!(answer["connect_to"] == AGENT, rung, "{answer}");
        assert!([200, 400].contains(&status));
    });
}

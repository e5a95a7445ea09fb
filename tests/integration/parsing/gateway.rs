//! Whole events of the HTTP API: whatever is in them, they are answered, and never with a 5xx.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use support::World;
use support::events::Route;
use support::world::EXOTEL_TOKEN;

use super::cases::{Stage, check};
use super::inputs::{any_json, like, mutate, mutation, text};

/// Any characters at all: those of URLs, control characters and other alphabets.
fn raw() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => vec(any::<char>(), 0..40).prop_map(String::from_iter),
        2 => like("[\u{0}-\u{7f}]{0,40}"),
        1 => like("[ <>\"'#%&?=+:/@\\[\\]\\\\a]{0,20}"),
        1 => text(),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => raw(),
        2 => raw().prop_map(|text| format!("/calls/exotel/{text}")),
        3 => select(vec![
            "/calls/resolve".to_owned(),
            "/calls/twilio".to_owned(),
            format!("/calls/exotel/{EXOTEL_TOKEN}"),
        ]),
    ]
}

fn headers() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        4 => select(vec![
            "host", "x-forwarded-proto", "x-forwarded-for", "x-forwarded-port", "content-type",
            "authorization", "x-twilio-signature", "cookie", "x-amzn-trace-id", "Host",
        ]).prop_map(str::to_owned),
        1 => raw(),
    ];
    let value = prop_oneof![
        4 => raw().prop_map(Value::from),
        1 => select(vec!["http,https", "https", "gopher", "", "a b", "[::1", "localhost:99999"])
            .prop_map(Value::from),
        1 => any_json(),
    ];
    btree_map(name, value, 0..6).prop_map(|headers| json!(headers))
}

/// The parts that replace those of a recorded event.
fn parts() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let maybe = |name: &'static str, value: BoxedStrategy<Value>| {
        proptest::option::weighted(0.5, value).prop_map(move |value| value.map(|it| (name, it)))
    };
    let base64 = prop_oneof![3 => any::<bool>().prop_map(Value::from), 1 => any_json()];
    let body = prop_oneof![4 => raw().prop_map(Value::from), 1 => any_json()];
    let cookies = prop_oneof![vec(raw(), 0..3).prop_map(|it| json!(it)), any_json()];
    (
        maybe("/rawPath", path().prop_map(Value::from).boxed()),
        maybe("/rawQueryString", raw().prop_map(Value::from).boxed()),
        maybe("/headers", headers().boxed()),
        maybe("/body", body.boxed()),
        maybe("/isBase64Encoded", base64.boxed()),
        maybe("/requestContext/domainName", raw().prop_map(Value::from).boxed()),
        maybe("/requestContext/stage", raw().prop_map(Value::from).boxed()),
        maybe("/cookies", cookies.boxed()),
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| {
            [a, b, c, d, e, f, g, h].into_iter().flatten().collect()
        })
}

fn event() -> impl Strategy<Value = String> {
    let recorded = select(Route::ALL.to_vec()).prop_map(Route::recorded);
    (recorded, parts(), vec(mutation(), 0..2)).prop_map(|(mut event, parts, mutations)| {
        for (pointer, value) in parts {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap()[name] = value;
        }
        mutate(event, &mutations)
    })
}

#[test]
fn any_event_of_the_gateway_is_answered_without_a_panic_or_a_5xx() {
    let stage = Stage::new(async { World::new() });
    check(256, event(), |event| {
        let (status, body) = stage.run(async |world| world.when_anything_arrives(&event).await);
        assert!((200..500).contains(&status), "{status} {body}");
        assert_eq!(body.starts_with("<?xml"), body.contains("<Response>"), "{body}");
    });
}

#[test]
fn any_event_of_the_gateway_is_answered_by_report_call_without_a_panic_or_a_5xx() {
    let stage = Stage::new(async { World::new() });
    let reports = event().prop_map(|event| event.replace("/calls/resolve", "/calls/resolve/ended"));
    check(256, reports, |event| {
        let (status, body) = stage.run(async |world| world.when_anything_is_reported(&event).await);
        assert!((200..500).contains(&status), "{status} {body}");
    });
}

#[test]
fn any_text_in_place_of_an_event_is_not_found() {
    let stage = Stage::new(async { World::without_tables() });
    check(100, raw(), |text| {
        let (status, _) = stage.run(async |world| world.when_anything_arrives(&text).await);
        assert_eq!(status, 404);
    });
}

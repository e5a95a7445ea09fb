//! Answers of providers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use masking::{Number, NumberType, Pools, Provider};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use providers::{NumberApi, ProviderReply, Purpose, RentalSecret, Transport};
use serde_json::{Value, json};
use support::World;
use support::provider::exotel::API_KEY;
use support::provider::{ACCOUNT, PASSWORD};
use support::rows::Row;
use tokio::time::Instant;

use super::cases::{Stage, check, phones_in};
use super::inputs::{any_json, like, mutated, phone, text};

/// The answer of a provider to every request.
#[derive(Clone, Debug)]
struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

/// A provider with one arbitrary answer, in the test's own process.
#[derive(Clone)]
struct OddProvider(Arc<Mutex<Reply>>);

impl OddProvider {
    fn new() -> Self {
        let nothing = Reply { status: 200, retry_after: None, body: vec![] };
        Self(Arc::new(Mutex::new(nothing)))
    }

    fn transport(&self) -> Transport {
        let this = self.clone();
        Transport::new(move |_| Box::pin(std::future::ready(Ok(this.answer()))))
    }

    fn answer(&self) -> ProviderReply {
        let reply = self.0.lock().unwrap().clone();
        let status = StatusCode::from_u16(reply.status).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(wait) = reply.retry_after {
            headers.insert(RETRY_AFTER, wait.parse().unwrap());
        }
        ProviderReply { status, headers, body: reply.body }
    }

    fn secret() -> Value {
        json!({
            "twilio": {"account_sid": ACCOUNT, "auth_token": PASSWORD},
            "exotel": {
                "account_sid": ACCOUNT, "api_key": API_KEY, "api_token": PASSWORD, "app_id": "42",
                "country": "IN", "subdomain": "api.exotel.com",
            },
        })
    }
}

const TAG: &str = "masking/in-blr";

/// A list of numbers, in the forms of both providers at once.
fn listed() -> impl Strategy<Value = Value> {
    let number = (phone(), like("PN[0-9]{4}"), select(vec![TAG, "other"]), any::<bool>());
    (vec(number, 0..4), any::<bool>()).prop_map(|(numbers, size)| {
        let entry = |(number, sid, tag, country): &(String, String, &str, bool)| {
            json!({
                "phone_number": number, "sid": sid, "friendly_name": tag,
                "country": country.then_some("IN"),
            })
        };
        let numbers: Vec<Value> = numbers.iter().map(entry).collect();
        json!({
            "incoming_phone_numbers": numbers, "available_phone_numbers": numbers,
            "next_page_uri": null, "page": 0, "page_size": size.then_some(50),
        })
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let error = (any::<i32>(), text(), any::<bool>()).prop_map(|(code, text, twilio)| {
        if twilio {
            json!({"code": code, "message": text, "status": 400})
        } else {
            json!({"RestException": {"Code": code.to_string(), "Message": text}})
        }
    });
    let body = prop_oneof![
        1 => vec(any::<u8>(), 0..60),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        2 => mutated(error, 0..=1).prop_map(String::into_bytes),
        4 => mutated(listed(), 0..=2).prop_map(String::into_bytes),
        1 => mutated(listed().prop_map(|list| list["incoming_phone_numbers"].clone()), 0..=2)
            .prop_map(String::into_bytes),
        1 => mutated(listed().prop_map(|list| list["incoming_phone_numbers"][0].clone()), 0..=2)
            .prop_map(String::into_bytes),
    ];
    let status = prop_oneof![
        4 => Just(200_u16),
        1 => select(vec![201, 204, 301, 304, 400, 401, 403, 404, 409, 429, 451, 500, 503, 599]),
    ];
    let retry_after = prop_oneof![
        3 => Just(None),
        1 => select(vec!["0", "-1", "18446744073709551615", "1e9", "soon", "", "60, 60"])
            .prop_map(|wait| Some(wait.to_owned())),
    ];
    (status, retry_after, body).prop_map(|(status, retry_after, body)| Reply {
        status,
        retry_after,
        body,
    })
}

/// Whether this is a complete list in the documented form.
fn is_whole(reply: &Reply) -> bool {
    let list: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let entries = list["incoming_phone_numbers"].as_array();
    (200..300).contains(&reply.status)
        && entries.is_some_and(|entries| {
            entries.iter().all(|entry| {
                entry["sid"].is_string()
                    && entry["phone_number"].is_string()
                    && (entry["friendly_name"].is_string() || entry["friendly_name"].is_null())
            })
        })
}

#[test]
fn a_list_is_complete_only_in_the_documented_form_and_no_error_shows_a_phone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let odd = OddProvider::new();
    let secret = RentalSecret::parse(&OddProvider::secret().to_string()).0;
    let transport = odd.transport();
    let apis = [Provider::Twilio, Provider::Exotel]
        .map(|provider| NumberApi::open(provider, &secret, &transport).unwrap());
    let pools = Pools::parse(r#"[{"id":"in-blr"}]"#).unwrap();
    let purpose = Purpose {
        pool: pools.named(None).unwrap(),
        tag: TAG,
        public_base_url: "https://calls.example.com",
    };
    let number: Number = "+918000000001".parse().unwrap();
    check(80, reply(), |reply| {
        *odd.0.lock().unwrap() = reply.clone();
        let mut shown = String::new();
        for api in &apis {
            // Too short for a second try.
            let soon = || Instant::now() + Duration::from_millis(240);
            runtime.block_on(async {
                match api.owned(TAG, soon()).await {
                    Ok(listing) if listing.is_complete() => assert!(is_whole(&reply)),
                    Ok(listing) => write!(shown, "{}", listing.cut_short.unwrap()).unwrap(),
                    Err(error) => write!(shown, "{error} {}", error.problem).unwrap(),
                }
                match api.available("IN", NumberType::Local, 3, soon()).await {
                    Ok(_) => assert!((200..300).contains(&reply.status)),
                    Err(error) => write!(shown, "{error} {}", error.problem).unwrap(),
                }
                match api.buy(&number, &purpose, soon()).await {
                    Ok(owned) => assert_eq!(owned.number, number),
                    Err(error) => write!(shown, "{error}").unwrap(),
                }
            });
        }
        for digits in phones_in(&String::from_utf8_lossy(&reply.body)) {
            // An error code may have up to ten digits.
            assert!(digits.len() <= 10 || !shown.contains(digits), "{shown}");
        }
    });
}

/// A world whose pool rents from an odd provider, and has one number of it.
fn rented_stage(provider: &str) -> (Stage, OddProvider) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pools = json!([{"id": "in-blr", "provider": provider, "country": "IN", "shards": 1}]);
    let odd = OddProvider::new();
    let world = World::reaching(&odd.transport(), &pools);
    world.given_rental_secret(&OddProvider::secret());
    let stage = Stage { runtime, world };
    let list = json!({
        "incoming_phone_numbers": [
            {"sid": "PN1", "phone_number": "+918000000001", "friendly_name": TAG},
        ],
        "next_page_uri": null,
    });
    check_pool(
        &stage,
        &odd,
        &Reply { status: 200, retry_after: None, body: list.to_string().into() },
    );
    assert_eq!(numbers(&stage).len(), 1, "the number was added");
    (stage, odd)
}

/// The rows of numbers. A check may write its pool's ledger.
fn numbers(stage: &Stage) -> BTreeMap<String, Row> {
    let mut rows = stage.rows();
    rows.retain(|key, _| !key.contains("ledger/"));
    rows
}

fn check_pool(stage: &Stage, odd: &OddProvider, reply: &Reply) {
    *odd.0.lock().unwrap() = reply.clone();
    let shown = stage.run(async |world| {
        let check = json!({"type": "pool.check", "pool": "in-blr"}).to_string();
        world.when_refill_receives_within(&check, Duration::from_millis(240)).await
    });
    assert_eq!((shown.again, shown.refused.len()), (0, 0), "a check never fails");
}

#[test]
fn an_answer_that_is_no_complete_list_withdraws_no_number() {
    for provider in ["twilio", "exotel"] {
        let rented = RefCell::new(rented_stage(provider));
        check(20, reply().prop_filter("is no list", |it| !is_whole(it)), |reply| {
            let (rows, log, rows_before) = {
                let (stage, odd) = &*rented.borrow();
                let rows_before = numbers(stage);
                let log = stage.log_of(|| check_pool(stage, odd, &reply));
                (numbers(stage), log, rows_before)
            };
            if rows != rows_before {
                // The next case needs the original rows.
                rented.replace(rented_stage(provider));
            }
            assert_eq!(rows, rows_before);
            assert!(log.contains("a check stopped"), "{log}");
        });
    }
}

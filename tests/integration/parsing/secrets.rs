//! The provider secret, the rental secret and the service secret.

use masking::{Invalid, Phone, PhoneHashKey};
use proptest::prelude::*;
use proptest::sample::select;
use providers::{ProviderSecret, RentalSecret};
use serde_json::{Value, json};
use support::World;
use support::functions::PROVIDER_SECRET;
use support::world::EXOTEL_TOKEN;

use super::cases::{Stage, assert_no_phone, check, is_field};
use super::inputs::{any_json, anything_or, like, mutate, mutated, mutation};
use crate::people::CUSTOMER;

fn right_secret() -> Value {
    json!({
        "resolve": {"tokens": ["bearer-token-no-1", "bearer-token-no-2"]},
        "twilio": {"auth_tokens": ["auth-token-of-no-1"]},
        "exotel": {"country": "IN", "webhook_tokens": ["path-token-of-no-1"]},
    })
}

fn right_rental_secret() -> Value {
    json!({
        "twilio": {"account_sid": "AC1", "api_key": "api-key-1", "api_secret": "api-secret-1"},
        "exotel": {"account_sid": "shop", "api_key": "api-key-1", "api_token": "api-token-1",
                   "subdomain": "api.exotel.com", "app_id": "42", "country": "IN"},
    })
}

/// Fails if a problem quotes a value, or a name that may be one.
fn assert_quotes_nothing(text: &str, whole: &str, problems: &[Invalid]) {
    let shown = format!("{problems:?}");
    for value in ["bearer-token", "auth-token", "api-key", "api-secret", "api-token", "path-token"]
    {
        assert!(!shown.contains(value), "{shown}");
    }
    for problem in problems {
        assert_no_phone(text, &problem.to_string());
        let part = problem.field.split('.').next().unwrap();
        let is_name = part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!([whole, "(a part)"].contains(&part) || is_name, "{part}");
    }
}

#[test]
fn no_problem_of_a_secret_quotes_a_value() {
    let before = ProviderSecret::parse(&right_secret().to_string()).0;
    check(150, anything_or(mutated(Just(right_secret()), 1..=3)), |text| {
        for (_, problems) in [ProviderSecret::parse(&text), before.updated(&text)] {
            assert_quotes_nothing(&text, "provider secret", &problems);
        }
    });
    let before = RentalSecret::parse(&right_rental_secret().to_string()).0;
    check(150, anything_or(mutated(Just(right_rental_secret()), 1..=3)), |text| {
        for (_, problems) in [RentalSecret::parse(&text), before.updated(&text)] {
            assert_quotes_nothing(&text, "rental secret", &problems);
        }
    });
}

#[test]
fn a_bad_part_of_the_provider_secret_affects_no_other_part() {
    let right = ProviderSecret::parse(&right_secret().to_string()).0;
    let parts = (select(vec!["resolve", "twilio", "exotel"]), any_json(), mutation());
    check(150, parts, |(part, value, mutation)| {
        let nearly_right = mutate(right_secret()[part].clone(), &[mutation]);
        let nearly_right = serde_json::from_str(&nearly_right).unwrap_or(Value::Null);
        for value in [value, nearly_right] {
            let mut text = right_secret();
            text[part] = value;
            if serde_json::from_str::<Value>(&text.to_string()).is_err() {
                // Too deep for the parser, so all parts are unreadable.
                continue;
            }
            for secret in [
                ProviderSecret::parse(&text.to_string()).0,
                ProviderSecret::default().updated(&text.to_string()).0,
            ] {
                let same = [
                    ("resolve", secret.switch == right.switch),
                    ("twilio", secret.twilio == right.twilio),
                    ("exotel", secret.exotel == right.exotel),
                ];
                assert!(same.iter().all(|(name, same)| *name == part || *same), "{part}");
            }
        }
    });
}

#[test]
fn no_problem_of_a_service_secret_quotes_its_value() {
    let right = like("[a-z]{20,64}").prop_map(|key| json!({ "caller_key": key }));
    let phone: Phone = CUSTOMER.parse().unwrap();
    check(200, anything_or(mutated(right, 0..=2)), |text| match PhoneHashKey::parse(&text) {
        Ok(key) => assert_eq!(key.hash(&phone).as_str().len(), 43),
        Err(why) => {
            assert!(is_field(&why.field, &["ServiceSecret", "caller_key"]), "{why}");
            assert_no_phone(&text, &why.to_string());
        }
    });
}

#[test]
fn a_telephone_provider_is_answered_with_any_secret() {
    let texts = (
        anything_or(mutated(Just(right_secret()), 1..=3)),
        anything_or(mutated(Just(json!({"caller_key": "k".repeat(64)})), 1..=2)),
    );
    check(8, texts, |(providers, service)| {
        let stage = Stage::new(async { World::without_tables() });
        stage.run(async |world| {
            world.cloud.secrets.given(PROVIDER_SECRET, Some(providers.clone()));
            world.given_service_secret(Some(&service));
            let form = [("From", CUSTOMER), ("To", "+622150001")];
            assert!([200, 403].contains(&world.when_twilio_calls(&form).await.0));
            let query = [("CallFrom", CUSTOMER), ("CallTo", "+622150001")];
            assert!([200, 403].contains(&world.when_exotel_calls(EXOTEL_TOKEN, &query).await.0));
            assert!([403, 503].contains(&world.when_called(CUSTOMER, "+622150001").await.0));
        });
        assert_no_phone(&providers, &stage.world.log());
        assert_no_phone(&service, &stage.world.log());
    });
}

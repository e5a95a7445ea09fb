//! Fuzzes every provider's webhook: Twilio's form and signature, Exotel's query with the
//! numbers of every country, and the JSON body of a switch.
#![no_main]

use std::sync::LazyLock;

use http::header::HeaderMap;
use libfuzzer_sys::fuzz_target;
use providers::{ProviderSecret, Refusal, Request, WEBHOOKS};

const COUNTRIES: [&str; 7] = ["AE", "ID", "IN", "MY", "PH", "SA", "SG"];

static SECRETS: LazyLock<[ProviderSecret; 7]> = LazyLock::new(|| {
    COUNTRIES.map(|country| {
        let secret = r#"{"resolve":{"tokens":["token-of-sixteen"]},"twilio":{"auth_tokens":["token-of-sixteen"]},
            "exotel":{"webhook_tokens":["token-of-sixteen"],"country":"COUNTRY"}}"#;
        ProviderSecret::parse(&secret.replace("COUNTRY", country)).0
    })
});

fuzz_target!(|given: (&str, &[u8], &str)| {
    let (query, body, signature) = given;
    let Ok(signature) = signature.parse() else { return };
    let headers = HeaderMap::from_iter([
        (http::header::AUTHORIZATION, "Bearer token-of-sixteen".parse().unwrap()),
        (http::header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap()),
        ("x-twilio-signature".parse().unwrap(), signature),
    ]);
    for webhook in WEBHOOKS {
        let path = webhook.route().as_str().replace("{token}", "token-of-sixteen");
        let (_, path) = path.split_once(' ').unwrap();
        let request = Request { url: query, path, query, headers: &headers, body };
        for secret in &*SECRETS {
            let admitted = webhook.admit(&request, secret);
            let signed = path.ends_with("twilio");
            assert!(!signed || admitted.is_err(), "it was not signed");
            assert!(signed || admitted.err() != Some(Refusal::Mismatch), "it has the token");
        }
    }
});

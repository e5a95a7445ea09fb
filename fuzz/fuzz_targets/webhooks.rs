//! Twilio's form and its signature, and Exotel's query in the way of every country.
#![no_main]

use std::sync::LazyLock;

use carriers::exotel::Country;
use carriers::{ProviderSecret, exotel, twilio};
use libfuzzer_sys::fuzz_target;

static SECRET: LazyLock<ProviderSecret> =
    LazyLock::new(|| ProviderSecret::parse(r#"{"twilio":{"auth_tokens":["token"]}}"#).0);

fuzz_target!(|given: (&str, &[u8], &str)| {
    let (url, body, signature) = given;
    let tokens = SECRET.twilio_webhook.as_ref().unwrap();
    assert!(!twilio::webhook::is_signed(tokens, url, body, signature), "it was not signed");
    let _ = twilio::webhook::question(body);
    for iso in Country::known() {
        let _ = exotel::webhook::question(url, Country::parse(iso).unwrap());
    }
});

//! Fuzzes the answers of a provider's number API, an error or a list.
#![no_main]

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use masking::{NumberType, Provider};
use providers::{NumberApi, ProviderReply, RentalSecret, Transport};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static APIS: LazyLock<(Runtime, [NumberApi; 2])> = LazyLock::new(|| {
    let secret = r#"{"twilio":{"account_sid":"A","auth_token":"t"},"exotel":{"account_sid":"A",
        "api_key":"k","api_token":"t","app_id":"1","country":"IN","subdomain":"api.exotel.com"}}"#;
    let secret = RentalSecret::parse(secret).0;
    let transport = Transport::new(|_| Box::pin(std::future::ready(Ok(answer()))));
    let apis = [Provider::Twilio, Provider::Exotel]
        .map(|provider| NumberApi::open(provider, &secret, &transport).unwrap());
    (Builder::new_current_thread().enable_all().build().unwrap(), apis)
});

/// Gives every request the current answer.
fn answer() -> ProviderReply {
    let body = ANSWER.lock().unwrap().clone();
    ProviderReply { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body }
}

fuzz_target!(|answer: &[u8]| {
    let (runtime, apis) = &*APIS;
    *ANSWER.lock().unwrap() = answer.to_vec();
    for api in apis {
        // Too short for a retry.
        let soon = Instant::now() + Duration::from_millis(240);
        let _ = runtime.block_on(api.owned("masking/in-blr", soon));
        let _ = runtime.block_on(api.available("IN", NumberType::Local, 3, soon));
    }
});

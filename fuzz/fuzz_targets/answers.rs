//! Fuzzes the answers of a provider's number API, an error or a list, over real HTTP.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use masking::{NumberType, Provider};
use providers::{NumberApi, ProviderSecret};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static APIS: LazyLock<(Runtime, [NumberApi; 2])> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || serve(&listener));
    let secret = r#"{"twilio":{"account_sid":"A","auth_tokens":["t"],"base_url":"URL"},"exotel":
        {"account_sid":"A","api_key":"k","api_token":"t","app_id":"1","country":"IN","base_url":"URL"}}"#;
    let secret = ProviderSecret::parse(&secret.replace("URL", &url)).0;
    let client = providers::Transport::network().unwrap();
    let apis = [Provider::Twilio, Provider::Exotel]
        .map(|provider| NumberApi::open(provider, &secret, &client).unwrap());
    (Builder::new_current_thread().enable_all().build().unwrap(), apis)
});

/// Gives every request the current answer, one connection at a time.
fn serve(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let _ = stream.read(&mut [0; 4096]);
        let answer = ANSWER.lock().unwrap().clone();
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
        let _ = write!(stream, "{head}: {}\r\n\r\n", answer.len());
        let _ = stream.write_all(&answer);
    }
}

fuzz_target!(|answer: &[u8]| {
    let (runtime, apis) = &*APIS;
    *ANSWER.lock().unwrap() = answer.to_vec();
    for api in apis {
        // Long enough for an answer, too short for a retry.
        let soon = Instant::now() + Duration::from_millis(240);
        let _ = runtime.block_on(api.owned("masking/in-blr", soon));
        let _ = runtime.block_on(api.available("IN", NumberType::Local, 3, soon));
    }
});

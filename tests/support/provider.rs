//! A telephone provider in the test's own process: one stock of numbers behind the number API
//! of each real provider, over HTTP.
//!
//! It records purchases, and can fail the way providers do: above all, it can sell a number
//! and lose the answer.

pub mod exotel;
pub mod twilio;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The id of the account.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// The password of the API, until a test sets another one.
pub const PASSWORD: &str = "password-1";

/// A provider that serves until the test ends.
#[derive(Clone, Debug)]
pub struct FakeProvider {
    base_url: String,
    stock: Arc<Mutex<Stock>>,
}

/// A call of the number API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Lists the numbers of the account.
    List,
    /// Lists numbers for sale.
    Search,
    Buy,
}

/// A way to fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No answer at all.
    Silence,
    /// An HTTP status, and an error body with this code.
    Status(u16, i64),
    /// Status 429, with this `Retry-After` in seconds.
    TooManyRequests(u64),
    /// Status 200 with a web page.
    WebPage,
    /// Status 200 with `{}`.
    EmptyObject,
    /// The right answer, late.
    Late(Duration),
}

/// A number of the account, with the fields of its purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedNumber {
    /// In E.164 form.
    pub number: String,
    pub sid: String,
    /// `FriendlyName`.
    pub tag: String,
    pub voice_url: String,
    pub fallback_url: String,
    pub address_sid: String,
    pub bundle_sid: String,
}

#[derive(Debug, Default)]
pub struct Stock {
    /// The only password that the API accepts.
    pub password: String,
    /// The only user that it accepts, in place of the account's own.
    pub user: Option<&'static str>,
    for_sale: Vec<String>,
    /// Sold to others, though searches still find them.
    pub sold: Vec<String>,
    pub owned: Vec<OwnedNumber>,
    ordered: Vec<String>,
    bought: Vec<String>,
    calls: Vec<(Call, String)>,
    faults: Vec<(Call, Fault)>,
    lost_answers: VecDeque<Fault>,
    /// The most numbers on a page of a list.
    pub page_size: usize,
    /// Whether every request for a numbered page gets the first page.
    pub pages_ignored: bool,
    /// Whether lists report the requested page size in place of the real one.
    pub size_echoed: bool,
    /// The URI of the next page in every list, in place of the right one.
    pub next_page: Option<Value>,
}

type Parameters = HashMap<String, String>;

impl FakeProvider {
    /// Starts a provider with nothing for sale.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the listener is bound");
        let provider = Self {
            base_url: format!("http://{address}"),
            stock: Arc::new(Mutex::new(Stock {
                password: PASSWORD.to_owned(),
                page_size: 50,
                ..Stock::default()
            })),
        };
        let routes = twilio::routes().merge(exotel::routes());
        let answer = middleware::from_fn_with_state(provider.clone(), Self::answer);
        let app = routes.layer(answer).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        provider
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn given_available(&self, numbers: &[&str]) {
        self.stock().for_sale.extend(numbers.iter().map(|&number| number.to_owned()));
    }

    pub fn given_owned(&self, number: &str, tag: &str) {
        let owned = OwnedNumber::new(number, &HashMap::from([("FriendlyName".into(), tag.into())]));
        self.stock().owned.push(owned);
    }

    /// Takes a number out of the account.
    pub fn given_lost(&self, number: &str) {
        self.stock().owned.retain(|owned| owned.number != number);
    }

    /// Fails the next call of this kind before it does anything. Several faults fail several
    /// calls, in this order.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.stock().faults.push((call, fault));
    }

    /// Carries the next purchase out, and then fails.
    pub fn lose_next_sale(&self, fault: Fault) {
        self.stock().lost_answers.push_back(fault);
    }

    /// The numbers of the account, oldest first.
    pub fn owned(&self) -> Vec<OwnedNumber> {
        self.stock().owned.clone()
    }

    /// The numbers that were sold, and charged, in order.
    pub fn purchases(&self) -> Vec<String> {
        self.stock().bought.clone()
    }

    /// The number of each attempt to buy, in order. A number that is there twice was nearly
    /// bought twice.
    pub fn orders(&self) -> Vec<String> {
        self.stock().ordered.clone()
    }

    /// The paths and queries of all calls of a kind, in order.
    pub fn calls(&self, call: Call) -> Vec<String> {
        let stock = self.stock();
        let of_kind = stock.calls.iter().filter(|(kind, _)| *kind == call);
        of_kind.map(|(_, uri)| uri.clone()).collect()
    }

    pub fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().expect("no test thread panicked while it held the stock")
    }

    /// Records a call, and answers it unless the credentials are wrong or a fault is due.
    async fn answer(State(provider): State<Self>, request: Request, handler: Next) -> Response {
        let path = request.uri().path();
        let user = if path.starts_with("/2010-04-01/") { ACCOUNT } else { exotel::API_KEY };
        let call = match request.method() {
            &Method::POST => Call::Buy,
            _ if path.contains("/AvailablePhoneNumbers/") => Call::Search,
            _ => Call::List,
        };
        let (expected, fault) = {
            let mut stock = provider.stock();
            stock.calls.push((call, request.uri().to_string()));
            let user = stock.user.unwrap_or(user);
            let expected = STANDARD.encode(format!("{user}:{}", stock.password));
            let next = stock.faults.iter().position(|(kind, _)| *kind == call);
            (format!("Basic {expected}"), next.map(|at| stock.faults.remove(at).1))
        };
        let given = request.headers().get(header::AUTHORIZATION);
        if given.is_none_or(|given| given != expected.as_str()) {
            return refusal(401, 20003);
        }
        if let Some(failure) = respond(fault).await {
            return failure;
        }
        let answer = handler.run(request).await;
        let is_sale = call == Call::Buy && answer.status().is_success();
        let fault = if is_sale { provider.stock().lost_answers.pop_front() } else { None };
        respond(fault).await.unwrap_or(answer)
    }

    fn sell(&self, form: &Parameters) -> Option<OwnedNumber> {
        let mut stock = self.stock();
        let number = form.get("PhoneNumber").cloned().unwrap_or_default();
        stock.ordered.push(number.clone());
        let at = stock.for_sale.iter().position(|offered| *offered == number)?;
        if stock.sold.contains(&number) {
            return None;
        }
        stock.for_sale.remove(at);
        stock.bought.push(number.clone());
        let owned = OwnedNumber::new(&number, form);
        stock.owned.push(owned.clone());
        Some(owned)
    }
}

impl OwnedNumber {
    fn new(number: &str, form: &Parameters) -> Self {
        let value = |name: &str| form.get(name).cloned().unwrap_or_default();
        Self {
            number: number.to_owned(),
            sid: format!("PN{:0>32}", number.trim_start_matches('+')),
            tag: value("FriendlyName"),
            voice_url: value("VoiceUrl"),
            fallback_url: value("VoiceFallbackUrl"),
            address_sid: value("AddressSid"),
            bundle_sid: value("BundleSid"),
        }
    }
}

/// The answer in place of the right one. None without a fault, or if the right answer only
/// comes late.
async fn respond(fault: Option<Fault>) -> Option<Response> {
    match fault? {
        Fault::Silence => std::future::pending().await,
        Fault::Status(status, code) => Some(refusal(status, code)),
        Fault::TooManyRequests(seconds) => {
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            Some((headers, refusal(429, 20429)).into_response())
        }
        Fault::WebPage => Some(Html("<html>We will be back soon.</html>").into_response()),
        Fault::EmptyObject => Some(Json(json!({})).into_response()),
        Fault::Late(delay) => {
            tokio::time::sleep(delay).await;
            None
        }
    }
}

/// An error in the forms of all providers at once.
fn refusal(status: u16, code: i64) -> Response {
    let body = json!({
        "code": code, "status": status, "message": "refused",
        "RestException": { "Status": status, "Code": code, "Message": "refused" },
    });
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

fn number_in(query: &Parameters, name: &str) -> usize {
    query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

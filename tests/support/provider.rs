//! A telephone provider in the test's own process: one stock of numbers behind the number API
//! of each real provider, over HTTP.
//!
//! It records purchases, and can fail the way providers do: above all, it can sell a number
//! and lose the answer.

mod call;
pub mod exotel;
pub mod twilio;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

pub use self::call::{Call, reply_from, request_from};

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
    /// A list of these numbers, as of before.
    Listed(Vec<Value>),
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
    /// When the account got it, in seconds since the Unix epoch.
    pub since: u64,
}

#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an oddity of its own")]
pub struct Stock {
    /// The provider's own time, in seconds since the Unix epoch.
    pub now: u64,
    /// Whether an order of a number that the account has succeeds and overwrites its
    /// settings, as some report of Twilio. Otherwise it is refused.
    pub resells: bool,
    /// Whether tags are stored in capitals and without `/`.
    pub renames: bool,
    /// The only password that the API accepts.
    pub password: String,
    /// The only user that it accepts, in place of the account's own.
    pub user: Option<&'static str>,
    pub for_sale: Vec<String>,
    /// Sold to others, though searches still find them.
    pub sold: Vec<String>,
    pub owned: Vec<OwnedNumber>,
    /// The last id that was given to a number. No id is used twice.
    serial: u64,
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

pub type Parameters = HashMap<String, String>;

impl FakeProvider {
    /// Starts a provider with nothing for sale.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the listener is bound");
        let provider = Self {
            base_url: format!("http://{address}"),
            stock: Arc::new(Mutex::new(Stock::new())),
        };
        let app = provider.app();
        tokio::spawn(async move { axum::serve(listener, app).await });
        provider
    }

    /// A provider that listens nowhere, and answers by [`Self::answer_to`].
    pub fn with(stock: Stock) -> Self {
        let base_url = "http://127.0.0.1:1".to_owned();
        Self { base_url, stock: Arc::new(Mutex::new(stock)) }
    }

    /// Answers a request in this process.
    pub async fn answer_to(&self, request: Request) -> Response {
        let Ok(response) = self.app().oneshot(request).await;
        response
    }

    fn app(&self) -> Router {
        let routes = twilio::routes().merge(exotel::routes());
        let answer = middleware::from_fn_with_state(self.clone(), Self::answer);
        routes.layer(answer).with_state(self.clone())
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn given_available(&self, numbers: &[&str]) {
        self.stock().for_sale.extend(numbers.iter().map(|&number| number.to_owned()));
    }

    pub fn given_owned(&self, number: &str, tag: &str) {
        let form = HashMap::from([("FriendlyName".into(), tag.into())]);
        let mut stock = self.stock();
        stock.serial += 1;
        let owned = OwnedNumber::new(number, stock.serial, &form);
        stock.owned.push(owned);
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

    /// Fails no more.
    pub fn recover(&self) {
        self.stock().faults.clear();
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

    /// Answers with the provider's own time.
    async fn answer(State(provider): State<Self>, request: Request, handler: Next) -> Response {
        let date = http_date(provider.stock().now);
        let mut answer = provider.answer_or_fail(request, handler).await;
        answer.headers_mut().insert(header::DATE, date.parse().expect("a header"));
        answer
    }

    /// Records a call, and answers it unless the credentials are wrong or a fault is due.
    async fn answer_or_fail(&self, request: Request, handler: Next) -> Response {
        let provider = self;
        let path = request.uri().path();
        let user = if path.starts_with("/2010-04-01/") { ACCOUNT } else { exotel::API_KEY };
        let call = Call::of(&request);
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
        if stock.resells
            && let Some(sid) = stock.owned.iter().find(|owned| owned.number == number)
        {
            let sid = sid.sid.clone();
            return stock.change(&sid, form);
        }
        let at = stock.for_sale.iter().position(|offered| *offered == number)?;
        if stock.sold.contains(&number) {
            return None;
        }
        stock.for_sale.remove(at);
        stock.bought.push(number.clone());
        stock.serial += 1;
        let new = OwnedNumber::new(&number, stock.serial, form);
        let owned = OwnedNumber { since: stock.now, ..new };
        stock.owned.push(owned);
        let sid = stock.owned.last()?.sid.clone();
        stock.change(&sid, form)
    }

    fn one(&self, sid: &str) -> Option<OwnedNumber> {
        let sid = sid.trim_end_matches(".json");
        self.stock().owned.iter().find(|owned| owned.sid == sid).cloned()
    }

    /// Gives a number back. It is for sale again.
    fn take_back(&self, sid: &str) -> bool {
        let mut stock = self.stock();
        let sid = sid.trim_end_matches(".json");
        let at = stock.owned.iter().position(|owned| owned.sid == sid);
        let Some(at) = at else { return false };
        let owned = stock.owned.remove(at);
        stock.for_sale.push(owned.number);
        true
    }
}

impl Stock {
    pub fn new() -> Self {
        Self { password: PASSWORD.to_owned(), page_size: 50, ..Self::default() }
    }

    /// Changes a number of the account by the fields of a form.
    pub fn change(&mut self, sid: &str, form: &Parameters) -> Option<OwnedNumber> {
        let sid = sid.trim_end_matches(".json");
        let renames = self.renames;
        let owned = self.owned.iter_mut().find(|owned| owned.sid == sid)?;
        if let Some(tag) = form.get("FriendlyName") {
            owned.tag = if renames { tag.to_uppercase().replace('/', "") } else { tag.clone() };
        }
        let set = |name: &str, field: &mut String| {
            if let Some(value) = form.get(name) {
                field.clone_from(value);
            }
        };
        set("VoiceUrl", &mut owned.voice_url);
        set("VoiceFallbackUrl", &mut owned.fallback_url);
        Some(owned.clone())
    }
}

/// A time in the form of HTTP and of RFC 2822.
fn http_date(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    httpdate::fmt_http_date(time)
}

impl OwnedNumber {
    fn new(number: &str, serial: u64, form: &Parameters) -> Self {
        let value = |name: &str| form.get(name).cloned().unwrap_or_default();
        Self {
            number: number.to_owned(),
            sid: format!("PN{serial:0>32}"),
            tag: value("FriendlyName"),
            voice_url: value("VoiceUrl"),
            fallback_url: value("VoiceFallbackUrl"),
            address_sid: value("AddressSid"),
            bundle_sid: value("BundleSid"),
            since: 0,
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
        Fault::Listed(numbers) => {
            let list = json!({ "incoming_phone_numbers": numbers, "next_page_uri": null });
            Some(Json(list).into_response())
        }
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

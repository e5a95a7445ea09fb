//! A telecom provider in the test's own process: one stock of numbers, over real
//! HTTP, with a number API in the form of each provider that there is.
//!
//! It remembers what was bought, and can be made to fail the way providers do:
//! above all, by selling a number and losing the answer.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

pub mod exotel;
pub mod twilio;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The account's id, at every provider.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// The password, at every provider, until another is given.
pub const PASSWORD: &str = "password-1";

/// A provider, serving until the test ends.
#[derive(Clone, Debug)]
pub struct FakeProvider {
    base_url: String,
    stock: Arc<Mutex<Stock>>,
}

/// What can be asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Which numbers does the account have?
    List,
    /// Which numbers are for sale?
    Search,
    /// Sell this number.
    Buy,
}

/// A way to fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No answer at all.
    Silence,
    /// An HTTP status, with an error body that has this code.
    Status(u16, i64),
    /// Status 429, with these seconds in `Retry-After`.
    TooManyRequests(u64),
    /// Status 200 with a web page.
    WebPage,
    /// Status 200 with `{}`.
    EmptyObject,
    /// The right answer, late.
    Late(Duration),
}

/// A number that the account has, as the provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedNumber {
    /// The number, in E.164 form.
    pub number: String,
    /// The provider's id.
    pub sid: String,
    /// Its `FriendlyName`.
    pub tag: String,
    /// Its `VoiceUrl`.
    pub voice_url: String,
    /// Its `VoiceFallbackUrl`.
    pub fallback_url: String,
    /// Its `AddressSid`.
    pub address_sid: String,
    /// Its `BundleSid`.
    pub bundle_sid: String,
}

#[derive(Debug)]
struct Stock {
    password: String,
    for_sale: Vec<String>,
    /// Still found by a search, and sold.
    sold: Vec<String>,
    owned: Vec<OwnedNumber>,
    ordered: Vec<String>,
    bought: Vec<String>,
    calls: Vec<(Call, String)>,
    faults: Vec<(Call, Fault)>,
    lost_answers: Vec<Fault>,
    page_size: usize,
    pages_ignored: bool,
    size_echoed: bool,
    next_page: Option<Value>,
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
                for_sale: Vec::new(),
                sold: Vec::new(),
                owned: Vec::new(),
                ordered: Vec::new(),
                bought: Vec::new(),
                calls: Vec::new(),
                faults: Vec::new(),
                lost_answers: Vec::new(),
                page_size: 50,
                pages_ignored: false,
                size_echoed: false,
                next_page: None,
            })),
        };
        let app = twilio::routes().merge(exotel::routes()).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        provider
    }

    /// Where it listens.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Puts numbers up for sale.
    pub fn given_available(&self, numbers: &[&str]) {
        self.stock().for_sale.extend(numbers.iter().map(|&number| number.to_owned()));
    }

    /// Has someone else buy a number that searches still find.
    pub fn given_taken(&self, number: &str) {
        self.stock().sold.push(number.to_owned());
    }

    /// Puts a number into the account.
    pub fn given_owned(&self, number: &str, tag: &str) {
        let owned = OwnedNumber::new(number, &HashMap::from([("FriendlyName".into(), tag.into())]));
        self.stock().owned.push(owned);
    }

    /// Takes a number out of the account.
    pub fn given_lost(&self, number: &str) {
        self.stock().owned.retain(|owned| owned.number != number);
    }

    /// Accepts only this password from now on.
    pub fn given_password(&self, password: &str) {
        password.clone_into(&mut self.stock().password);
    }

    /// Puts no more than this on a page of a list.
    pub fn given_page_size(&self, most: usize) {
        self.stock().page_size = most;
    }

    /// Answers every request for a page that is named by its number with the first one.
    pub fn given_pages_are_ignored(&self) {
        self.stock().pages_ignored = true;
    }

    /// Claims that a list's pages are of the size that was asked for.
    pub fn given_page_size_is_echoed(&self) {
        self.stock().size_echoed = true;
    }

    /// Says this about the next page in every list that says where it is.
    pub fn given_next_page(&self, uri: Value) {
        self.stock().next_page = Some(uri);
    }

    /// Fails the next call of this kind, before anything is done; more of them fail
    /// more calls, in this order.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.stock().faults.push((call, fault));
    }

    /// Sells at the next purchase, and fails after that.
    pub fn lose_next_sale(&self, fault: Fault) {
        self.stock().lost_answers.push(fault);
    }

    /// What the account has, oldest first.
    pub fn owned(&self) -> Vec<OwnedNumber> {
        self.stock().owned.clone()
    }

    /// The numbers that were sold, and charged, in order.
    pub fn purchases(&self) -> Vec<String> {
        self.stock().bought.clone()
    }

    /// The numbers that purchases were tried of, in order: one that is there twice
    /// was nearly bought twice.
    pub fn orders(&self) -> Vec<String> {
        self.stock().ordered.clone()
    }

    /// The paths and queries of all calls of a kind, in order.
    pub fn calls(&self, call: Call) -> Vec<String> {
        let stock = self.stock();
        let of_kind = stock.calls.iter().filter(|(kind, _)| *kind == call);
        of_kind.map(|(_, uri)| uri.clone()).collect()
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().expect("no test thread panicked while it held the stock")
    }

    /// Notes a call, and fails it if it is to.
    async fn admit(
        &self,
        call: Call,
        uri: &Uri,
        user: &str,
        headers: &HeaderMap,
    ) -> Result<(), Response> {
        let (expected, fault) = {
            let mut stock = self.stock();
            stock.calls.push((call, uri.to_string()));
            let next = stock.faults.iter().position(|(kind, _)| *kind == call);
            let expected = STANDARD.encode(format!("{user}:{}", stock.password));
            (format!("Basic {expected}"), next.map(|at| stock.faults.remove(at).1))
        };
        if headers.get(header::AUTHORIZATION).is_none_or(|given| given != expected.as_str()) {
            return Err(refusal(401, 20003));
        }
        let Some(fault) = fault else { return Ok(()) };
        fault.respond().await.map_or(Ok(()), Err)
    }

    /// Sells a number, if it is for sale.
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

    /// Answers a sale, unless the answer is to be lost.
    async fn confirm(&self, sale: Response) -> Response {
        let lost = {
            let mut stock = self.stock();
            (!stock.lost_answers.is_empty()).then(|| stock.lost_answers.remove(0))
        };
        let Some(fault) = lost else { return sale };
        fault.respond().await.unwrap_or(sale)
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

impl Fault {
    /// What to say instead of the right answer; none when it is only late.
    async fn respond(self) -> Option<Response> {
        match self {
            Self::Silence => std::future::pending().await,
            Self::Status(status, code) => Some(refusal(status, code)),
            Self::TooManyRequests(seconds) => {
                let headers = [(header::RETRY_AFTER, seconds.to_string())];
                Some((headers, refusal(429, 20429)).into_response())
            }
            Self::WebPage => Some(Html("<html>We will be back soon.</html>").into_response()),
            Self::EmptyObject => Some(Json(json!({})).into_response()),
            Self::Late(delay) => {
                tokio::time::sleep(delay).await;
                None
            }
        }
    }
}

/// An error body that every provider's client can read.
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

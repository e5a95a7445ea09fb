//! A telecom provider in the test's own process: the number APIs of Twilio and
//! of Exotel, on one stock of numbers, over real HTTP.
//!
//! It remembers what was bought, and can be made to fail the way providers do:
//! above all, by selling a number and losing the answer.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The account's id, at both providers.
pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// Exotel's user name; Twilio's is the account's id.
pub const API_KEY: &str = "key-1";
/// The password, at both providers, until another is given.
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
        let account = format!("/2010-04-01/Accounts/{ACCOUNT}");
        let exotel_account = format!("/v2_beta/Accounts/{ACCOUNT}");
        let app = Router::new()
            .route(
                &format!("{account}/IncomingPhoneNumbers.json"),
                get(twilio_list).post(twilio_buy),
            )
            .route(
                &format!("{account}/AvailablePhoneNumbers/{{country}}/{{kind}}"),
                get(twilio_search),
            )
            .route(
                &format!("{exotel_account}/IncomingPhoneNumbers"),
                get(exotel_list).post(exotel_buy),
            )
            .route(
                &format!("{exotel_account}/AvailablePhoneNumbers/{{country}}/{{kind}}"),
                get(exotel_search),
            )
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        provider
    }

    /// Where it listens.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The `twilio` part of the provider secret that leads here.
    pub fn twilio_part(&self) -> Value {
        json!({ "account_sid": ACCOUNT, "auth_tokens": [PASSWORD], "base_url": self.base_url })
    }

    /// The `exotel` part of the provider secret that leads here.
    pub fn exotel_part(&self) -> Value {
        json!({
            "account_sid": ACCOUNT, "api_key": API_KEY, "api_token": PASSWORD, "app_id": "42",
            "country": "IN", "subdomain": "api.exotel.com", "base_url": self.base_url,
        })
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

    /// Answers every request for a page of Exotel's list with the first one.
    pub fn given_pages_are_ignored(&self) {
        self.stock().pages_ignored = true;
    }

    /// Claims that the pages of Exotel's list are of the size that was asked for.
    pub fn given_page_size_is_echoed(&self) {
        self.stock().size_echoed = true;
    }

    /// Says this about the next page in every answer of Twilio's list.
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

    fn twilio(&self) -> Value {
        json!({
            "sid": self.sid, "account_sid": ACCOUNT, "phone_number": self.number,
            "friendly_name": self.tag, "voice_url": self.voice_url, "status": "in-use",
        })
    }

    fn exotel(&self) -> Value {
        json!({
            "sid": self.sid, "phone_number": national(&self.number),
            "friendly_name": self.tag, "country": "IN",
        })
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

/// An error body that either provider's client can read.
fn refusal(status: u16, code: i64) -> Response {
    let body = json!({
        "code": code, "status": status, "message": "refused",
        "RestException": { "Status": status, "Code": code, "Message": "refused" },
    });
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

/// Writes an Indian number as it is dialled there, as Exotel does.
fn national(number: &str) -> String {
    number.strip_prefix("+91").map_or(number.to_owned(), |rest| format!("0{rest}"))
}

fn number_in(query: &Parameters, name: &str) -> usize {
    query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn twilio_list(
    State(provider): State<FakeProvider>,
    uri: Uri,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    provider.admit(Call::List, &uri, ACCOUNT, &headers).await?;
    let stock = provider.stock();
    let fits = |name: &str, value: &str| query.get(name).is_none_or(|wanted| wanted == value);
    let all: Vec<Value> = (stock.owned.iter())
        .filter(|owned| fits("FriendlyName", &owned.tag) && fits("PhoneNumber", &owned.number))
        .map(OwnedNumber::twilio)
        .collect();
    let page = number_in(&query, "Page");
    let size = number_in(&query, "PageSize").clamp(1, stock.page_size);
    let numbers: Vec<&Value> = all.iter().skip(page * size).take(size).collect();
    let next = ((page + 1) * size < all.len()).then(|| {
        let filter = query.get("FriendlyName").map(|tag| format!("&FriendlyName={tag}"));
        let filter = filter.unwrap_or_default();
        format!("{}?PageSize={size}&Page={}{filter}&PageToken=PA1", uri.path(), page + 1)
    });
    let next = stock.next_page.clone().unwrap_or(json!(next));
    let answer = json!({
        "incoming_phone_numbers": numbers, "page": page, "page_size": size, "next_page_uri": next,
    });
    Ok(Json(answer).into_response())
}

async fn twilio_search(
    State(provider): State<FakeProvider>,
    uri: Uri,
    Path(_): Path<(String, String)>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    provider.admit(Call::Search, &uri, ACCOUNT, &headers).await?;
    let stock = provider.stock();
    let found = stock.for_sale.iter().take(number_in(&query, "PageSize").max(1));
    let found: Vec<Value> = found.map(|number| json!({ "phone_number": number })).collect();
    Ok(Json(json!({ "available_phone_numbers": found, "uri": uri.path() })).into_response())
}

async fn twilio_buy(
    State(provider): State<FakeProvider>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Result<Response, Response> {
    provider.admit(Call::Buy, &uri, ACCOUNT, &headers).await?;
    let owned = provider.sell(&form).ok_or_else(|| refusal(400, 21422))?;
    let sale = (StatusCode::CREATED, Json(owned.twilio())).into_response();
    Ok(provider.confirm(sale).await)
}

async fn exotel_list(
    State(provider): State<FakeProvider>,
    uri: Uri,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    provider.admit(Call::List, &uri, API_KEY, &headers).await?;
    let stock = provider.stock();
    let page = if stock.pages_ignored { 0 } else { number_in(&query, "Page") };
    let size = number_in(&query, "PageSize").clamp(1, stock.page_size);
    let numbers = stock.owned.iter().skip(page * size).take(size);
    let numbers: Vec<Value> = numbers.map(OwnedNumber::exotel).collect();
    let size = if stock.size_echoed { number_in(&query, "PageSize") } else { size };
    let answer = json!({ "page": page, "page_size": size, "incoming_phone_numbers": numbers });
    Ok(Json(answer).into_response())
}

async fn exotel_search(
    State(provider): State<FakeProvider>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Response> {
    provider.admit(Call::Search, &uri, API_KEY, &headers).await?;
    let found: Vec<Value> = (provider.stock().for_sale.iter())
        .map(|number| json!({ "phone_number": national(number), "country": "IN" }))
        .collect();
    Ok(Json(found).into_response())
}

async fn exotel_buy(
    State(provider): State<FakeProvider>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Result<Response, Response> {
    provider.admit(Call::Buy, &uri, API_KEY, &headers).await?;
    let owned = provider.sell(&form).ok_or_else(|| refusal(409, 1409))?;
    Ok(provider.confirm(Json(owned.exotel()).into_response()).await)
}

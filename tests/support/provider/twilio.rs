//! Twilio: the signature of its calls, and its number API.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use super::{ACCOUNT, FakeProvider, OwnedNumber, PASSWORD, Parameters, number_in, refusal};

/// Signs a form for `url` by Twilio's rules. (The tests on the deployed stack sign with
/// Twilio's own library.)
///
/// Source: <https://www.twilio.com/docs/usage/security>
pub fn signature(auth_token: &str, url: &str, form: &[(&str, &str)]) -> String {
    let mut fields = form.to_vec();
    fields.sort_unstable();
    let mut signed = url.to_owned();
    for (name, value) in fields {
        signed.push_str(name);
        signed.push_str(value);
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("any key does");
    mac.update(signed.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

impl FakeProvider {
    /// The `twilio` part of a rental secret for this provider.
    pub fn twilio_part(&self) -> Value {
        json!({ "account_sid": ACCOUNT, "auth_token": PASSWORD, "base_url": self.base_url() })
    }
}

pub(super) fn routes() -> Router<FakeProvider> {
    let account = format!("/2010-04-01/Accounts/{ACCOUNT}");
    Router::new()
        .route(&format!("{account}/IncomingPhoneNumbers.json"), get(list).post(buy))
        .route(
            &format!("{account}/IncomingPhoneNumbers/{{sid}}"),
            get(read).post(change).delete(give_back),
        )
        .route(&format!("{account}/AvailablePhoneNumbers/{{country}}/{{kind}}"), get(search))
}

fn written(owned: &OwnedNumber) -> Value {
    json!({
        "sid": owned.sid, "account_sid": ACCOUNT, "phone_number": owned.number,
        "friendly_name": owned.tag, "voice_url": owned.voice_url, "status": "in-use",
        "date_created": super::http_date(owned.since).replace("GMT", "+0000"),
    })
}

async fn list(
    State(provider): State<FakeProvider>,
    uri: Uri,
    Query(query): Query<Parameters>,
) -> Json<Value> {
    let stock = provider.stock();
    let fits = |name: &str, value: &str| query.get(name).is_none_or(|wanted| wanted == value);
    let all: Vec<Value> = (stock.owned.iter())
        .filter(|owned| fits("FriendlyName", &owned.tag) && fits("PhoneNumber", &owned.number))
        .map(written)
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
    Json(json!({
        "incoming_phone_numbers": numbers, "page": page, "page_size": size, "next_page_uri": next,
    }))
}

async fn search(
    State(provider): State<FakeProvider>,
    uri: Uri,
    Query(query): Query<Parameters>,
) -> Json<Value> {
    let stock = provider.stock();
    let found = stock.for_sale.iter().take(number_in(&query, "PageSize").max(1));
    let found: Vec<Value> = found.map(|number| json!({ "phone_number": number })).collect();
    Json(json!({ "available_phone_numbers": found, "uri": uri.path() }))
}

async fn buy(State(provider): State<FakeProvider>, Form(form): Form<Parameters>) -> Response {
    let sold = provider.sell(&form);
    let sold = sold.map(|owned| (StatusCode::CREATED, Json(written(&owned))).into_response());
    sold.unwrap_or_else(|| refusal(400, 21422))
}

async fn read(State(provider): State<FakeProvider>, Path(sid): Path<String>) -> Response {
    let one = provider.one(&sid).map(|owned| Json(written(&owned)).into_response());
    one.unwrap_or_else(|| refusal(404, 20404))
}

async fn change(
    State(provider): State<FakeProvider>,
    Path(sid): Path<String>,
    Form(form): Form<Parameters>,
) -> Response {
    let changed = provider.stock().change(&sid, &form);
    changed.map_or_else(|| refusal(404, 20404), |owned| Json(written(&owned)).into_response())
}

async fn give_back(State(provider): State<FakeProvider>, Path(sid): Path<String>) -> Response {
    if provider.take_back(&sid) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refusal(404, 20404)
    }
}

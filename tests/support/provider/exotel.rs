//! Exotel's number API.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use serde_json::{Value, json};

use super::{ACCOUNT, FakeProvider, OwnedNumber, PASSWORD, Parameters, number_in, refusal};

pub const API_KEY: &str = "key-1";

impl FakeProvider {
    /// The `exotel` part of a rental secret for this provider.
    pub fn exotel_part(&self) -> Value {
        json!({
            "account_sid": ACCOUNT, "api_key": API_KEY, "api_token": PASSWORD, "app_id": "42",
            "country": "IN", "subdomain": "api.exotel.com", "base_url": self.base_url(),
        })
    }
}

pub(super) fn routes() -> Router<FakeProvider> {
    let account = format!("/v2_beta/Accounts/{ACCOUNT}");
    Router::new()
        .route(&format!("{account}/IncomingPhoneNumbers"), get(list).post(buy))
        .route(
            &format!("{account}/IncomingPhoneNumbers/{{sid}}"),
            get(read).put(change).delete(give_back),
        )
        .route(&format!("{account}/AvailablePhoneNumbers/{{country}}/{{kind}}"), get(search))
}

fn written(owned: &OwnedNumber) -> Value {
    json!({
        "sid": owned.sid, "phone_number": national(&owned.number),
        "friendly_name": owned.tag, "country": "IN",
    })
}

/// The national form of an Indian number.
fn national(number: &str) -> String {
    number.strip_prefix("+91").map_or(number.to_owned(), |rest| format!("0{rest}"))
}

async fn list(
    State(provider): State<FakeProvider>,
    Query(query): Query<Parameters>,
) -> Json<Value> {
    let stock = provider.stock();
    let page = if stock.pages_ignored { 0 } else { number_in(&query, "Page") };
    let size = number_in(&query, "PageSize").clamp(1, stock.page_size);
    let numbers: Vec<Value> =
        stock.owned.iter().skip(page * size).take(size).map(written).collect();
    let size = if stock.size_echoed { number_in(&query, "PageSize") } else { size };
    Json(json!({ "page": page, "page_size": size, "incoming_phone_numbers": numbers }))
}

async fn search(State(provider): State<FakeProvider>) -> Json<Value> {
    let offer = |number: &String| json!({ "phone_number": national(number), "country": "IN" });
    Json(provider.stock().for_sale.iter().map(offer).collect())
}

async fn buy(State(provider): State<FakeProvider>, Form(form): Form<Parameters>) -> Response {
    let sold = provider.sell(&form).map(|owned| Json(written(&owned)).into_response());
    sold.unwrap_or_else(|| refusal(409, 1409))
}

async fn read(State(provider): State<FakeProvider>, Path(sid): Path<String>) -> Response {
    let one = provider.one(&sid).map(|owned| Json(written(&owned)).into_response());
    one.unwrap_or_else(|| refusal(404, 1404))
}

async fn change(
    State(provider): State<FakeProvider>,
    Path(sid): Path<String>,
    Form(form): Form<Parameters>,
) -> Response {
    let changed = provider.stock().change(&sid, &form);
    changed.map_or_else(|| refusal(404, 1404), |owned| Json(written(&owned)).into_response())
}

async fn give_back(State(provider): State<FakeProvider>, Path(sid): Path<String>) -> Response {
    let accepted = Json(json!({ "Status": 202, "Message": "Accepted" })).into_response();
    if provider.take_back(&sid) { accepted } else { refusal(404, 1404) }
}

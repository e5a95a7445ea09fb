//! Exotel's number API.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use serde_json::{Value, json};

use super::{ACCOUNT, Call, FakeProvider, OwnedNumber, PASSWORD, Parameters, number_in, refusal};

/// The user name of the API.
pub const API_KEY: &str = "key-1";

impl FakeProvider {
    /// The `exotel` part of the provider secret that leads here.
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
        .route(&format!("{account}/AvailablePhoneNumbers/{{country}}/{{kind}}"), get(search))
}

fn written(owned: &OwnedNumber) -> Value {
    json!({
        "sid": owned.sid, "phone_number": national(&owned.number),
        "friendly_name": owned.tag, "country": "IN",
    })
}

/// Writes an Indian number as it is dialled there.
fn national(number: &str) -> String {
    number.strip_prefix("+91").map_or(number.to_owned(), |rest| format!("0{rest}"))
}

async fn list(
    State(provider): State<FakeProvider>,
    uri: Uri,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    provider.admit(Call::List, &uri, API_KEY, &headers).await?;
    let stock = provider.stock();
    let page = if stock.pages_ignored { 0 } else { number_in(&query, "Page") };
    let size = number_in(&query, "PageSize").clamp(1, stock.page_size);
    let numbers: Vec<Value> =
        stock.owned.iter().skip(page * size).take(size).map(written).collect();
    let size = if stock.size_echoed { number_in(&query, "PageSize") } else { size };
    let answer = json!({ "page": page, "page_size": size, "incoming_phone_numbers": numbers });
    Ok(Json(answer).into_response())
}

async fn search(
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

async fn buy(
    State(provider): State<FakeProvider>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Result<Response, Response> {
    provider.admit(Call::Buy, &uri, API_KEY, &headers).await?;
    let owned = provider.sell(&form).ok_or_else(|| refusal(409, 1409))?;
    Ok(provider.confirm(Json(written(&owned)).into_response()).await)
}

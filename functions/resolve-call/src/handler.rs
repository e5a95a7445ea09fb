//! Answers a request: authenticates the provider, reads its question, and answers by the
//! route.

use std::sync::Arc;
use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _, Response};
use lambda_support::{CachedSecret, Chain, Clock};
use masking::{Answer, Number, Phone, PhoneHashKey, Reason, Timestamp, answer};
use masking_store::{Routes, StoreError};
use providers::{ProviderSecret, Question, Refusal, Reply, Webhook};
use serde_json::json;

use crate::Settings;

/// Answers calls.
#[derive(Debug)]
pub struct ResolveCall {
    routes: Routes,
    /// The key of the phone hash.
    caller_key: CachedSecret<PhoneHashKey>,
    /// The credentials of the providers that may ask.
    providers: CachedSecret<Arc<ProviderSecret>>,
    public_base_url: Option<String>,
    clock: Clock,
}

/// The time limit for reading the route. Providers wait 5 s at most, and a caller who
/// hears nothing hangs up sooner.
const BUDGET: Duration = Duration::from_secs(2);

/// The log message when a table or a secret can't be read in time. The template's
/// `CallUnresolvedFilter` matches it.
const CALL_UNRESOLVED: &str = "call could not be resolved";

impl ResolveCall {
    /// Makes the function from its settings, clients and clock.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        secrets: aws_sdk_secretsmanager::Client,
        clock: Clock,
    ) -> Self {
        Self {
            routes: Routes::new(dynamodb, settings.routes_table),
            caller_key: CachedSecret::new(secrets.clone(), settings.service_secret, |_, text| {
                PhoneHashKey::parse(text).map_err(|error| error.to_string())
            }),
            providers: CachedSecret::new(secrets, settings.provider_secret, |last, text| {
                Ok(ProviderSecret::read(last, text))
            }),
            public_base_url: settings.public_base_url,
            clock,
        }
    }

    /// Reads the secrets and opens the connection to the table, so that the first call
    /// does not wait for them.
    pub async fn warm_up(&self) {
        tokio::join!(self.read_secrets(), self.routes.warm_up());
    }

    /// Reads the secrets into the cache.
    pub async fn read_secrets(&self) {
        tokio::join!(self.caller_key.current(), self.providers.current());
    }

    /// Answers a request to any route of the API.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let Some(webhook) = providers::webhook(request.method(), request.raw_http_path()) else {
            return error(StatusCode::NOT_FOUND, "not found");
        };
        let question = match self.admit(webhook, &request).await {
            Ok(question) => question,
            Err(Refusal::Unsigned | Refusal::Off | Refusal::Mismatch | Refusal::TooLarge) => {
                return error(StatusCode::FORBIDDEN, "forbidden");
            }
            Err(Refusal::Unreadable(invalid)) => {
                return error(StatusCode::BAD_REQUEST, &invalid.to_string());
            }
        };
        let answer = match &question.parties {
            Ok((caller, called)) => self.answer(caller, called).await,
            Err(_) => Answer::Reject(Reason::CallerHidden),
        };
        log(&answer, question.call_id.as_deref());
        respond(webhook.answer(&answer))
    }

    /// Authenticates a request and reads its question. If the proof does not match, reads
    /// the secret again, which may have been rotated. A secret that can't be read admits
    /// nobody.
    async fn admit(&self, webhook: &dyn Webhook, request: &Request) -> Result<Question, Refusal> {
        let path = request.raw_http_path();
        let url = given_url(self.public_base_url.as_deref(), request);
        let request = providers::Request {
            url: &url,
            path,
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            body: request.body(),
        };
        let secret = self.providers.current().await.unwrap_or_default();
        match webhook.admit(&request, &secret) {
            Err(Refusal::Off | Refusal::Mismatch) => {
                let secret = self.providers.fresh().await.unwrap_or_default();
                webhook.admit(&request, &secret)
            }
            admitted => admitted,
        }
    }

    /// Reads the route and answers by it, within [`BUDGET`].
    async fn answer(&self, caller: &Phone, called: &Number) -> Answer {
        let read = async {
            let caller_key = match self.caller_key.current().await {
                Some(caller_key) => caller_key,
                None => self.caller_key.fresh().await?,
            };
            let route = self.routes.route(called, &caller_key.hash(caller)).await;
            let log = |error: &StoreError| {
                tracing::error!(error = %Chain(error), "a route could not be read");
            };
            route.inspect_err(log).ok()
        };
        match tokio::time::timeout(BUDGET, read).await {
            Ok(Some(route)) => answer(route, Timestamp::from_seconds(self.clock.unix_seconds())),
            Ok(None) | Err(_) => Answer::Reject(Reason::Unavailable),
        }
    }
}

/// The URL that the provider was configured with, with path and query as received. It
/// begins with `public_base_url`, or else with the API's own address.
fn given_url(public_base_url: Option<&str>, request: &Request) -> String {
    let domain = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.as_deref(),
        _ => None,
    };
    let own = || format!("https://{}", domain.unwrap_or_default());
    let base = public_base_url.map_or_else(own, str::to_owned);
    let (base, path) = (base.trim_end_matches('/'), request.raw_http_path());
    match request.uri().query() {
        Some(query) => format!("{base}{path}?{query}"),
        None => format!("{base}{path}"),
    }
}

/// Logs the decision and the order, never who called whom.
fn log(answer: &Answer, call_id: Option<&str>) {
    match answer {
        Answer::Connect { order_id, .. } => {
            tracing::info!(call.id = call_id, order.id = %order_id, "connected a call");
        }
        Answer::Reject(Reason::Unavailable) => {
            tracing::error!(call.id = call_id, "{CALL_UNRESOLVED}");
        }
        Answer::Reject(reason) => {
            tracing::info!(call.id = call_id, reason = reason.as_str(), "rejected a call");
        }
    }
}

fn error(status: StatusCode, reason: &str) -> Response<Body> {
    let body = json!({ "error": reason }).to_string();
    respond(Reply { status, content_type: "application/json", body })
}

fn respond(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    let content_type = HeaderValue::from_static(reply.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_begins_with_the_public_base_url_or_the_apis_own() {
        let url = |public_base_url, query: &str| {
            let event = json!({
                "version": "2.0", "rawPath": "/calls/a%20b", "rawQueryString": query,
                "headers": {"host": "another.example.com"},
                "requestContext": {
                    "domainName": "calls.example.com",
                    "http": {"method": "POST", "path": "/calls/a%20b"},
                },
                "isBase64Encoded": false,
            });
            let request = lambda_http::request::from_str(&event.to_string()).unwrap();
            given_url(public_base_url, &request)
        };
        assert_eq!(url(None, ""), "https://calls.example.com/calls/a%20b");
        assert_eq!(url(None, "x=%2B1&y"), "https://calls.example.com/calls/a%20b?x=%2B1&y");
        for base in ["https://proxy.example.com:8443", "https://proxy.example.com:8443/"] {
            assert_eq!(url(Some(base), ""), "https://proxy.example.com:8443/calls/a%20b");
        }
    }
}

//! From a request to its answer: who asks, what they ask, what the route says.

use std::sync::Arc;
use std::time::Duration;

use carriers::{ProviderSecret, Question, Tokens, exotel, twilio};
use lambda_http::http::header::{AUTHORIZATION, CONTENT_TYPE};
use lambda_http::http::{Method, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _, Response};
use lambda_support::{Chain, Clock, Secret};
use masking::{Answer, CallerId, CallerKey, Number, Phone, Reason, Timestamp, answer};
use masking_store::{Routes, StoreError};
use serde_json::json;

use crate::{Settings, json};

/// Answers calls.
#[derive(Debug)]
pub struct ResolveCall {
    routes: Routes,
    /// The key of the caller hash; nothing while it can't be read.
    caller_key: Secret<CallerKey>,
    /// Who may ask.
    providers: Secret<Arc<ProviderSecret>>,
    public_base_url: Option<String>,
    clock: Clock,
}

/// Providers wait 5 s at most; a caller who hears nothing hangs up sooner.
const BUDGET: Duration = Duration::from_secs(2);
/// What is answered in JSON.
const JSON: &str = "application/json";

impl ResolveCall {
    /// Makes the function.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        secrets: aws_sdk_secretsmanager::Client,
        clock: Clock,
    ) -> Self {
        Self {
            routes: Routes::new(dynamodb, settings.routes_table),
            caller_key: Secret::new(secrets.clone(), settings.service_secret, |_, text| {
                CallerKey::parse(text).map_err(|error| error.to_string())
            }),
            providers: Secret::new(secrets, settings.provider_secret, |last, text| {
                Ok(ProviderSecret::read(last, text))
            }),
            public_base_url: settings.public_base_url,
            clock,
        }
    }

    /// Reads the secrets and opens the connection to the table, so that the first call
    /// need not wait for them.
    pub async fn warm_up(&self) {
        tokio::join!(self.read_secrets(), self.routes.warm_up());
    }

    /// Reads the secrets.
    pub async fn read_secrets(&self) {
        tokio::join!(self.caller_key.current(), self.providers.current());
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let path = request.raw_http_path();
        match (request.method(), path, path.strip_prefix("/calls/exotel/")) {
            (&Method::POST, "/calls/resolve", _) => self.any_switch(&request).await,
            (&Method::POST, "/calls/twilio", _) => self.twilio(&request).await,
            (&Method::GET, _, Some(token)) => self.exotel(&request, token).await,
            _ => error(StatusCode::NOT_FOUND, "not found"),
        }
    }

    async fn any_switch(&self, request: &Request) -> Response<Body> {
        let given = header(request, AUTHORIZATION.as_str());
        let token = given.and_then(|given| given.split_once(' ')).and_then(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let admitted = |providers: &ProviderSecret| {
            let (tokens, token) = (providers.resolve.as_ref()?, token?);
            tokens.matches_any(token).then_some(())
        };
        if self.admit(admitted).await.is_none() {
            return forbidden();
        }
        let question = match json::Question::parse(request.body()) {
            Ok(question) => question,
            Err(invalid) => return error(StatusCode::BAD_REQUEST, &invalid.to_string()),
        };
        let answer = match &question.caller {
            CallerId::Withheld => Answer::Reject(Reason::CallerHidden),
            CallerId::Shown(caller) => self.answer(caller, &question.called).await,
        };
        log(&answer, question.call_id.as_deref());
        let status = match answer {
            Answer::Reject(Reason::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        respond(status, JSON, json::answer(&answer).to_string())
    }

    async fn twilio(&self, request: &Request) -> Response<Body> {
        let Some(signature) = header(request, twilio::webhook::SIGNATURE_HEADER) else {
            return forbidden();
        };
        // The signature covers the form, so that what is no form can't be checked.
        let content_type = header(request, CONTENT_TYPE.as_str()).unwrap_or_default();
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return error(StatusCode::BAD_REQUEST, "body: must be a form");
        }
        let (url, body) = (self.signed_url(request), request.body());
        let signed = |tokens: &Tokens| twilio::webhook::is_signed(tokens, &url, body, signature);
        let admitted = |providers: &ProviderSecret| {
            providers.twilio_webhook.as_ref().filter(|it| signed(it)).map(drop)
        };
        if self.admit(admitted).await.is_none() {
            return forbidden();
        }
        let answer = self.answer_provider(&twilio::webhook::question(body)).await;
        let twiml = match &answer {
            Answer::Connect { connect_to, caller_id, .. } => {
                twilio::webhook::connect(connect_to, caller_id)
            }
            Answer::Reject(Reason::Unavailable) => twilio::webhook::try_again(),
            Answer::Reject(_) => twilio::webhook::not_connected(),
        };
        respond(StatusCode::OK, twilio::webhook::CONTENT_TYPE, twiml)
    }

    async fn exotel(&self, request: &Request, token: &str) -> Response<Body> {
        let admitted = |providers: &ProviderSecret| {
            let webhook = providers.exotel_webhook.as_ref()?;
            webhook.tokens.matches_any(token).then_some(webhook.country)
        };
        let Some(country) = self.admit(admitted).await else { return forbidden() };
        let query = request.uri().query().unwrap_or_default();
        let answer = self.answer_provider(&exotel::webhook::question(query, country)).await;
        let body = match &answer {
            Answer::Connect { connect_to, caller_id, .. } => {
                exotel::webhook::connect(connect_to, caller_id)
            }
            // The words are in its flow.
            Answer::Reject(_) => exotel::webhook::not_connected(),
        };
        respond(StatusCode::OK, exotel::webhook::CONTENT_TYPE, body)
    }

    /// Checks who asks; again with the secret as it is now, if it may have been rotated.
    async fn admit<T>(&self, check: impl Fn(&ProviderSecret) -> Option<T>) -> Option<T> {
        match self.providers.current().await.and_then(|providers| check(&providers)) {
            Some(admitted) => Some(admitted),
            None => self.providers.fresh().await.and_then(|providers| check(&providers)),
        }
    }

    /// Answers a telephone provider, to which a number that makes no sense is as
    /// good as a withheld one.
    async fn answer_provider(&self, question: &Question) -> Answer {
        let answer = match question.parties() {
            Some((caller, called)) => self.answer(caller, called).await,
            None => Answer::Reject(Reason::CallerHidden),
        };
        log(&answer, question.call_id.as_deref());
        answer
    }

    /// Reads the route and answers by it, within the budget.
    async fn answer(&self, caller: &Phone, called: &Number) -> Answer {
        let read = async {
            let caller_key = match self.caller_key.current().await {
                Some(caller_key) => caller_key,
                None => self.caller_key.fresh().await?,
            };
            let route = self.routes.route(called, &caller_key.caller(caller)).await;
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

    /// The URL that the provider was given, with path and query as they came.
    fn signed_url(&self, request: &Request) -> String {
        let base = self.public_base_url.clone().unwrap_or_else(|| {
            let domain = match request.request_context_ref() {
                Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.as_deref(),
                _ => None,
            };
            format!("https://{}", domain.unwrap_or_default())
        });
        let (base, path) = (base.trim_end_matches('/'), request.raw_http_path());
        match request.uri().query() {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        }
    }
}

/// Says what was decided, and for which order; never who called whom.
fn log(answer: &Answer, call_id: Option<&str>) {
    match answer {
        Answer::Connect { order_id, .. } => {
            tracing::info!(call.id = call_id, order.id = %order_id, "connected a call");
        }
        Answer::Reject(Reason::Unavailable) => {
            tracing::error!(call.id = call_id, "call could not be resolved");
        }
        Answer::Reject(reason) => {
            tracing::info!(call.id = call_id, reason = reason.as_str(), "rejected a call");
        }
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn forbidden() -> Response<Body> {
    error(StatusCode::FORBIDDEN, "forbidden")
}

fn error(status: StatusCode, reason: &str) -> Response<Body> {
    respond(status, JSON, json!({ "error": reason }).to_string())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = lambda_http::http::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

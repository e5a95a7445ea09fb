//! Answers a request: authenticates the provider, reads its question, and answers by the
//! route.

use std::sync::Arc;
use std::time::Duration;

use journal::{Call, Journal};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::StatusCode;
use lambda_support::{CachedSecret, Chain, Clock};
use masking::{Answer, CallSettings, Number, Phone, PhoneHashKey, Reason, Timestamp, answer};
use masking_store::Routes;
use providers::{CallId, ProviderSecret, Question, Refusal, Reply, Webhook};
use serde_json::json;
use tokio::time::Instant;

use crate::Settings;
use crate::gateway::{self, Event};

/// Answers calls.
#[derive(Debug)]
pub struct ResolveCall {
    routes: Routes,
    /// The key of the phone hash.
    caller_key: CachedSecret<PhoneHashKey>,
    /// The credentials of the providers that may ask.
    providers: CachedSecret<Arc<ProviderSecret>>,
    public_base_url: Option<String>,
    /// How calls are connected, and what callers hear.
    calls: CallSettings,
    clock: Clock,
    journal: Journal,
}

/// The time limit for reading the route. Providers wait 5 s at most, and a caller who
/// hears nothing hangs up sooner.
const BUDGET: Duration = Duration::from_secs(2);

/// The log message for a request that gets no answer about a call. Its fields say which
/// route and why, and hold nothing of the request.
const REFUSED: &str = "refused a request";

/// The log message when a table or a secret can't be read in time. The template's
/// `CallUnresolvedFilter` matches it.
const CALL_UNRESOLVED: &str = "call could not be resolved";

impl ResolveCall {
    /// Makes the function from its settings, clients, clock and journal.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        secrets: aws_sdk_secretsmanager::Client,
        clock: Clock,
        journal: Journal,
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
            calls: settings.calls,
            clock,
            journal,
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

    /// Answers an event of the HTTP API, given as the JSON that Lambda delivers.
    pub async fn handle(&self, event: &str) -> ApiGatewayV2httpResponse {
        gateway::response(self.reply(&Event::read(event)).await)
    }

    async fn reply(&self, event: &Event) -> Reply {
        let began = Instant::now();
        let method = event.method();
        let found = method.and_then(|method| providers::webhook(&method, event.path()));
        let Some(webhook) = found else {
            // The API itself answers requests to other paths, so this one has no route.
            return self.refuse(
                journal::UNKNOWN,
                "unknown_route",
                StatusCode::NOT_FOUND,
                "not found",
            );
        };
        let request = match event.request() {
            Ok(request) => request,
            Err(refusal) => return self.refused(webhook, &refusal),
        };
        // Both at once: if Secrets Manager is slow, a first call waits for the slower one.
        let (providers, caller_key) =
            tokio::join!(self.providers.current(), self.caller_key.current());
        let question = match self.admit(webhook, event, &request, providers).await {
            Ok(question) => question,
            Err(refusal) => return self.refused(webhook, &refusal),
        };
        let decided = match question.as_ref().map(|question| &question.parties) {
            Some(Ok((caller, called))) => self.answer(caller, called, caller_key.as_ref()).await,
            Some(Err(_)) => Decided::without_route(Reason::CallerHidden),
            None => Decided::without_route(Reason::Unavailable),
        };
        let line = line(webhook, &decided, question.as_ref(), caller_key.as_ref(), began);
        self.journal.write(line);
        webhook.answer(&decided.answer, &self.calls)
    }

    /// Authenticates a request by the secret that is kept, and reads its question. If that
    /// fails, reads the secret again, which may have been rotated. `None` if no secret
    /// could ever be read: then nobody can tell whose the request is.
    async fn admit(
        &self,
        webhook: &dyn Webhook,
        event: &Event,
        converted: &lambda_http::Request,
        kept: Option<Arc<ProviderSecret>>,
    ) -> Result<Option<Question>, Refusal> {
        let request = providers::Request {
            url: &event.url(self.public_base_url.as_deref()),
            path: event.path(),
            query: event.query(),
            headers: converted.headers(),
            body: converted.body(),
        };
        let empty = Arc::default();
        let refusal = match webhook.admit(&request, kept.as_ref().unwrap_or(&empty)) {
            Err(refusal @ (Refusal::Off | Refusal::Mismatch)) => refusal,
            settled => return settled.map(Some),
        };
        match self.providers.fresh().await {
            None => Ok(None),
            // The same value would refuse the request again.
            Some(fresh) if kept.is_some_and(|kept| Arc::ptr_eq(&kept, &fresh)) => Err(refusal),
            Some(fresh) => webhook.admit(&request, &fresh).map(Some),
        }
    }

    /// Reads the route and answers by it, within [`BUDGET`].
    async fn answer(
        &self,
        caller: &Phone,
        called: &Number,
        caller_key: Option<&PhoneHashKey>,
    ) -> Decided {
        let unavailable = Decided::without_route(Reason::Unavailable);
        let Some(caller_key) = caller_key else { return unavailable };
        let caller = caller_key.hash(caller);
        match tokio::time::timeout(BUDGET, self.routes.route(called, &caller)).await {
            Ok(Ok(route)) => {
                let now = Timestamp::from_seconds(self.clock.unix_seconds());
                let order_id = route.as_ref().map(|route| route.order_id.clone());
                match answer(route, now) {
                    Answer::Reject(Reason::NoRoute) => Decided::without_route(Reason::NoRoute),
                    answer => Decided { answer, order_id },
                }
            }
            Ok(Err(error)) => {
                tracing::error!(error = %Chain(&error), "a route could not be read");
                unavailable
            }
            Err(_) => unavailable,
        }
    }

    /// The reply to a request that proves nothing, or that can't be read.
    fn refused(&self, webhook: &dyn Webhook, refusal: &Refusal) -> Reply {
        let (status, reason) = match refusal {
            Refusal::Unsigned | Refusal::Off | Refusal::Mismatch => {
                (StatusCode::FORBIDDEN, "forbidden".to_owned())
            }
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body: is too large".to_owned()),
            Refusal::Unreadable(invalid) => (StatusCode::BAD_REQUEST, invalid.to_string()),
        };
        self.refuse(webhook.route().as_str(), refusal.kind(), status, &reason)
    }

    fn refuse(
        &self,
        route: &'static str,
        kind: &'static str,
        status: StatusCode,
        reason: &str,
    ) -> Reply {
        tracing::warn!(route, kind, "{REFUSED}");
        self.journal.write(journal::Refusal::new(route, kind));
        let body = json!({ "error": reason }).to_string();
        Reply { status, content_type: "application/json", body }
    }
}

/// The decision on a call.
struct Decided {
    answer: Answer,
    /// The order whose route decided, live or ended.
    order_id: Option<String>,
}

impl Decided {
    fn without_route(reason: Reason) -> Self {
        Self { answer: Answer::Reject(reason), order_id: None }
    }
}

/// The journal's line of a call: the decision, the order and the number that was dialled,
/// never who called whom. A number without a route may be anybody's phone, so it is left out.
fn line(
    webhook: &dyn Webhook,
    decided: &Decided,
    question: Option<&Question>,
    caller_key: Option<&PhoneHashKey>,
    began: Instant,
) -> Call {
    let parties = question.map(|question| &question.parties);
    let (decision, reason) = match &decided.answer {
        Answer::Connect { .. } => ("connect", "live"),
        Answer::Reject(reason) => {
            let why = parties.and_then(|parties| parties.as_ref().err());
            ("reject", why.map_or(reason.as_str(), |why| why.as_str()))
        }
    };
    let call_id = match question.and_then(|question| question.call_id.as_ref()) {
        Some(CallId::Plain(id)) => Some(id.clone()),
        Some(CallId::PhoneLike(id)) => {
            caller_key.map(|key| format!("hash:{}", key.fingerprint(id)))
        }
        None => None,
    };
    if matches!(decided.answer, Answer::Reject(Reason::Unavailable)) {
        tracing::error!(call.id = call_id, "{CALL_UNRESOLVED}");
    }
    let called = parties.and_then(|parties| parties.as_ref().ok()).map(|(_, called)| called);
    let mut call = Call::new(webhook.route().as_str(), decision, reason, began.elapsed());
    call.call_id = call_id;
    call.called = decided.order_id.as_ref().and(called).map(|called| called.as_str().to_owned());
    call.order_id.clone_from(&decided.order_id);
    call
}

//! Answers a request: authenticates the provider, reads its question, and answers by the
//! route.

use std::time::Duration;

use front_door::{Admitted, Event, FrontDoor, response};
use journal::{Call, Journal};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_support::{Chain, Clock};
use masking::{Answer, CallSettings, Number, Phone, PhoneHashKey, Reason, Timestamp, answer};
use masking_store::Routes;
use providers::{ProviderSecret, Question, Reply, Request, Webhook};
use tokio::time::Instant;

use crate::Settings;

/// Answers calls.
#[derive(Debug)]
pub struct ResolveCall {
    routes: Routes,
    front_door: FrontDoor,
    /// How calls are connected, and what callers hear.
    calls: CallSettings,
    clock: Clock,
    journal: Journal,
}

/// The time limit for reading the route. Providers wait 5 s at most, and a caller who
/// hears nothing hangs up sooner.
const BUDGET: Duration = Duration::from_secs(2);

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
            front_door: FrontDoor::new(
                secrets,
                settings.service_secret,
                settings.provider_secret,
                settings.public_base_url,
                journal.clone(),
            ),
            calls: settings.calls,
            clock,
            journal,
        }
    }

    /// Reads the secrets and opens the connection to the table, so that the first call
    /// does not wait for them.
    pub async fn warm_up(&self) {
        tokio::join!(self.front_door.read_secrets(), self.routes.warm_up());
    }

    /// Reads the secrets into the cache.
    pub async fn read_secrets(&self) {
        self.front_door.read_secrets().await;
    }

    /// Answers an event of the HTTP API, given as the JSON that Lambda delivers.
    pub async fn handle(&self, event: &str) -> ApiGatewayV2httpResponse {
        response(self.reply(&Event::read(event)).await)
    }

    async fn reply(&self, event: &Event) -> Reply {
        let began = Instant::now();
        let method = event.method();
        let found = method.and_then(|method| providers::webhook(&method, event.path()));
        let Some(webhook) = found else { return self.front_door.nowhere() };
        let read = |request: &Request<'_>, secret: &ProviderSecret| webhook.admit(request, secret);
        let admitted = match self.front_door.admit(webhook.route(), event, read).await {
            Ok(admitted) => admitted,
            Err(reply) => return reply,
        };
        let decided = match admitted.said.as_ref().map(|question| &question.parties) {
            Some(Ok((caller, called))) => {
                self.answer(caller, called, admitted.caller_key.as_ref()).await
            }
            Some(Err(_)) => Decided::without_route(Reason::CallerHidden),
            None => Decided::without_route(Reason::Unavailable),
        };
        self.journal.write(line(webhook, &decided, &admitted, began));
        webhook.answer(&decided.answer, &self.calls, &self.front_door.base_url(event))
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
    admitted: &Admitted<Question>,
    began: Instant,
) -> Call {
    let question = admitted.said.as_ref();
    let parties = question.map(|question| &question.parties);
    let (decision, reason) = match &decided.answer {
        Answer::Connect { .. } => ("connect", "live"),
        Answer::Reject(reason) => {
            let why = parties.and_then(|parties| parties.as_ref().err());
            ("reject", why.map_or(reason.as_str(), |why| why.as_str()))
        }
    };
    let call_id = question.and_then(|question| admitted.told(question.call_id.as_ref()?));
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

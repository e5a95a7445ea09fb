//! Admits requests of providers by the provider secret, and refuses all others.

use std::sync::Arc;

use journal::Journal;
use lambda_http::http::StatusCode;
use lambda_support::CachedSecret;
use masking::PhoneHashKey;
use providers::{CallId, ProviderSecret, Refusal, Reply, Request, Route};
use serde_json::json;

use crate::gateway::Event;

/// The secrets by which requests are admitted and phones are hashed.
#[derive(Debug)]
pub struct FrontDoor {
    /// The key of the phone hash.
    caller_key: CachedSecret<PhoneHashKey>,
    /// The credentials of the providers that may ask.
    providers: CachedSecret<Arc<ProviderSecret>>,
    public_base_url: Option<String>,
    journal: Journal,
}

/// A request that proved whose it is.
#[derive(Debug)]
pub struct Admitted<T> {
    /// What the request says. None if no secret could ever be read: then nobody can tell
    /// whose the request is.
    pub said: Option<T>,
    /// The key of the phone hash, if it could be read.
    pub caller_key: Option<PhoneHashKey>,
}

/// The log message for a request that is not admitted. Its fields say which route and why,
/// and hold nothing of the request. The template's `RequestRefusedFilter` matches it.
const REFUSED: &str = "refused a request";

impl FrontDoor {
    /// Makes the front door. `public_base_url` is the part before the path in the URLs that
    /// providers were given, if it is not the API's own address.
    pub fn new(
        secrets: aws_sdk_secretsmanager::Client,
        service_secret: String,
        provider_secret: String,
        public_base_url: Option<String>,
        journal: Journal,
    ) -> Self {
        Self {
            caller_key: CachedSecret::new(secrets.clone(), service_secret, |_, text| {
                PhoneHashKey::parse(text).map_err(|error| error.to_string())
            }),
            providers: CachedSecret::new(secrets, provider_secret, |last, text| {
                Ok(ProviderSecret::read(last, text))
            }),
            public_base_url,
            journal,
        }
    }

    /// Reads the secrets into the cache.
    pub async fn read_secrets(&self) {
        tokio::join!(self.caller_key.current(), self.providers.current());
    }

    /// The part before the path of the URLs under which providers reach the API.
    pub fn base_url(&self, event: &Event) -> String {
        event.base_url(self.public_base_url.as_deref())
    }

    /// Admits a request by the secret that is kept, and reads what it says with `read`. If it
    /// is not admitted, reads the secret again, which may have been rotated.
    ///
    /// # Errors
    ///
    /// The reply to a request that proves nothing, or that can't be read. It is in the log.
    pub async fn admit<T>(
        &self,
        route: Route,
        event: &Event,
        read: impl Fn(&Request<'_>, &ProviderSecret) -> Result<T, Refusal>,
    ) -> Result<Admitted<T>, Reply> {
        let refused = |refusal| self.refused(route, &refusal);
        let converted = event.request().map_err(refused)?;
        // Both at once: if Secrets Manager is slow, a first call waits for the slower one.
        let (kept, caller_key) = tokio::join!(self.providers.current(), self.caller_key.current());
        let request = Request {
            url: &event.url(self.public_base_url.as_deref()),
            path: event.path(),
            query: event.query(),
            headers: converted.headers(),
            body: converted.body(),
        };
        let said = self.read(&request, kept, read).await.map_err(refused)?;
        Ok(Admitted { said, caller_key })
    }

    async fn read<T>(
        &self,
        request: &Request<'_>,
        kept: Option<Arc<ProviderSecret>>,
        read: impl Fn(&Request<'_>, &ProviderSecret) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        let empty = Arc::default();
        let refusal = match read(request, kept.as_ref().unwrap_or(&empty)) {
            Err(refusal @ (Refusal::Off | Refusal::Mismatch)) => refusal,
            settled => return settled.map(Some),
        };
        match self.providers.fresh().await {
            None => Ok(None),
            // The same value would refuse the request again.
            Some(fresh) if kept.is_some_and(|kept| Arc::ptr_eq(&kept, &fresh)) => Err(refusal),
            Some(fresh) => read(request, &fresh).map(Some),
        }
    }

    /// The reply to a request for which there is no route. The API itself answers requests to
    /// other paths.
    pub fn nowhere(&self) -> Reply {
        self.refuse(journal::UNKNOWN, "unknown_route", StatusCode::NOT_FOUND, "not found")
    }

    /// The reply to a request that proves nothing, or that can't be read.
    fn refused(&self, route: Route, refusal: &Refusal) -> Reply {
        let (status, reason) = match refusal {
            Refusal::Unsigned | Refusal::Off | Refusal::Mismatch => {
                (StatusCode::FORBIDDEN, "forbidden".to_owned())
            }
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body: is too large".to_owned()),
            Refusal::Unreadable(invalid) => (StatusCode::BAD_REQUEST, invalid.to_string()),
        };
        self.refuse(route.as_str(), refusal.kind(), status, &reason)
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

impl<T> Admitted<T> {
    /// A call's id as it may be told: one that may be a phone as a keyed hash.
    pub fn told(&self, call_id: &CallId) -> Option<String> {
        match call_id {
            CallId::Plain(id) => Some(id.clone()),
            CallId::PhoneLike(id) => {
                self.caller_key.as_ref().map(|key| format!("hash:{}", key.fingerprint(id)))
            }
        }
    }
}

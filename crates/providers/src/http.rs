//! HTTP requests to a provider's number API: time limits, retries where a retry is safe,
//! and errors that say what to do and quote nothing.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::credential::Credential;

/// The time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit for one request, from connecting to the whole answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a GET is sent at most. The pauses add up to 1.75 s, which bridges a
/// provider's short trouble.
const ATTEMPTS: u32 = 4;
/// The back-off before the second attempt. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A failed call of a provider's API. Safe to log: it quotes neither the provider's
/// answer nor an address, since both may hold anything.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct ApiError {
    /// The provider and the call, such as `Twilio: search numbers`.
    pub call: &'static str,
    /// Why the call failed.
    #[source]
    pub problem: Problem,
}

/// Why a call of an API failed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The provider answered with an error status.
    #[error("status {status}{}{}", code_of(*.code), advice(*.status))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The provider's own error code, which its documentation explains.
        code: Option<i64>,
        /// How long the provider asks to wait before the next request.
        retry_after: Option<Duration>,
    },
    /// The answer does not have the documented form: a proxy sent it, or the API has
    /// changed.
    #[error("the answer is not of the documented form")]
    Nonsense,
    /// No connection was made; nothing was sent.
    #[error("no connection: check `base_url` or `subdomain`, and the network")]
    NotReached(#[source] reqwest::Error),
    /// No answer came, or it broke off. The provider may have carried out the request.
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The deadline had passed; nothing was sent.
    #[error("no time left for it: the next check goes on")]
    OutOfTime,
    /// The pages of the list lead in circles, to another host, or nowhere.
    #[error("the list's pages can't be followed to its end")]
    Endless,
    /// The list has a number under the requested tag that can't be read.
    #[error("the list holds a number that is not in E.164 form")]
    UnreadableNumber,
}

/// A provider's API, with our credentials for it.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) client: Client,
    pub(crate) base: Url,
    pub(crate) user: String,
    pub(crate) password: Credential,
    /// The JSON pointer to the provider's code in an error body.
    pub(crate) code_at: &'static str,
}

/// Hides the user too, which may be half of a secret.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// A response of any status, read to its end.
struct Reply {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// Makes the HTTP client that all number APIs share. It follows no redirect, so that
/// credentials go only to the address that the operator set.
///
/// # Errors
///
/// TLS can't be initialised, or the system's DNS configuration can't be read.
/// Source: the documentation of `reqwest::ClientBuilder::build`.
pub fn client() -> Result<Client, reqwest::Error> {
    // Fails if the process has a default already, which will do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ATTEMPT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

impl ApiError {
    /// Returns a function for `map_err` that says in which call the problem occurred.
    pub(crate) fn at(call: &'static str) -> impl FnOnce(Problem) -> Self {
        move |problem| Self { call, problem }
    }
}

impl Problem {
    /// Whether the same request may succeed a moment later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 429 || 500 <= *status,
            Self::NotReached(_) | Self::NoAnswer(_) => true,
            _ => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Http {
    /// Builds an address of the API. Escapes the segments.
    pub(crate) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a GET. Repeats it until the deadline while the provider is busy or fails.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        url: &Url,
        deadline: Instant,
    ) -> Result<T, Problem> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            let problem = match self.attempt(self.client.get(url.clone()), deadline).await {
                Err(problem) if problem.is_transient() => problem,
                settled => return settled,
            };
            let wait = problem.retry_after().unwrap_or(pause);
            if left(deadline) <= wait {
                return Err(problem);
            }
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        self.attempt(self.client.get(url.clone()), deadline).await
    }

    /// Sends a POST once: only the caller knows whether it may be repeated.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<T, Problem> {
        self.attempt(self.client.post(url.clone()).form(form), deadline).await
    }

    /// Sends a request once.
    async fn attempt<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<T, Problem> {
        let request = request.basic_auth(&self.user, Some(self.password.reveal()));
        send(request, deadline).await?.read(self.code_at)
    }
}

async fn send(request: RequestBuilder, deadline: Instant) -> Result<Reply, Problem> {
    let left = left(deadline);
    if left.is_zero() {
        return Err(Problem::OutOfTime);
    }
    let response = request.timeout(left.min(ATTEMPT_TIMEOUT)).send().await.map_err(transport)?;
    let status = response.status();
    let retry_after = (response.headers().get(RETRY_AFTER))
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = response.bytes().await.map_err(transport)?.to_vec();
    Ok(Reply { status, retry_after, body })
}

impl Reply {
    fn read<T: DeserializeOwned>(self, code_at: &str) -> Result<T, Problem> {
        if self.status.is_success() {
            // The parser's own error would quote the answer.
            return serde_json::from_slice(&self.body).map_err(|_| Problem::Nonsense);
        }
        Err(Problem::Status {
            status: self.status.as_u16(),
            code: error_code(&self.body, code_at),
            retry_after: self.retry_after,
        })
    }
}

/// Finds the provider's code in an error body. It may be a number or a string of digits.
fn error_code(body: &[u8], code_at: &str) -> Option<i64> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let code = body.pointer(code_at)?;
    code.as_i64().or_else(|| code.as_str()?.parse().ok())
}

fn transport(error: reqwest::Error) -> Problem {
    let not_sent = error.is_connect() || error.is_builder();
    // The address has the account and the phone number in it.
    let error = error.without_url();
    if not_sent { Problem::NotReached(error) } else { Problem::NoAnswer(error) }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn code_of(code: Option<i64>) -> String {
    code.map(|code| format!(", code {code}")).unwrap_or_default()
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => ": check the account in the rental secret, and what it may do",
        429 => ": too many requests, the next check goes on",
        500.. => ": the provider is unwell, the next check goes on",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_gives_its_code_and_no_text() {
        for (body, code_at, expected) in [
            (r#"{"code":21422,"message":"+6281211112222"}"#, "/code", Some(21422)),
            (r#"{"error":{"status":400,"code":"1010"}}"#, "/error/code", Some(1010)),
            (r#"{"error":{"code":1010}}"#, "/error/code", Some(1010)),
            (r#"{"error":{"code":1010}}"#, "/code", None),
            (r#"{"code":"number +6281211112222"}"#, "/code", None),
            ("<html>", "/code", None),
            ("[]", "/code", None),
        ] {
            assert_eq!(error_code(body.as_bytes(), code_at), expected, "{body}");
        }
    }

    #[test]
    fn an_error_says_what_to_do() {
        let problem = Problem::Status { status: 401, code: Some(20003), retry_after: None };
        assert_eq!(
            problem.to_string(),
            "status 401, code 20003: check the account in the rental secret, and what it may do"
        );
        let problem = Problem::Status { status: 400, code: None, retry_after: None };
        assert_eq!(problem.to_string(), "status 400");
    }
}

//! HTTP requests to a provider's number API: time limits, retries where a retry is safe,
//! and errors that say what to do and quote nothing.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{Method, Request};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::credential::Credential;
use crate::time::rfc_2822;
use crate::transport::{Cause, Ended, NoReply, Reply, Transport};

/// The time limit for one request, from connecting to the whole answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a GET is sent at most. The pauses add up to 1.75 s, which bridges a
/// provider's short trouble.
const ATTEMPTS: u32 = 4;
/// The back-off before the second attempt. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long a provider is left alone that limits requests and does not say for how long.
const USUAL_PAUSE: Duration = Duration::from_mins(1);

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
    NotReached(#[source] Cause),
    /// No answer came, or it broke off. The provider may have carried out the request.
    #[error("no answer")]
    NoAnswer(#[source] Cause),
    /// The deadline had passed; nothing was sent.
    #[error("no time left for it: the next check goes on")]
    OutOfTime,
    /// The pages of the list lead in circles, to another host, or nowhere.
    #[error("the list's pages can't be followed to its end")]
    Endless,
    /// The provider sold a number that it has not put into service yet.
    #[error("the number is not in service yet: the next check looks again")]
    NotInService,
    /// The list has a number under the requested tag that can't be read.
    #[error("the list holds a number that is not in E.164 form")]
    UnreadableNumber,
}

/// A provider's API, with our credentials for it.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) transport: Transport,
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

impl ApiError {
    /// Returns a function for `map_err` that says in which call the problem occurred.
    pub(crate) fn at(call: &'static str) -> impl FnOnce(Problem) -> Self {
        move |problem| Self { call, problem }
    }

    /// How long to leave the provider alone, if it limits requests.
    pub fn rate_limit(&self) -> Option<Duration> {
        match self.problem {
            Problem::Status { status: 429, retry_after, .. } => {
                Some(retry_after.unwrap_or(USUAL_PAUSE))
            }
            _ => None,
        }
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
        self.get_dated(url, deadline).await.map(|(answer, _)| answer)
    }

    /// Does the same, and returns the provider's time beside the answer, in seconds since
    /// the Unix epoch.
    pub(crate) async fn get_dated<T: DeserializeOwned>(
        &self,
        url: &Url,
        deadline: Instant,
    ) -> Result<(T, Option<i64>), Problem> {
        let mut pause = FIRST_PAUSE;
        let mut attempts = 1;
        let reply = loop {
            match self.attempt(&Method::GET, url, &[], deadline).await {
                Ok(reply) => break reply,
                Err(problem) => {
                    let wait = problem.retry_after().unwrap_or(pause);
                    let again = problem.is_transient() && attempts < ATTEMPTS;
                    if !again || left(deadline) <= wait {
                        return Err(problem);
                    }
                    tokio::time::sleep(wait).await;
                }
            }
            pause *= 2;
            attempts += 1;
        };
        let date = reply.headers.get(DATE).and_then(|date| rfc_2822(date.to_str().ok()?));
        Ok((reply.read()?, date))
    }

    /// Sends a POST once: only the caller knows whether it may be repeated.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<T, Problem> {
        self.attempt(&Method::POST, url, form, deadline).await?.read()
    }

    /// Sends a request of another method once, and ignores the body of its answer.
    pub(crate) async fn send(
        &self,
        method: &Method,
        url: &Url,
        form: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<(), Problem> {
        self.attempt(method, url, form, deadline).await.map(drop)
    }

    /// Sends a request once.
    async fn attempt(
        &self,
        method: &Method,
        url: &Url,
        form: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<Reply, Problem> {
        let request = self.request(method, url, form)?;
        let reply = self.answer(request, deadline).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(refusal(&reply, self.code_at)) }
    }

    fn request(
        &self,
        method: &Method,
        url: &Url,
        form: &[(&str, &str)],
    ) -> Result<Request<Vec<u8>>, Problem> {
        let credentials = STANDARD.encode(format!("{}:{}", self.user, self.password.reveal()));
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(AUTHORIZATION, format!("Basic {credentials}"));
        let request = if form.is_empty() {
            request.body(Vec::new())
        } else {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.into_bytes())
        };
        request.map_err(|error| Problem::NotReached(error.into()))
    }

    async fn answer(&self, request: Request<Vec<u8>>, deadline: Instant) -> Result<Reply, Problem> {
        let left = left(deadline);
        if left.is_zero() {
            return Err(Problem::OutOfTime);
        }
        let (limit, began) = (left.min(ATTEMPT_TIMEOUT), Instant::now());
        let sent = tokio::time::timeout(limit, self.transport.send(request)).await;
        let ended = match &sent {
            Ok(Ok(reply)) => Ended::Answered(reply.status.as_u16()),
            Ok(Err(NoReply::NotSent(_))) => Ended::NotReached,
            Ok(Err(NoReply::Lost(_))) | Err(_) => Ended::Unanswered,
        };
        self.transport.observe(ended, began.elapsed());
        match sent {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(NoReply::NotSent(cause))) => Err(Problem::NotReached(cause)),
            Ok(Err(NoReply::Lost(cause))) => Err(Problem::NoAnswer(cause)),
            Err(elapsed) => Err(Problem::NoAnswer(elapsed.into())),
        }
    }
}

impl Reply {
    fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        // The parser's own error would quote the answer.
        serde_json::from_slice(&self.body).map_err(|_| Problem::Nonsense)
    }
}

fn refusal(reply: &Reply, code_at: &str) -> Problem {
    let retry_after = (reply.headers.get(RETRY_AFTER))
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    Problem::Status {
        status: reply.status.as_u16(),
        code: error_code(&reply.body, code_at),
        retry_after,
    }
}

/// Finds the provider's code in an error body. It may be a number or a string of digits.
fn error_code(body: &[u8], code_at: &str) -> Option<i64> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let code = body.pointer(code_at)?;
    code.as_i64().or_else(|| code.as_str()?.parse().ok())
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
        for (status, text) in [
            (400, "status 400"),
            (429, "status 429: too many requests, the next check goes on"),
            (503, "status 503: the provider is unwell, the next check goes on"),
        ] {
            let problem = Problem::Status { status, code: None, retry_after: None };
            assert_eq!(problem.to_string(), text);
        }
    }

    /// Sends a GET to a provider that answers so each time. Returns how often it was asked,
    /// and the milliseconds that this took.
    async fn asked(
        answer: impl Fn() -> Result<Reply, NoReply> + Send + Sync + 'static,
    ) -> (u32, u128) {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        let times = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&times);
        let http = Http {
            transport: Transport::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = answer();
                Box::pin(async { answer })
            }),
            base: "https://api.example.com".parse().unwrap(),
            user: "u".to_owned(),
            password: Credential::new("p"),
            code_at: "/code",
        };
        let began = Instant::now();
        let url = http.url(&["numbers"], &[]);
        let answer = http.get::<Value>(&url, began + Duration::from_mins(1)).await;
        assert!(answer.is_err());
        (times.load(Ordering::SeqCst), began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_get_is_repeated_while_it_may_succeed_four_times_in_all_with_growing_pauses() {
        let status = |status: u16| {
            let status = http::StatusCode::from_u16(status).unwrap();
            move || Ok(Reply { status, headers: http::HeaderMap::new(), body: Vec::new() })
        };
        assert_eq!(asked(status(500)).await, (4, 1750));
        assert_eq!(asked(|| Err(NoReply::NotSent("x".into()))).await, (4, 1750));
        assert_eq!(asked(|| Err(NoReply::Lost("x".into()))).await, (4, 1750));
        assert_eq!(asked(status(404)).await, (1, 0));
    }
}

//! The webhook trait: the route on which a provider asks whom to connect, and the form
//! of its questions and answers. Each provider's folder implements it.

use std::fmt;

use http::StatusCode;
use http::header::{AsHeaderName, HeaderMap};
use masking::{Answer, CallSettings, Invalid};

use crate::question::Question;
use crate::route::Route;
use crate::secret::ProviderSecret;

/// One route of a provider. A provider with two routes has two webhooks.
pub trait Webhook: fmt::Debug + Sync {
    /// The API's route.
    fn route(&self) -> Route;

    /// Reads the question of a request that proves to come from the provider.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what the request lacks.
    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Question, Refusal>;

    /// Writes an answer in the provider's own form. `settings` says how to connect, and
    /// what a caller hears who is not connected; `base_url` is where the provider reaches
    /// the API, to report there what became of the call. A provider without a field for one
    /// of them leaves it out.
    fn answer(&self, answer: &Answer, settings: &CallSettings, base_url: &str) -> Reply;
}

/// An HTTP request as it was received.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The URL that the provider was configured with; some providers sign it.
    pub url: &'a str,
    /// The raw path.
    pub path: &'a str,
    /// The raw query; empty if there is none.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
}

/// Why a request gets no answer about its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no proof of who sent it: no secret would admit it.
    Unsigned,
    /// The secret has nothing for the route. A newer secret may admit it.
    Off,
    /// Its proof does not match the secret. A newer secret may admit it.
    Mismatch,
    /// Its body is larger than any that a provider sends. Nothing of it was parsed.
    TooLarge,
    /// A field of it can't be read.
    Unreadable(Invalid),
}

impl Refusal {
    /// The word for the refusal in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Off => "off",
            Self::Mismatch => "mismatch",
            Self::TooLarge => "too_large",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

/// An answer in a provider's form.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: &'static str,
    /// The body, which may hold a phone.
    pub body: String,
}

impl Request<'_> {
    /// Finds a header. A header that is not ASCII counts as missing.
    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Reply {
    /// A reply with status 200.
    pub(crate) fn ok(content_type: &'static str, body: String) -> Self {
        Self { status: StatusCode::OK, content_type, body }
    }
}

/// Hides all fields: any of them may hold a phone or a token.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}

/// Hides the body, which may hold a phone.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_a_reply_print_no_contents() {
        let headers = HeaderMap::new();
        let (url, path, query, body) = ("u-628", "p-628", "q-628", b"b-628".as_slice());
        let request = Request { url, path, query, headers: &headers, body };
        let reply = Reply::ok("text/plain", "r-628".to_owned());
        assert_eq!(format!("{request:?} {reply:?}"), "Request { .. } Reply { status: 200, .. }");
    }
}

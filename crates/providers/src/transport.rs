//! How a request reaches a provider: over the network, or to a stand-in in the test's own
//! process, so that simulated time and simulated faults reach the real code.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode};

/// The time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A response of any status, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no reply.
#[derive(Debug)]
pub enum NoReply {
    /// Nothing was sent.
    NotSent(Cause),
    /// The request may have been carried out.
    Lost(Cause),
}

/// What the network says of a failure.
pub type Cause = Box<dyn Error + Send + Sync>;

/// A request on its way.
pub type Sending = Pin<Box<dyn Future<Output = Result<Reply, NoReply>> + Send>>;

/// How a request ended, for figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The provider answered with this status.
    Answered(u16),
    /// No connection was made.
    NotReached,
    /// No answer came in time, or it broke off.
    Unanswered,
}

/// Sends requests to providers. Clones share their connections.
#[derive(Clone)]
pub struct Transport {
    send: Arc<dyn Fn(Request<Vec<u8>>) -> Sending + Send + Sync>,
    observer: Option<Observer>,
}

type Observer = Arc<dyn Fn(Ended, Duration) + Send + Sync>;

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// The network. Follows no redirect, so that credentials go only to the address that
    /// the operator set.
    ///
    /// # Errors
    ///
    /// TLS can't be initialised, or the system's DNS configuration can't be read.
    /// Source: the documentation of `reqwest::ClientBuilder::build`.
    pub fn network() -> Result<Self, reqwest::Error> {
        let client = client()?;
        Ok(Self::new(move |request| Box::pin(over_network(client.clone(), request))))
    }

    /// Sends requests by `send`.
    pub fn new(send: impl Fn(Request<Vec<u8>>) -> Sending + Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send), observer: None }
    }

    /// The same way, which tells how each request ended, and how long it took.
    #[must_use]
    pub fn observed(&self, observer: impl Fn(Ended, Duration) + Send + Sync + 'static) -> Self {
        Self { send: Arc::clone(&self.send), observer: Some(Arc::new(observer)) }
    }

    pub(crate) fn send(&self, request: Request<Vec<u8>>) -> Sending {
        (self.send)(request)
    }

    pub(crate) fn observe(&self, ended: Ended, took: Duration) {
        if let Some(observer) = &self.observer {
            observer(ended, took);
        }
    }
}

/// Makes an HTTP client with this crate's TLS. It follows no redirect.
///
/// # Errors
///
/// As [`Transport::network`].
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails if the process has a default already, which will do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

async fn over_network(
    client: reqwest::Client,
    request: Request<Vec<u8>>,
) -> Result<Reply, NoReply> {
    let request = request.try_into().map_err(failure)?;
    let mut response = client.execute(request).await.map_err(failure)?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let body = response.bytes().await.map_err(failure)?.to_vec();
    Ok(Reply { status, headers, body })
}

fn failure(error: reqwest::Error) -> NoReply {
    let not_sent = error.is_connect() || error.is_builder();
    // The address has the account and the phone number in it.
    let error = error.without_url().into();
    if not_sent { NoReply::NotSent(error) } else { NoReply::Lost(error) }
}

//! The calls of a number API, and their way between the product's transport and the stand-in.

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

/// A call of the number API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Lists the numbers of the account.
    List,
    /// Asks for a number of the account by its digits.
    Ask,
    /// Reads a number of the account by its id.
    Read,
    /// Lists numbers for sale.
    Search,
    Buy,
    /// Changes a number of the account.
    Change,
    GiveBack,
}

impl Call {
    pub fn of<T>(request: &axum::http::Request<T>) -> Self {
        let uri = request.uri();
        let is_one = uri.path().contains("IncomingPhoneNumbers/");
        match *request.method() {
            Method::DELETE => Self::GiveBack,
            Method::PUT => Self::Change,
            Method::POST if is_one => Self::Change,
            Method::POST => Self::Buy,
            _ if uri.path().contains("/AvailablePhoneNumbers/") => Self::Search,
            _ if is_one => Self::Read,
            _ if uri.query().is_some_and(|query| query.contains("PhoneNumber=")) => Self::Ask,
            _ => Self::List,
        }
    }
}

/// A request of the product's transport, as the stand-in takes it.
pub fn request_from(request: axum::http::Request<Vec<u8>>) -> Request {
    request.map(axum::body::Body::from)
}

/// An answer of the stand-in, as the product's transport takes it.
pub async fn reply_from(response: Response) -> providers::ProviderReply {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body in memory");
    providers::ProviderReply { status: parts.status, headers: parts.headers, body: body.to_vec() }
}

//! The HTTP API's event, and the request that is made of it.
//!
//! `lambda_http` converts the event. It makes a URI of path, query, host and
//! `x-forwarded-proto`, decodes the body, and panics where that fails: a literal space in a
//! query is enough. So it gets an event without these four, and can't fail. Path and query
//! stay beside the request exactly as they came, since providers sign them.
//! Source: `into_api_gateway_v2_request` and `build_request_uri` in `lambda_http` 1.3.2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::Method;
use lambda_http::http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use lambda_http::{Body, Request};
use masking::Invalid;
use providers::{Refusal, Reply};
use serde_json::{Map, Value, json};

/// The largest body that is parsed, in bytes. A provider's question has less than 2 KB,
/// and checking a form takes time in proportion: at 1 MB more than a second.
const LARGEST_BODY: usize = 64 * 1024;

/// An event of the HTTP API. A part that is missing, or not of its type, counts as empty.
#[derive(Debug)]
pub struct Event(Value);

impl Event {
    /// Reads an event. A text that is not JSON is an event in which everything is missing.
    pub fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// The method; `None` if it is missing or malformed.
    pub fn method(&self) -> Option<Method> {
        Method::from_bytes(self.text("/requestContext/http/method").as_bytes()).ok()
    }

    /// The path as it came.
    pub fn path(&self) -> &str {
        self.text("/rawPath")
    }

    /// The query as it came; empty if there is none.
    pub(crate) fn query(&self) -> &str {
        self.text("/rawQueryString")
    }

    /// The URL that the provider was configured with, with path and query as they came. It
    /// begins with `public_base_url`, or else with the API's own address.
    pub(crate) fn url(&self, public_base_url: Option<&str>) -> String {
        let (base, path) = (self.base_url(public_base_url), self.path());
        match self.query() {
            "" => format!("{base}{path}"),
            query => format!("{base}{path}?{query}"),
        }
    }

    /// The part of the URL before the path.
    pub(crate) fn base_url(&self, public_base_url: Option<&str>) -> String {
        let own = || format!("https://{}", self.text("/requestContext/domainName"));
        let base = public_base_url.map_or_else(own, str::to_owned);
        base.trim_end_matches('/').to_owned()
    }

    /// The request, without path and query. A header that HTTP does not allow counts as
    /// missing.
    ///
    /// # Errors
    ///
    /// The body is too large, or can't be decoded.
    pub(crate) fn request(&self) -> Result<Request, Refusal> {
        let body = self.body()?;
        let harmless = json!({
            "version": "2.0",
            "rawPath": "/",
            "headers": self.headers(),
            "requestContext": {"http": {"method": "GET"}},
            "isBase64Encoded": false,
        });
        let mut request = lambda_http::request::from_str(&harmless.to_string())
            .map_err(|_| unreadable("headers", "must be those of HTTP"))?;
        *request.body_mut() = Body::Binary(body);
        Ok(request)
    }

    fn headers(&self) -> Map<String, Value> {
        let headers = self.0.get("headers").and_then(Value::as_object);
        let harmless = |(name, value): &(&String, &Value)| {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = value.as_str().map(HeaderValue::from_str);
            name.is_ok_and(|name| name != HOST && name != "x-forwarded-proto")
                && value.is_some_and(|value| value.is_ok())
        };
        let headers = headers.into_iter().flatten().filter(harmless);
        headers.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The decoded body. Its size is judged before it is decoded.
    fn body(&self) -> Result<Vec<u8>, Refusal> {
        let text = match self.0.get("body") {
            None | Some(Value::Null) => "",
            Some(Value::String(text)) => text,
            Some(_) => return Err(unreadable("body", "must be a string")),
        };
        let encoded = match self.0.get("isBase64Encoded") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return Err(unreadable("body", "must be base64 or not")),
        };
        let length = if encoded { decoded_length(text) } else { text.len() };
        if LARGEST_BODY < length {
            return Err(Refusal::TooLarge);
        }
        if encoded {
            STANDARD.decode(text).map_err(|_| unreadable("body", "must be base64"))
        } else {
            Ok(text.as_bytes().to_vec())
        }
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Writes a reply in the form of the HTTP API.
pub fn response(reply: Reply) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(reply.status.as_u16());
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response.body = Some(Body::Text(reply.body));
    response
}

fn unreadable(field: &str, reason: &'static str) -> Refusal {
    Refusal::Unreadable(Invalid::new(field, reason))
}

/// The number of bytes that a base64 text stands for.
fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(changed: &Value) -> Event {
        let mut event = json!({
            "version": "2.0", "rawPath": "/calls/a%20b", "rawQueryString": "",
            "headers": {"host": "another.example.com"},
            "requestContext": {
                "domainName": "calls.example.com",
                "http": {"method": "POST", "path": "/calls/a%20b"},
            },
            "isBase64Encoded": false,
        });
        for (name, value) in changed.as_object().unwrap() {
            event[name] = value.clone();
        }
        Event::read(&event.to_string())
    }

    #[test]
    fn the_url_begins_with_the_public_base_url_or_the_apis_own() {
        let url = |public_base_url, query: &str| {
            event(&json!({ "rawQueryString": query })).url(public_base_url)
        };
        assert_eq!(url(None, ""), "https://calls.example.com/calls/a%20b");
        assert_eq!(url(None, "x=%2B1&y"), "https://calls.example.com/calls/a%20b?x=%2B1&y");
        for base in ["https://proxy.example.com:8443", "https://proxy.example.com:8443/"] {
            assert_eq!(url(Some(base), ""), "https://proxy.example.com:8443/calls/a%20b");
        }
    }

    #[test]
    fn path_and_query_stay_as_they_came() {
        let (path, query) = ("/calls/ é\u{7}<\">#", "a b=<\">\n&c=\u{0}#d?");
        let event = event(&json!({ "rawPath": path, "rawQueryString": query }));
        assert_eq!((event.path(), event.query()), (path, query));
        assert_eq!(event.url(None), format!("https://calls.example.com{path}?{query}"));
        assert!(event.request().is_ok());
    }

    #[test]
    fn headers_that_http_does_not_allow_count_as_missing_and_the_others_stay() {
        let event = event(&json!({ "headers": {
            "X-Twilio-Signature": "a+b=", "content-type": "é", "bad name": "x", "": "x",
            "x-broken": "a\nb", "x-list": ["a"], "host": "a b", "x-forwarded-proto": "http,https",
        }}));
        let request = event.request().unwrap();
        assert_eq!(request.headers()["x-twilio-signature"], "a+b=");
        assert_eq!(request.headers()[CONTENT_TYPE].as_bytes(), "é".as_bytes());
        assert_eq!(request.headers().len(), 2);
    }

    #[test]
    fn a_body_is_judged_by_its_decoded_size_and_then_decoded() {
        for bytes in [0, 1, 2, LARGEST_BODY - 1, LARGEST_BODY, LARGEST_BODY + 1] {
            let body = "a".repeat(bytes);
            let encoded = STANDARD.encode(&body);
            for (body, base64) in [(body.as_str(), false), (encoded.as_str(), true)] {
                let request = event(&json!({ "body": body, "isBase64Encoded": base64 })).request();
                let read = request.map(|request| request.body().len());
                let right = if bytes <= LARGEST_BODY { Ok(bytes) } else { Err(Refusal::TooLarge) };
                assert_eq!(read, right, "{base64}");
            }
        }
    }

    #[test]
    fn a_body_that_is_not_what_it_says_can_not_be_read() {
        for (changed, error) in [
            (json!({ "body": "a b", "isBase64Encoded": true }), "body: must be base64"),
            (json!({ "body": "YQ", "isBase64Encoded": true }), "body: must be base64"),
            (json!({ "body": {}, "isBase64Encoded": false }), "body: must be a string"),
            (json!({ "body": "YQ==", "isBase64Encoded": "yes" }), "body: must be base64 or not"),
        ] {
            let Err(Refusal::Unreadable(why)) = event(&changed).request() else { unreachable!() };
            assert_eq!(why.to_string(), error);
        }
    }

    #[test]
    fn a_text_that_is_no_event_has_no_method_and_no_path() {
        for text in
            ["", "{", "[]", "7", "{}", r#"{"rawPath":7,"requestContext":[]}"#, "\"\\ud800\""]
        {
            let event = Event::read(text);
            assert_eq!((event.method(), event.path()), (None, ""), "{text}");
        }
    }
}

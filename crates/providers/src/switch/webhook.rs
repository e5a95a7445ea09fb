//! The webhook of all switches: question and answer in JSON.

use http::StatusCode;
use http::header::AUTHORIZATION;
use masking::{Answer, CallSettings, CallingParty, Invalid, NotE164, Number, Reason, field};
use serde_json::json;

use super::secret::ROUTE;
use crate::call_id::CallId;
use crate::question::{NoParties, Question};
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Reply, Request, Webhook};

/// The webhook of all switches.
#[derive(Debug)]
pub(crate) struct Switch;

impl Webhook for Switch {
    fn route(&self) -> Route {
        ROUTE
    }

    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Question, Refusal> {
        proves(request, secret)?;
        question(request.body).map_err(Refusal::Unreadable)
    }

    fn answer(&self, answer: &Answer, _: &CallSettings, _: &str) -> Reply {
        let (status, body) = match answer {
            Answer::Connect { connect_to, shown_number, order_id, expires_at } => (
                StatusCode::OK,
                json!({
                    "decision": "connect",
                    "connect_to": connect_to.reveal(),
                    "caller_id": shown_number.as_str(),
                    "order_id": order_id,
                    "expires_at": expires_at.to_string(),
                }),
            ),
            Answer::Reject(reason) => {
                let status = match reason {
                    Reason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                    Reason::Ended | Reason::NoRoute | Reason::CallerHidden => StatusCode::OK,
                };
                (status, json!({ "decision": "reject", "reason": reason.as_str() }))
            }
        };
        Reply { status, content_type: "application/json", body: body.to_string() }
    }
}

/// Checks that a request carries one of the tokens.
pub(super) fn proves(request: &Request<'_>, secret: &ProviderSecret) -> Result<(), Refusal> {
    let token = bearer_token(request).ok_or(Refusal::Unsigned)?;
    let tokens = secret.switch.as_ref().ok_or(Refusal::Off)?;
    if tokens.matches_any(token) { Ok(()) } else { Err(Refusal::Mismatch) }
}

fn bearer_token<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let (scheme, token) = request.header(AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Reads the body of a request. An error names the field.
fn question(body: &[u8]) -> Result<Question, Invalid> {
    let text = std::str::from_utf8(body).map_err(|_| Invalid::new("body", "must be UTF-8"))?;
    let fields = field::object(text, "body")?;
    let not_e164 = |name| move |error: NotE164| Invalid::new(name, error.to_string());
    let called: Number = field::string(&fields, "called")?.parse().map_err(not_e164("called"))?;
    let caller =
        CallingParty::parse(field::string(&fields, "caller")?).map_err(not_e164("caller"))?;
    let call_id = field::optional_string(&fields, "call_id")?;
    let parties = NoParties::pair(Some(caller), Some(called));
    Ok(Question { parties, call_id: call_id.and_then(CallId::read) })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use masking::Timestamp;

    use super::*;

    const BODY: &str = r#"{"caller":"+6281211112222","called":"+622150001","call_id":"b2-7f3a"}"#;

    fn admit(authorization: Option<&str>, body: &str) -> Result<Question, Refusal> {
        let (secret, _) = ProviderSecret::parse(r#"{"resolve":{"tokens":["bearer-token-no-1"]}}"#);
        let mut headers = HeaderMap::new();
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        let (url, path, query) = ("", ROUTE.path(), "");
        let request = Request { url, path, query, headers: &headers, body: body.as_bytes() };
        Switch.admit(&request, &secret)
    }

    #[test]
    fn only_a_bearer_token_admits_a_request() {
        for right in
            ["Bearer bearer-token-no-1", "bearer bearer-token-no-1", "BEARER  bearer-token-no-1 "]
        {
            assert!(admit(Some(right), BODY).is_ok(), "{right}");
        }
        for wrong in
            ["Bearer bearer-token-no-2", "Bearer ", "Bearer bearer-token-no-1 bearer-token-no-1"]
        {
            assert_eq!(admit(Some(wrong), BODY), Err(Refusal::Mismatch), "{wrong}");
        }
        for none in ["", "bearer-token-no-1", "Bearer", "Basic bearer-token-no-1"] {
            assert_eq!(admit(Some(none), BODY), Err(Refusal::Unsigned), "{none}");
        }
        assert_eq!(admit(None, BODY), Err(Refusal::Unsigned));
    }

    #[test]
    fn reads_caller_number_and_call() {
        let question = question(BODY.as_bytes()).unwrap();
        let (caller, called) = question.parties.unwrap();
        assert_eq!((caller.reveal(), called.as_str()), ("+6281211112222", "+622150001"));
        assert_eq!(question.call_id, Some(CallId::Plain("b2-7f3a".to_owned())));
    }

    #[test]
    fn a_hidden_caller_gives_no_parties_and_a_malformed_one_an_error() {
        let ask = |caller: &str| {
            question(json!({ "caller": caller, "called": "+622150001" }).to_string().as_bytes())
        };
        assert_eq!(
            ask("anonymous"),
            Ok(Question { parties: Err(NoParties::Withheld), call_id: None })
        );
        assert_eq!(ask("12345678").unwrap_err().field, "caller");
        assert_eq!(question(b"\xff").unwrap_err().to_string(), "body: must be UTF-8");
        assert_eq!(question(br#"{"caller":"","called":"0"}"#).unwrap_err().field, "called");
    }

    #[test]
    fn the_answer_says_whom_to_connect_or_why_to_reject() {
        let answer = Answer::Connect {
            connect_to: "+6281333334444".parse().unwrap(),
            shown_number: "+622150001".parse().unwrap(),
            order_id: "o-1".to_owned(),
            expires_at: Timestamp::from_seconds(0),
        };
        let connect = Switch.answer(&answer, &CallSettings::default(), "");
        let body: serde_json::Value = serde_json::from_str(&connect.body).unwrap();
        let expected = json!({
            "decision": "connect", "connect_to": "+6281333334444", "caller_id": "+622150001",
            "order_id": "o-1", "expires_at": "1970-01-01T00:00:00Z",
        });
        assert_eq!((connect.status, body), (StatusCode::OK, expected));
        for (reason, status) in [
            (Reason::Ended, 200),
            (Reason::NoRoute, 200),
            (Reason::CallerHidden, 200),
            (Reason::Unavailable, 503),
        ] {
            let reply = Switch.answer(&Answer::Reject(reason), &CallSettings::default(), "");
            let body = format!(r#"{{"decision":"reject","reason":"{}"}}"#, reason.as_str());
            assert_eq!((reply.status.as_u16(), reply.body), (status, body));
        }
    }
}

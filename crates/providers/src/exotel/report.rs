//! Exotel's Passthru applet after the Connect applet: it says in its query what became of
//! the call. Exotel signs nothing: a token in the path proves that the address came from
//! the operator.
//! Source: Exotel's support article 48283 on the applet, and requests seen in public code.

use masking::{CallOutcome, CallingParty, Invalid};

use super::secret::REPORT_ROUTE;
use super::webhook::{calling_party, value};
use crate::call_id::CallId;
use crate::report::{Report, Reports};
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Request};

/// The Passthru applet.
#[derive(Debug)]
pub(crate) struct Exotel;

impl Reports for Exotel {
    fn route(&self) -> Route {
        REPORT_ROUTE
    }

    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Report, Refusal> {
        let token = REPORT_ROUTE.parameter(request.path).ok_or(Refusal::Unsigned)?;
        let applet = secret.exotel.as_ref().ok_or(Refusal::Off)?;
        if !applet.tokens.matches_any(token) {
            return Err(Refusal::Mismatch);
        }
        let phone = |text: &str| match calling_party(text, applet.country) {
            Some(CallingParty::Shown(phone)) => Some(phone),
            _ => None,
        };
        let number = |text: &str| applet.country.e164(text)?.parse().ok();
        let text = |name| value(request.query, name);
        let called = text("CallTo").or_else(|| text("To"));
        let caller = text("CallFrom").or_else(|| text("From"));
        let wrong = |name, reason| Refusal::Unreadable(Invalid::new(name, reason));
        Ok(Report {
            number: called
                .and_then(|it| number(&it))
                .ok_or_else(|| wrong("CallTo", "must be a phone number"))?,
            phone: caller
                .and_then(|it| phone(&it))
                .ok_or_else(|| wrong("CallFrom", "must be a phone number"))?,
            was_rung: false,
            order_id: None,
            call_id: text("CallSid")
                .and_then(|it| CallId::read(&it))
                .ok_or_else(|| wrong("CallSid", "must not be empty"))?,
            outcome: outcome(text("DialCallStatus").as_deref()),
            // The one includes ringing, and the other is not always there.
            talk_seconds: ["ConversationDuration", "DialCallDuration"]
                .into_iter()
                .find_map(|name| text(name)?.parse().ok())
                .unwrap_or(0),
        })
    }
}

/// What became of the call. Exotel leaves the status out where it dialled nobody.
fn outcome(status: Option<&str>) -> CallOutcome {
    status.and_then(CallOutcome::parse).unwrap_or(CallOutcome::Failed)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const CALL: &str = "CallSid=9953aa22bb33cc44dd55ee66ff778899&CallFrom=09800000001\
        &CallTo=08000000002&DialCallStatus=completed&DialCallDuration=80&ConversationDuration=73";

    fn admit(path: &str, query: &str) -> Result<Report, Refusal> {
        let secret = r#"{"exotel":{"webhook_tokens":["path-token-of-exotel"],"country":"IN"}}"#;
        let (secret, _) = ProviderSecret::parse(secret);
        let headers = HeaderMap::new();
        Exotel.admit(&Request { url: "", path, query, headers: &headers, body: b"" }, &secret)
    }

    const PATH: &str = "/calls/exotel/path-token-of-exotel/ended";

    #[test]
    fn reads_a_report_whose_path_has_the_token() {
        let told = admit(PATH, CALL).unwrap();
        assert_eq!((told.phone.reveal(), told.number.as_str()), ("+919800000001", "+918000000002"));
        assert_eq!((told.outcome, told.talk_seconds), (CallOutcome::Completed, 73));
        for (path, refusal) in [
            ("/calls/exotel/another/ended", Refusal::Mismatch),
            ("/calls/exotel//ended", Refusal::Mismatch),
            ("/calls/exotel/path-token-of-exotel", Refusal::Unsigned),
        ] {
            assert_eq!(admit(path, CALL), Err(refusal), "{path}");
        }
    }

    #[test]
    fn what_is_missing_counts_as_a_call_that_failed_and_what_is_wrong_is_named() {
        let told = admit(PATH, &CALL.replace("&ConversationDuration=73", "")).unwrap();
        assert_eq!(told.talk_seconds, 80);
        let told = admit(PATH, CALL.split("&Dial").next().unwrap()).unwrap();
        assert_eq!((told.outcome, told.talk_seconds), (CallOutcome::Failed, 0));
        for (from, to, field) in [
            ("09800000001", "private", "CallFrom"),
            ("08000000002", "x", "CallTo"),
            ("9953aa22bb33cc44dd55ee66ff778899", "", "CallSid"),
        ] {
            let Err(Refusal::Unreadable(why)) = admit(PATH, &CALL.replace(from, to)) else {
                unreachable!("{from}")
            };
            assert_eq!(why.field, field);
        }
    }
}

//! Exotel's Passthru applet after the Connect applet: it says in its query what became of
//! the call. Exotel signs nothing: a token in the path proves that the address came from
//! the operator.
//! Source: Exotel's support article 48283 on the applet, and requests seen in public code.

use masking::{CallOutcome, Invalid};

use super::country::Country;
use super::secret::REPORT_ROUTE;
use super::webhook::{calling_party, value};
use crate::call_id::CallId;
use crate::question::NoParties;
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
        report(request.query, applet.country).map_err(Refusal::Unreadable)
    }
}

/// Reads the query of a request whose token was checked. Whoever withheld the phone, or
/// could not be read, was connected to nobody.
fn report(query: &str, country: Country) -> Result<Report, Invalid> {
    let text = |name| value(query, name);
    let caller = text("CallFrom").or_else(|| text("From")).unwrap_or_default();
    let called = text("CallTo").or_else(|| text("To")).unwrap_or_default();
    let called = country.e164(&called).and_then(|text| text.parse().ok());
    let seconds = |name: &'static str| {
        let seconds = text(name).map(|text| text.parse().map_err(|_| name)).transpose();
        seconds.map_err(|name| Invalid::new(name, "must be a number of seconds"))
    };
    let call_id = text("CallSid").and_then(|it| CallId::read(&it));
    // The one includes ringing, and the other is not always there.
    let talked = seconds("ConversationDuration")?.or(seconds("DialCallDuration")?);
    Ok(Report {
        parties: NoParties::pair(calling_party(&caller, country), called),
        was_rung: false,
        order_id: None,
        call_id: call_id.ok_or_else(|| Invalid::new("CallSid", "must not be empty"))?,
        // Exotel leaves it out where it dialled nobody.
        outcome: text("DialCallStatus").as_deref().map(outcome),
        talk_seconds: talked.unwrap_or(0),
    })
}

/// What became of the call. A word that is not known is that of a call that went wrong.
fn outcome(status: &str) -> CallOutcome {
    CallOutcome::parse(status).unwrap_or(CallOutcome::Failed)
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
        let (phone, number) = told.parties.unwrap();
        assert_eq!((phone.reveal(), number.as_str()), ("+919800000001", "+918000000002"));
        assert_eq!((told.outcome, told.talk_seconds), (Some(CallOutcome::Completed), 73));
        for (path, refusal) in [
            ("/calls/exotel/another/ended", Refusal::Mismatch),
            ("/calls/exotel//ended", Refusal::Mismatch),
            ("/calls/exotel/path-token-of-exotel", Refusal::Unsigned),
        ] {
            assert_eq!(admit(path, CALL), Err(refusal), "{path}");
        }
    }

    #[test]
    fn a_call_that_rang_nobody_has_no_outcome_and_one_of_a_hidden_caller_no_parties() {
        let told = admit(PATH, &CALL.replace("&ConversationDuration=73", "")).unwrap();
        assert_eq!(told.talk_seconds, 80);
        let told = admit(PATH, CALL.split("&Dial").next().unwrap()).unwrap();
        assert_eq!((told.outcome, told.talk_seconds), (None, 0));
        let told = admit(PATH, &CALL.replace("09800000001", "private")).unwrap();
        assert_eq!(told.parties, Err(NoParties::Withheld));
        let told = admit(PATH, &CALL.replace("08000000002", "x")).unwrap();
        assert_eq!(told.parties, Err(NoParties::CalledMalformed));
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        for (from, to, field) in [
            ("9953aa22bb33cc44dd55ee66ff778899", "", "CallSid"),
            ("ConversationDuration=73", "ConversationDuration=long", "ConversationDuration"),
            ("DialCallDuration=80", "DialCallDuration=-1", "DialCallDuration"),
        ] {
            let Err(Refusal::Unreadable(why)) = admit(PATH, &CALL.replace(from, to)) else {
                unreachable!("{from}")
            };
            assert_eq!(why.field, field);
        }
    }
}

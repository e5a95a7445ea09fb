//! Twilio's status callback of the leg that rings the callee.
//!
//! `connect` in `webhook.rs` asks for it beside the number that it dials. Twilio sends it
//! when the leg is over and waits for nothing, so no caller ever hears a fault of it. (The
//! `action` of a dial would be heard: when it fails, Twilio speaks an error into the call.)
//! The leg goes from the number that is shown to the phone that is rung; `CallDuration` is
//! its time since it was picked up, and `ParentCallSid` the call that asked.
//! Source: Twilio's documentation, "TwiML Voice: `<Number>`", attributes `statusCallback`
//! and `statusCallbackEvent`, and "Call resource", the values of `CallStatus`.

use std::borrow::Cow;

use masking::{CallOutcome, Invalid};

use super::secret::{ORDER, REPORT_ROUTE};
use super::webhook::proves;
use crate::call_id::CallId;
use crate::report::{Report, Reports};
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Request};

/// The status callback.
#[derive(Debug)]
pub(crate) struct Twilio;

impl Reports for Twilio {
    fn route(&self) -> Route {
        REPORT_ROUTE
    }

    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Report, Refusal> {
        proves(request, secret)?;
        report(request.body, request.query).map_err(Refusal::Unreadable)
    }
}

/// Reads the form and the query of a request whose signature was checked.
fn report(body: &[u8], query: &str) -> Result<Report, Invalid> {
    let value = |name: &str| value(body, name);
    let e164 = |name: &'static str| Invalid::new(name, "must be a phone number in E.164 form");
    let call_id = value("ParentCallSid").or_else(|| value("CallSid"));
    let outcome = value("CallStatus").and_then(|status| CallOutcome::parse(&status));
    let duration = value("CallDuration").map(|text| text.parse());
    let number = value("From").and_then(|it| it.parse().ok()).ok_or_else(|| e164("From"))?;
    let phone = value("To").and_then(|it| it.parse().ok()).ok_or_else(|| e164("To"))?;
    let outcome =
        outcome.ok_or_else(|| Invalid::new("CallStatus", "must be that of a call that ended"))?;
    Ok(Report {
        parties: Ok((phone, number)),
        was_rung: true,
        order_id: self::value(query.as_bytes(), ORDER).map(Cow::into_owned),
        call_id: call_id
            .and_then(|it| CallId::read(&it))
            .ok_or_else(|| Invalid::new("CallSid", "must not be empty"))?,
        outcome: Some(outcome),
        talk_seconds: duration
            .transpose()
            .map_err(|_| Invalid::new("CallDuration", "must be a number of seconds"))?
            .unwrap_or(0),
    })
}

fn value<'a>(form: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(form).find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_leg_that_rang_the_callee() {
        let form = "CallSid=CA2&ParentCallSid=CA1&From=%2B622150001&To=%2B6281333334444\
            &CallStatus=completed&CallDuration=73";
        let told = report(form.as_bytes(), "order=o-1").unwrap();
        let (phone, number) = told.parties.unwrap();
        assert_eq!((number.as_str(), phone.reveal()), ("+622150001", "+6281333334444"));
        assert!(told.was_rung);
        assert_eq!((told.order_id.as_deref(), told.talk_seconds), (Some("o-1"), 73));
        assert_eq!(told.call_id, CallId::Plain("CA1".to_owned()));
        let busy = form.replace("completed&CallDuration=73", "busy");
        let told = report(busy.as_bytes(), "").unwrap();
        assert_eq!((told.outcome, told.talk_seconds), (Some(CallOutcome::Busy), 0));
        assert_eq!(told.order_id, None);
        for (from, to, field) in [
            ("%2B622150001", "client", "From"),
            ("%2B6281333334444", "sip%3Aa", "To"),
            ("completed", "ringing", "CallStatus"),
            ("73", "-3", "CallDuration"),
            ("CallSid=CA2&ParentCallSid=CA1", "x=y", "CallSid"),
        ] {
            let wrong = form.replace(from, to);
            assert_eq!(report(wrong.as_bytes(), "").unwrap_err().field, field, "{wrong}");
        }
    }
}

//! The report of a switch: a JSON object with the fields of its question, the outcome and
//! how long the two talked.

use masking::{CallOutcome, CallingParty, Invalid, NotE164, field};

use super::secret::REPORT_ROUTE;
use super::webhook::proves;
use crate::call_id::CallId;
use crate::question::NoParties;
use crate::report::{Report, Reports};
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Request};

/// The reports of all switches.
#[derive(Debug)]
pub(crate) struct Switch;

impl Reports for Switch {
    fn route(&self) -> Route {
        REPORT_ROUTE
    }

    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Report, Refusal> {
        proves(request, secret)?;
        report(request.body).map_err(Refusal::Unreadable)
    }
}

/// Reads the body of a request. An error names the field.
fn report(body: &[u8]) -> Result<Report, Invalid> {
    let text = std::str::from_utf8(body).map_err(|_| Invalid::new("body", "must be UTF-8"))?;
    let fields = field::object(text, "body")?;
    let not_e164 = |name| move |error: NotE164| Invalid::new(name, error.to_string());
    let called = field::string(&fields, "called")?.parse().map_err(not_e164("called"))?;
    let caller =
        CallingParty::parse(field::string(&fields, "caller")?).map_err(not_e164("caller"))?;
    let outcome = CallOutcome::parse(field::string(&fields, "outcome")?).ok_or_else(|| {
        Invalid::new("outcome", "must be completed, busy, no_answer, failed or canceled")
    })?;
    let call_id = CallId::read(field::string(&fields, "call_id")?);
    Ok(Report {
        parties: NoParties::pair(Some(caller), Some(called)),
        was_rung: false,
        order_id: field::optional_string(&fields, "order_id")?.map(str::to_owned),
        call_id: call_id.ok_or_else(|| Invalid::new("call_id", "must not be empty"))?,
        outcome: Some(outcome),
        talk_seconds: field::unsigned(&fields, "talk_seconds")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_report_and_names_the_field_that_is_wrong() {
        let body = json!({
            "caller": "+6281211112222", "called": "+622150001", "call_id": "b2-7f3a",
            "outcome": "no_answer", "talk_seconds": 0,
        });
        let read = |body: &serde_json::Value| report(body.to_string().as_bytes());
        let told = read(&body).unwrap();
        let (phone, number) = told.parties.unwrap();
        assert_eq!((phone.reveal(), number.as_str()), ("+6281211112222", "+622150001"));
        assert_eq!((told.outcome, told.talk_seconds), (Some(CallOutcome::NoAnswer), 0));
        assert_eq!(told.order_id, None);
        assert_eq!(told.call_id, CallId::Plain("b2-7f3a".to_owned()));
        for (field, wrong) in [
            ("caller", json!("110")),
            ("order_id", json!(7)),
            ("called", json!("110")),
            ("call_id", json!(" ")),
            ("call_id", json!(null)),
            ("outcome", json!("ringing")),
            ("talk_seconds", json!(-1)),
            ("talk_seconds", json!("73")),
        ] {
            let mut body = body.clone();
            body[field] = wrong;
            assert_eq!(read(&body).unwrap_err().field, field);
        }
        let mut hidden = body.clone();
        (hidden["caller"], hidden["order_id"]) = (json!("anonymous"), json!("o-1"));
        let told = read(&hidden).unwrap();
        assert_eq!(told.parties, Err(NoParties::Withheld));
        assert_eq!(told.order_id.as_deref(), Some("o-1"));
        assert_eq!(report(b"\xff").unwrap_err().field, "body");
    }
}

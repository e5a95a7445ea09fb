//! Exotel's Connect applet with a dynamic URL: the question that it asks when someone
//! dials an `ExoPhone`, and the JSON answer.
//!
//! The question is a GET with everything in its query. Exotel signs nothing: a token in
//! the path proves that the address came from the operator. The case of parameter names
//! differs between requests, and a number is written as it is dialled in its country.
//! Source: Exotel's support articles on the applet, and requests seen in public code.

use std::borrow::Cow;

use masking::{Answer, CallSettings, CallingParty, Number, Phone};
use serde_json::{Value, json};

use super::country::Country;
use super::secret::ROUTE;
use crate::call_id::CallId;
use crate::question::{NoParties, Question};
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Reply, Request, Webhook};

/// The Connect applet.
#[derive(Debug)]
pub(crate) struct Exotel;

impl Webhook for Exotel {
    fn route(&self) -> Route {
        ROUTE
    }

    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Question, Refusal> {
        let token = ROUTE.parameter(request.path).ok_or(Refusal::Unsigned)?;
        let applet = secret.exotel.as_ref().ok_or(Refusal::Off)?;
        if !applet.tokens.matches_any(token) {
            return Err(Refusal::Mismatch);
        }
        Ok(question(request.query, applet.country))
    }

    fn answer(&self, answer: &Answer, settings: &CallSettings, _: &str) -> Reply {
        let body = match answer {
            Answer::Connect { connect_to, shown_number, .. } => {
                connect(connect_to, shown_number, settings)
            }
            // The flow then takes its transition "We didn't dial anyone", where the
            // operator has put a greeting.
            Answer::Reject(_) => ring(&[], settings),
        };
        Reply::ok("application/json", body.to_string())
    }
}

/// Reads the question from the raw query of a request whose token was checked.
fn question(query: &str, country: Country) -> Question {
    let text = |names: [&str; 2]| {
        names.into_iter().find_map(|name| value(query, name)).unwrap_or_default()
    };
    let caller = calling_party(&text(["CallFrom", "From"]), country);
    let called = country.e164(&text(["CallTo", "To"])).and_then(|text| text.parse::<Number>().ok());
    let parties = NoParties::pair(caller, called);
    Question { parties, call_id: value(query, "CallSid").as_deref().and_then(CallId::read) }
}

/// Reads the calling party: a word or an empty text of a caller who withheld the phone, or
/// a number as it is dialled in the country.
pub(super) fn calling_party(text: &str, country: Country) -> Option<CallingParty> {
    match CallingParty::parse(text) {
        Ok(CallingParty::Withheld) => Some(CallingParty::Withheld),
        _ => country.e164(text).and_then(|text| CallingParty::parse(&text).ok()),
    }
}

/// Finds a value by its name, in any case. An empty value counts as missing.
pub(super) fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
        .map(|(_, value)| value)
}

/// The answer that rings a phone and shows it a number. It always names the number to
/// show.
fn connect(connect_to: &Phone, shown_number: &Number, settings: &CallSettings) -> Value {
    let mut answer = ring(&[connect_to.reveal()], settings);
    if let Value::Object(fields) = &mut answer {
        fields.insert("outgoing_phone_number".to_owned(), json!(shown_number.as_str()));
    }
    answer
}

/// The answer that rings these phones, once: asking again after an attempt would get the
/// same answer. Exotel does not document which keys are required; these are the ones
/// that integrations send.
fn ring(numbers: &[&str], settings: &CallSettings) -> Value {
    json!({
        "fetch_after_attempt": false,
        "destination": { "numbers": numbers },
        "record": false,
        "max_ringing_duration": settings.ring_seconds,
        "max_conversation_duration": settings.max_call_seconds,
        "music_on_hold": { "type": "operator_tone" },
        "parallel_ringing": { "activate": false, "max_parallel_attempts": 1 },
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use masking::{Reason, Timestamp};

    use super::*;

    const CALL: &str = "CallSid=9953aa22bb33cc44dd55ee66ff778899&CallFrom=09800000001\
        &CallTo=08000000002&Direction=incoming&Created=Tue%2C+03+Sep+2024+11%3A44%3A54\
        &DialWhomNumber=&flow_id=11754&From=09800000009&To=08000000009&digits=%228%22";

    fn ask(query: &str) -> Question {
        question(query, Country::parse("IN").unwrap())
    }

    #[track_caller]
    fn check(query: &str, caller: &str, called: &str) {
        let question = ask(query);
        let (from, to) = question.parties.unwrap();
        assert_eq!((from.reveal(), to.as_str()), (caller, called), "{query}");
    }

    #[test]
    fn reads_caller_number_and_call() {
        check(CALL, "+919800000001", "+918000000002");
        let plain = CallId::Plain("9953aa22bb33cc44dd55ee66ff778899".to_owned());
        assert_eq!(ask(CALL).call_id, Some(plain));
    }

    #[test]
    fn parameter_names_may_be_in_any_case() {
        check("callfrom=09800000001&CALLTO=08000000002", "+919800000001", "+918000000002");
        check("Callfrom=09800000001&callTo=08000000002", "+919800000001", "+918000000002");
    }

    #[test]
    fn the_shorter_parameter_names_are_the_fallback() {
        check("From=09800000001&To=08000000002", "+919800000001", "+918000000002");
        check("CallFrom=&From=09800000001&To=08000000002", "+919800000001", "+918000000002");
    }

    #[test]
    fn a_plus_may_come_escaped_or_not() {
        for from in ["%2B919800000001", "+919800000001", "919800000001", "9800000001"] {
            let query = format!("CallFrom={from}&CallTo=08000000002");
            check(&query, "+919800000001", "+918000000002");
        }
    }

    #[test]
    fn a_hidden_caller_gives_no_parties() {
        let froms = ["", "anonymous", "Private", "unknown", "withheld"];
        for from in froms.into_iter().chain(["%2B266696687", "00266696687"]) {
            let question = ask(&format!("CallFrom={from}&CallTo=08000000002"));
            assert_eq!(question.parties, Err(NoParties::Withheld), "{from}");
        }
        assert_eq!(ask("").parties, Err(NoParties::Withheld));
        assert_eq!(ask("CallTo=08000000002").parties, Err(NoParties::Withheld));
    }

    #[test]
    fn an_unreadable_number_is_not_called_withheld() {
        for from in ["0980000000", "139", "%2B", "0-0-0-0-0"] {
            let question = ask(&format!("CallFrom={from}&CallTo=08000000002"));
            assert_eq!(question.parties, Err(NoParties::CallerMalformed), "{from}");
        }
        for to in ["&CallTo=sip", "&CallTo=%2B12", "&CallTo=", ""] {
            let question = ask(&format!("CallFrom=09800000001{to}"));
            assert_eq!(question.parties, Err(NoParties::CalledMalformed), "{to}");
        }
    }

    #[test]
    fn only_the_token_in_the_path_admits_a_request() {
        let on = r#"{"exotel":{"country":"IN","webhook_tokens":["path-token-no-1-a","path-token-no-2-a"]}}"#;
        let (on, off) = (ProviderSecret::parse(on).0, ProviderSecret::default());
        for (secret, path, refusal) in [
            (&on, "/calls/exotel/path-token-no-1-a", None),
            (&on, "/calls/exotel/path-token-no-2-a", None),
            (&on, "/calls/exotel/path-token-no-3-a", Some(Refusal::Mismatch)),
            (&on, "/calls/exotel/path-token-no-1-a/", Some(Refusal::Mismatch)),
            (&on, "/calls/exotel/", Some(Refusal::Mismatch)),
            (&on, "/calls", Some(Refusal::Unsigned)),
            (&off, "/calls/exotel/path-token-no-1-a", Some(Refusal::Off)),
        ] {
            let headers = HeaderMap::new();
            let request = Request { url: "", path, query: CALL, headers: &headers, body: b"" };
            let question = Exotel.admit(&request, secret);
            assert_eq!(question.as_ref().err(), refusal.as_ref(), "{path}");
            assert_eq!(question.is_ok_and(|it| it.parties.is_ok()), refusal.is_none());
        }
    }

    #[track_caller]
    fn json_of(answer: &Answer) -> Value {
        let settings =
            CallSettings { ring_seconds: 25, max_call_seconds: 600, ..CallSettings::default() };
        let reply = Exotel.answer(answer, &settings, "");
        assert_eq!((reply.status.as_u16(), reply.content_type), (200, "application/json"));
        serde_json::from_str(&reply.body).unwrap()
    }

    #[test]
    fn a_connected_call_shows_the_virtual_number() {
        let answer = json_of(&Answer::Connect {
            connect_to: "+919812345678".parse().unwrap(),
            shown_number: "+918000000002".parse().unwrap(),
            order_id: "o-1".to_owned(),
            expires_at: Timestamp::from_seconds(0),
        });
        assert_eq!(answer["destination"], json!({ "numbers": ["+919812345678"] }));
        assert_eq!(answer["outgoing_phone_number"], "+918000000002");
        assert_eq!(answer["fetch_after_attempt"], false);
        assert_eq!(answer["record"], false);
        assert_eq!(answer["max_ringing_duration"], 25);
        assert_eq!(answer["max_conversation_duration"], 600);
    }

    #[test]
    fn a_rejected_call_gets_an_empty_list() {
        for reason in [Reason::Ended, Reason::NoRoute, Reason::CallerHidden, Reason::Unavailable] {
            let answer = json_of(&Answer::Reject(reason));
            assert_eq!(answer["destination"], json!({ "numbers": [] }));
            assert_eq!(answer["fetch_after_attempt"], false);
            assert!(answer.get("outgoing_phone_number").is_none());
        }
    }
}

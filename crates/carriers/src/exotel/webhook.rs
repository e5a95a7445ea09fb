//! Exotel's Connect applet with a dynamic URL: what it asks when someone dials an
//! `ExoPhone`, and the JSON it is answered with.
//!
//! It asks with a GET whose query has all there is to know, and signs nothing: a
//! token in the path proves that the address came from the operator. Names differ
//! in case between requests, numbers come as the country dials them.
//! Source: Exotel's support articles on the applet, and requests seen in public code.

use std::borrow::Cow;

use masking::{CallerId, Invalid, NotE164, Number, Phone};
use serde_json::{Value, json};

use super::Country;
use crate::question::{Question, call_id};

/// The content type of every answer.
pub const CONTENT_TYPE: &str = "application/json";

/// Fewer digits are no phone but an extension, or a word.
const SHORTEST_CALLER: usize = 7;

/// How long the phone rings, in seconds.
const RING_SECONDS: u64 = 30;

/// Reads what Exotel asks from the raw query, once its token was checked.
pub fn question(query: &str, country: Country) -> Question {
    let value = |names: [&str; 2]| {
        names.into_iter().find_map(|name| value(query, name)).unwrap_or_default()
    };
    let called = value(["CallTo", "To"]);
    Question {
        caller: caller(value(["CallFrom", "From"]).trim(), country)
            .map_err(|e| Invalid::new("CallFrom", e.to_string())),
        called: (country.e164(&called).ok_or(NotE164))
            .and_then(|number| number.parse::<Number>())
            .map_err(|e| Invalid::new("CallTo", e.to_string())),
        call_id: call_id(self::value(query, "CallSid").as_deref()),
    }
}

/// Finds a value by its name in any case; an empty one is none.
fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
        .map(|(_, value)| value)
}

fn caller(text: &str, country: Country) -> Result<CallerId, NotE164> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let phone = SHORTEST_CALLER <= digits.len() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !phone {
        return Ok(CallerId::Withheld);
    }
    CallerId::parse(&country.e164(text).ok_or(NotE164)?)
}

/// The answer that rings a phone and shows it a number.
///
/// The number to show is always named. The applet rings once: asking again after
/// an attempt would only get the same answer.
pub fn connect(connect_to: &Phone, caller_id: &Number) -> String {
    let mut answer = answer(&[connect_to.reveal()]);
    if let Value::Object(fields) = &mut answer {
        fields.insert("outgoing_phone_number".to_owned(), json!(caller_id.as_str()));
    }
    answer.to_string()
}

/// The answer that connects nobody, for whatever reason: the flow goes on to its
/// "We didn't dial anyone", where the operator puts the words.
pub fn not_connected() -> String {
    answer(&[]).to_string()
}

/// Which keys must be there is not documented: these are the ones that integrations send.
fn answer(numbers: &[&str]) -> Value {
    json!({
        "fetch_after_attempt": false,
        "destination": { "numbers": numbers },
        "record": false,
        "max_ringing_duration": RING_SECONDS,
        "music_on_hold": { "type": "operator_tone" },
        "parallel_ringing": { "activate": false, "max_parallel_attempts": 1 },
    })
}

#[cfg(test)]
mod tests {
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
        let (from, to) = question.parties().unwrap();
        assert_eq!((from.reveal(), to.as_str()), (caller, called), "{query}");
    }

    #[test]
    fn reads_caller_number_and_call() {
        check(CALL, "+919800000001", "+918000000002");
        let call_id = ask(CALL).call_id;
        assert_eq!(call_id.as_deref(), Some("9953aa22bb33cc44dd55ee66ff778899"));
    }

    #[test]
    fn names_may_be_in_any_case() {
        check("callfrom=09800000001&CALLTO=08000000002", "+919800000001", "+918000000002");
        check("Callfrom=09800000001&callTo=08000000002", "+919800000001", "+918000000002");
    }

    #[test]
    fn the_shorter_names_stand_in() {
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
    fn a_hidden_caller_is_nobody() {
        let froms = ["", "anonymous", "Private", "unknown", "withheld", "139", "%2B", "0-0-0-0-0"];
        for from in froms {
            let question = ask(&format!("CallFrom={from}&CallTo=08000000002"));
            assert_eq!(question.caller, Ok(CallerId::Withheld), "{from}");
            assert!(question.called.is_ok() && question.parties().is_none());
        }
        assert_eq!(ask("").caller, Ok(CallerId::Withheld));
    }

    #[test]
    fn what_is_no_number_is_told_by_its_field() {
        let question = ask("CallFrom=0980000000&CallTo=sip");
        let told = [question.caller.unwrap_err().field, question.called.unwrap_err().field];
        assert_eq!(told, ["CallFrom", "CallTo"]);
        assert!(ask("CallFrom=09800000001").called.is_err());
    }

    #[test]
    fn connects_with_the_number_to_show() {
        let answer = connect(&"+919812345678".parse().unwrap(), &"+918000000002".parse().unwrap());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["destination"], json!({ "numbers": ["+919812345678"] }));
        assert_eq!(answer["outgoing_phone_number"], "+918000000002");
        assert_eq!(answer["fetch_after_attempt"], false);
        assert_eq!(answer["record"], false);
        assert_eq!(answer["max_ringing_duration"], 30);
    }

    #[test]
    fn connects_nobody_with_an_empty_list() {
        let answer: Value = serde_json::from_str(&not_connected()).unwrap();
        assert_eq!(answer["destination"], json!({ "numbers": [] }));
        assert_eq!(answer["fetch_after_attempt"], false);
        assert!(answer.get("outgoing_phone_number").is_none());
    }
}

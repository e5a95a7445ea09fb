//! Phones, numbers and moments, as events, callers and providers write them.

use axum::http::{HeaderMap, Method};
use masking::{CallingParty, Number, Phone, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use providers::{ProviderSecret, Request};
use serde_json::json;
use support::world::EXOTEL_TOKEN;

use super::cases::{admitted, assert_no_phone, check};
use super::inputs::{like, phone, text};

/// A spelling of a moment, and the moment.
pub(crate) fn moment() -> impl Strategy<Value = (String, Timestamp)> {
    let spelling =
        (select(vec!["T", "t"]), like("(\\.[0-9]{1,12})?"), -1439_i64..=1439, any::<bool>());
    (100_000_u64..253_402_200_000, spelling).prop_map(
        |(seconds, (separator, fraction, offset, zulu))| {
            let offset = if zulu { 0 } else { offset };
            let local = seconds.checked_add_signed(offset * 60).unwrap();
            let local = Timestamp::from_seconds(local).to_string();
            let local = local.strip_suffix('Z').unwrap().replace('T', separator);
            let zone = match (zulu, separator) {
                (true, "t") => "z".to_owned(),
                (true, _) => "Z".to_owned(),
                _ => {
                    let sign = if offset < 0 { '-' } else { '+' };
                    format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
                }
            };
            (format!("{local}{fraction}{zone}"), Timestamp::from_seconds(seconds))
        },
    )
}

/// The rule for a phone, written independently of the product's.
pub(crate) fn is_e164(text: &str) -> bool {
    let bytes = text.as_bytes();
    (9..=16).contains(&bytes.len())
        && bytes[0] == b'+'
        && (b'1'..=b'9').contains(&bytes[1])
        && bytes[2..].iter().all(u8::is_ascii_digit)
}

#[test]
fn a_phone_is_an_e164_number_and_is_never_shown() {
    let nearly = (phone(), any::<Index>(), any::<char>()).prop_map(|(phone, at, char)| {
        let mut chars: Vec<char> = phone.chars().collect();
        chars[at.index(phone.len())] = char;
        String::from_iter(chars)
    });
    check(1000, prop_oneof![text(), like("[+]?[0-9]{0,18}"), nearly], |text| {
        assert_eq!(text.parse::<Phone>().is_ok(), is_e164(&text));
        assert_eq!(text.parse::<Number>().is_ok(), is_e164(&text));
        match CallingParty::parse(&text) {
            Ok(CallingParty::Shown(phone)) => {
                assert_eq!(phone.reveal(), text.trim());
                assert_no_phone(&text, &format!("{phone:?}"));
            }
            Ok(CallingParty::Withheld) => {}
            Err(error) => assert_no_phone(&text, &format!("{error} {error:?}")),
        }
    });
}

#[test]
fn a_moment_is_read_in_every_spelling() {
    check(1000, moment(), |(text, moment)| {
        assert_eq!(Timestamp::parse(&text), Some(moment));
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
    });
}

#[test]
fn every_moment_that_is_read_can_be_written() {
    let nearly = like(
        "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                  (\\.[0-9]{0,20})?([Zz]|[+-][0-2][0-9]:[0-9]{2})?",
    );
    check(800, prop_oneof![text(), nearly], |text| {
        if let Some(moment) = Timestamp::parse(&text) {
            assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
            assert_eq!(moment.after(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        }
    });
}

/// Countries: calling code, whether a trunk prefix is dialled, and lengths of national numbers.
const COUNTRIES: [(&str, &str, bool, &[usize]); 7] = [
    ("AE", "971", true, &[8, 9]),
    ("ID", "62", true, &[7, 8, 9, 10, 11, 12]),
    ("IN", "91", true, &[10, 11]),
    ("MY", "60", true, &[8, 9, 10]),
    ("PH", "63", true, &[8, 9, 10]),
    ("SA", "966", true, &[9, 10]),
    ("SG", "65", false, &[8, 10, 11]),
];

#[test]
fn a_number_of_exotel_is_read_in_every_spelling_of_its_country() {
    let digits = ("[1-9]", vec(0_u8..10, 12));
    let cases = (select(&COUNTRIES[..]), any::<Index>(), digits);
    check(1000, cases, |((iso, code, trunk, lengths), length, (first, rest))| {
        let mut national = first;
        national.extend(rest.iter().map(|digit| char::from(b'0' + digit)));
        national.truncate(*length.get(lengths));
        let expected = format!("+{code}{national}");

        let mut spellings =
            vec![expected.clone(), format!("{code}{national}"), format!("00{code}{national}")];
        if trunk {
            spellings.push(format!("0{national}"));
        }
        // Without a prefix, the number may be read as one with the calling code.
        let ambiguous = national
            .strip_prefix(code)
            .is_some_and(|rest| lengths.contains(&rest.len()) && !rest.starts_with('0'));
        if !ambiguous {
            spellings.push(national);
        }
        let part = json!({ "webhook_tokens": [EXOTEL_TOKEN], "country": iso });
        let secret = ProviderSecret::parse(&json!({ "exotel": part }).to_string()).0;
        let (path, headers) = (format!("/calls/exotel/{EXOTEL_TOKEN}"), HeaderMap::new());
        for spelling in spellings {
            let encoded = form_urlencoded::Serializer::new(String::new())
                .append_pair("CallFrom", &spelling)
                .append_pair("CallTo", &spelling)
                .finish();
            // A plus that is not escaped arrives as a space.
            for query in [encoded.clone(), encoded.replace("%2B", "+")] {
                if query.contains("=+") && !trunk {
                    continue;
                }
                let request =
                    Request { url: "", path: &path, query: &query, headers: &headers, body: b"" };
                let question = admitted(&Method::GET, &request, &secret).unwrap();
                let Ok((caller, called)) = question.parties else { panic!("{iso} {query}") };
                let read = (caller.reveal(), called.as_str());
                assert_eq!(read, (expected.as_str(), expected.as_str()), "{iso} {query}");
            }
        }
    });
}

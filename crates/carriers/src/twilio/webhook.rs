//! Twilio's voice webhook: what it asks when someone dials one of its numbers,
//! how the request proves to be Twilio's, and the `TwiML` it is answered with.
//!
//! The signature is the base64 form of an HMAC-SHA1 under the account's auth
//! token, over the URL and then the form's sorted keys and values, with nothing
//! between them. Source: the validators in Twilio's own client libraries.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use masking::{CallerId, Invalid, Number, Phone};
use sha1::Sha1;

use crate::question::{Question, call_id};
use crate::secret::{Secret, Tokens};

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";

/// The content type of every answer.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// A form's keys and values in the order in which they are signed: sorted, and
/// what is repeated word for word counts once.
type Fields<'a> = BTreeSet<(Cow<'a, str>, Cow<'a, str>)>;

/// Whether the request was signed with one of the account's auth tokens. The URL
/// is the one that Twilio was given, with path and query as they came over the
/// wire; the body is the raw one. Without this, anyone could ask.
pub fn is_signed(auth_tokens: &Tokens, url: &str, body: &[u8], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let fields: Fields<'_> = form_urlencoded::parse(body).collect();
    let urls = spellings(url);
    auth_tokens.iter().any(|token| urls.iter().any(|url| signs(token, url, &fields, &signature)))
}

fn signs(token: &Secret, url: &str, fields: &Fields<'_>, signature: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.reveal().as_bytes()) else {
        return false;
    };
    mac.update(url.as_bytes());
    for (key, value) in fields {
        mac.update(key.as_bytes());
        mac.update(value.as_bytes());
    }
    // Compares in constant time.
    mac.verify_slice(signature).is_ok()
}

/// The ways in which Twilio may have written the URL that it signed: it is not
/// consistent about ports, and it escapes the apostrophe of a query.
fn spellings(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    };
    let standard_port = if scheme == "http" { 80 } else { 443 };
    let authorities = [authority.to_owned(), host.to_owned(), format!("{host}:{standard_port}")];

    let escaped = path
        .split_once('?')
        .map(|(path, query)| format!("{path}?{}", query.replace('\'', "%27")))
        .filter(|escaped| escaped != path);
    let paths = [Some(path.to_owned()), escaped];

    paths
        .iter()
        .flatten()
        .flat_map(|path| authorities.iter().map(move |host| format!("{scheme}://{host}{path}")))
        .collect()
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads what Twilio asks from the webhook's form, once its signature was checked.
pub fn question(body: &[u8]) -> Question {
    let value = |name: &str| {
        form_urlencoded::parse(body).find_map(|(key, value)| (key == name).then_some(value))
    };
    let caller = value("From").unwrap_or_default();
    let called = value("To").unwrap_or_default();
    Question {
        caller: CallerId::parse(&caller).map_err(|e| Invalid::new("From", e.to_string())),
        called: called.parse::<Number>().map_err(|e| Invalid::new("To", e.to_string())),
        call_id: call_id(value("CallSid").as_deref()),
    }
}

/// The answer that rings a phone and shows it a number.
///
/// The number to show is always named: left out, the caller's own would be shown.
/// The caller's call counts as answered when the phone is picked up, not before.
pub fn connect(connect_to: &Phone, caller_id: &Number) -> String {
    // Both are `+` and digits: nothing to escape.
    respond(&format!(
        r#"<Dial callerId="{caller_id}" answerOnBridge="true"><Number>{}</Number></Dial>"#,
        connect_to.reveal()
    ))
}

/// The answer to whoever can't be connected; it does not say why.
pub fn not_connected() -> String {
    say("This number can not be reached from your phone.")
}

/// The answer while nobody can be connected.
pub fn try_again() -> String {
    say("Your call can not be connected at the moment. Please try again in a minute.")
}

fn say(sentence: &str) -> String {
    respond(&format!("<Say>{sentence}</Say><Hangup/>"))
}

fn respond(verbs: &str) -> String {
    format!(r#"<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ProviderSecret;

    /// The URL and the token of the vectors that Twilio publishes.
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const TOKEN: &str = "12345";
    const CALL: &[(&str, &str)] = &[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];
    const CALL_SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

    const OWN_URL: &str = "https://mask.example.com/v1/hooks/twilio/voice?pool=in-1";
    const OWN_TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(tokens: &[&str]) -> Tokens {
        let secret = serde_json::json!({ "twilio": { "auth_tokens": tokens } });
        ProviderSecret::parse(&secret.to_string()).0.twilio_webhook.unwrap()
    }

    fn form(fields: &[(&str, &str)]) -> Vec<u8> {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
    }

    #[track_caller]
    fn check(token: &str, url: &str, fields: &[(&str, &str)], signature: &str) {
        assert!(is_signed(&tokens(&[token]), url, &form(fields), signature), "{url}");
    }

    fn own_call(caller: &str) -> Vec<u8> {
        form(&[
            ("AccountSid", "AC00000000000000000000000000000000"),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", "CA00000000000000000000000000000001"),
            ("CallStatus", "ringing"),
            ("Called", "+14155550100"),
            ("CalledCountry", "US"),
            ("Caller", caller),
            ("CallerCity", ""),
            ("CallerCountry", "IN"),
            ("CallerName", "José & Søn"),
            ("Direction", "inbound"),
            ("From", caller),
            ("To", "+14155550100"),
        ])
    }

    #[test]
    fn takes_every_way_in_which_the_url_is_signed() {
        check(TOKEN, URL, CALL, CALL_SIGNATURE);
        // Signed with and without the port, whichever way the request came.
        for url in [URL, &URL.replace(".com", ".com:443")] {
            check(TOKEN, url, CALL, CALL_SIGNATURE);
            check(TOKEN, url, CALL, "kvajT1Ptam85bY51eRf/AJRuM3w=");
        }
        let http = URL.replace("https", "http");
        check(TOKEN, &http, CALL, "0ZXoZLH/DfblKGATFgpif+LLRf4=");
        check(TOKEN, &http.replace(".com", ".com:80"), CALL, "0ZXoZLH/DfblKGATFgpif+LLRf4=");
        let odd_port = http.replace(".com", ".com:1234");
        check(TOKEN, &odd_port, CALL, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=");
        check(TOKEN, &URL.replace(".com", ".com:1234"), CALL, CALL_SIGNATURE);
    }

    #[test]
    fn takes_a_url_with_user_and_password() {
        let both = URL.replace("//", "//user:pass@");
        check(TOKEN, &both, CALL, "CukzLTc1tT5dXEDIHm/tKBanW10=");
        check(TOKEN, &both, CALL, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=");
        check(TOKEN, &URL.replace("//", "//user@"), CALL, "2YRLlVAflCqxaNicjMpJcSTgzSs=");
    }

    #[test]
    fn takes_a_query_whose_apostrophe_was_escaped() {
        let url = format!("{URL}&Body=It's+amazing");
        check(TOKEN, &url, CALL, "TfZzewPq8wqrGlMfyAud8+/IvJ0=");
    }

    #[test]
    fn a_repeated_value_counts_once() {
        let fields = [
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ];
        check(TOKEN, URL, &fields, "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
        let fields = [
            ("MessagingBinding.Address", "+1325xxxxxxx"),
            ("MessagingBinding.Address", "+1415xxxxxxx"),
        ];
        check(TOKEN, URL, &fields, "83O6e2vORAoJHUNzJjDWN1jz+BA=");
    }

    #[test]
    fn takes_what_twilios_own_library_signs() {
        let tokens = tokens(&[OWN_TOKEN]);
        let call = own_call("+919812345678");
        assert!(is_signed(&tokens, OWN_URL, &call, "W6XQy8YVoCV50JgijkQ5BXlDY4I="));
        let hidden = own_call("+266696687");
        assert!(is_signed(&tokens, OWN_URL, &hidden, "UBL5mxXN4Q1eho+jrzdhfpjeikE="));
        let get = "https://mask.example.com/v1/hooks/twilio/voice\
                   ?CallSid=CA1&From=%2B919812345678&To=%2B14155550100";
        assert!(is_signed(&tokens, get, b"", "pDL3ZFld+qjEaVkB/E91lyxl5WQ="));
    }

    #[test]
    fn refuses_a_request_of_which_anything_was_changed() {
        let token = tokens(&[TOKEN]);
        let refused = |url: &str, fields: &[(&str, &str)], signature: &str| {
            assert!(!is_signed(&token, url, &form(fields), signature), "{url} {signature}");
        };
        for i in 0..CALL.len() {
            let mut changed = CALL.to_vec();
            changed[i].1 = "+14155550199";
            refused(URL, &changed, CALL_SIGNATURE);
            changed.remove(i);
            refused(URL, &changed, CALL_SIGNATURE);
        }
        refused(URL, &[CALL, &[("Forged", "")]].concat(), CALL_SIGNATURE);
        refused(URL, &[CALL, &[("To", "+14155550199")]].concat(), CALL_SIGNATURE);
        refused(URL, &[], CALL_SIGNATURE);
        for url in [
            "https://mycompany.com/other.php?foo=1&bar=2",
            "https://mycompany.com/myapp.php?foo=1&bar=3",
            "https://mycompany.com/myapp.php?bar=2&foo=1",
            "https://mycompany.com/myapp.php",
            "https://other.com/myapp.php?foo=1&bar=2",
            "http://mycompany.com/myapp.php?foo=1&bar=2",
            "mycompany.com",
            "",
        ] {
            refused(url, CALL, CALL_SIGNATURE);
        }
        for signature in
            ["", "=", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "RSOYDg=="]
        {
            refused(URL, CALL, signature);
        }
    }

    #[test]
    fn any_token_of_the_account_signs_and_no_other() {
        let signed = |list: &[&str]| is_signed(&tokens(list), URL, &form(CALL), CALL_SIGNATURE);
        assert!(signed(&[TOKEN, "new"]) && signed(&["new", TOKEN]));
        assert!(!signed(&["new"]) && !signed(&["123456"]));
    }

    #[test]
    fn reads_caller_number_and_call() {
        let question = question(&own_call("+919812345678"));
        let (caller, called) = question.parties().unwrap();
        assert_eq!((caller.reveal(), called.as_str()), ("+919812345678", "+14155550100"));
        assert_eq!(question.call_id.as_deref(), Some("CA00000000000000000000000000000001"));
    }

    #[test]
    fn a_hidden_caller_is_nobody() {
        for from in ["+266696687", "+7378742833", "", "anonymous", "Restricted", "client:ann"] {
            let question = question(&own_call(from));
            assert_eq!(question.caller, Ok(CallerId::Withheld), "{from}");
            assert!(question.parties().is_none());
        }
        assert_eq!(question(b"").caller, Ok(CallerId::Withheld));
    }

    #[test]
    fn what_is_no_number_is_told_by_its_field() {
        let question = question(&form(&[("From", "+12"), ("To", "sip:+14155550100@example.com")]));
        let told = [question.caller.unwrap_err().field, question.called.unwrap_err().field];
        assert_eq!(told, ["From", "To"]);
    }

    #[test]
    fn connects_with_the_number_to_show() {
        assert_eq!(
            connect(&"+6281333334444".parse().unwrap(), &"+622150001".parse().unwrap()),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Dial callerId=\"+622150001\" answerOnBridge=\"true\"><Number>+6281333334444</Number></Dial>\
             </Response>"
        );
    }

    #[test]
    fn whoever_is_not_connected_hears_a_sentence() {
        for answer in [not_connected(), try_again()] {
            assert!(answer.contains("<Response><Say>"), "{answer}");
            assert!(answer.ends_with("</Say><Hangup/></Response>"), "{answer}");
        }
        assert_ne!(not_connected(), try_again());
    }
}

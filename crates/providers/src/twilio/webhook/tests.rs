//! Tests with the vectors that Twilio publishes, with signatures of Twilio's own library,
//! and with requests that were changed after signing.

use http::{HeaderMap, HeaderName, HeaderValue};
use masking::Timestamp;

use super::*;

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
    // Not through the secret, which takes no token as short as the published one.
    Tokens::new(tokens.iter().map(|token| Credential::new(token)).collect()).unwrap()
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
fn every_way_to_sign_the_url_is_accepted() {
    check(TOKEN, URL, CALL, CALL_SIGNATURE);
    // Twilio signs with or without the port, however the request was sent.
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
fn a_url_with_user_and_password_is_accepted() {
    let both = URL.replace("//", "//user:pass@");
    check(TOKEN, &both, CALL, "CukzLTc1tT5dXEDIHm/tKBanW10=");
    check(TOKEN, &both, CALL, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=");
    check(TOKEN, &URL.replace("//", "//user@"), CALL, "2YRLlVAflCqxaNicjMpJcSTgzSs=");
}

#[test]
fn a_query_with_an_escaped_apostrophe_is_accepted() {
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
fn signatures_of_twilios_own_library_are_accepted() {
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
fn a_request_that_was_changed_after_signing_is_refused() {
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
fn only_tokens_of_the_account_sign() {
    let signed = |list: &[&str]| is_signed(&tokens(list), URL, &form(CALL), CALL_SIGNATURE);
    assert!(signed(&[TOKEN, "new"]) && signed(&["new", TOKEN]));
    assert!(!signed(&["new"]) && !signed(&["123456"]));
}

#[test]
fn only_a_signature_admits_a_request() {
    const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
    let on = ProviderSecret { twilio: Some(tokens(&[TOKEN])), ..ProviderSecret::default() };
    let off = ProviderSecret::default();
    let no_form = Refusal::Unreadable(Invalid::new("body", "must be a form"));
    for (secret, signature, content_type, refusal) in [
        (&on, Some(CALL_SIGNATURE), FORM, None),
        (&on, None, FORM, Some(Refusal::Unsigned)),
        (&on, None, "text/plain", Some(Refusal::Unsigned)),
        (&on, Some("é"), FORM, Some(Refusal::Unsigned)),
        (&on, Some(CALL_SIGNATURE), "text/plain", Some(no_form.clone())),
        (&on, Some("AAAA"), FORM, Some(Refusal::Mismatch)),
        (&off, Some(CALL_SIGNATURE), FORM, Some(Refusal::Off)),
        (&off, Some(CALL_SIGNATURE), "", Some(no_form)),
    ] {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        if let Some(signature) = signature {
            let name = HeaderName::from_static(SIGNATURE_HEADER);
            headers.insert(name, HeaderValue::from_bytes(signature.as_bytes()).unwrap());
        }
        let body = form(CALL);
        let (path, query) = (ROUTE.path(), "");
        let request = Request { url: URL, path, query, headers: &headers, body: &body };
        let question = Twilio.admit(&request, secret);
        assert_eq!(question.err(), refusal, "{signature:?} {content_type}");
    }
}

#[test]
fn reads_caller_number_and_call() {
    let question = question(&own_call("+919812345678"));
    let (caller, called) = question.parties.unwrap();
    assert_eq!((caller.reveal(), called.as_str()), ("+919812345678", "+14155550100"));
    let plain = CallId::Plain("CA00000000000000000000000000000001".to_owned());
    assert_eq!(question.call_id, Some(plain));
}

#[test]
fn a_hidden_caller_gives_no_parties() {
    for from in ["+266696687", "+7378742833", "", "anonymous", "Restricted", "client:ann"] {
        assert_eq!(question(&own_call(from)).parties, Err(NoParties::Withheld), "{from}");
    }
    let nothing = Question { parties: Err(NoParties::Withheld), call_id: None };
    assert_eq!(question(b""), nothing);
}

#[test]
fn an_unreadable_number_is_not_called_withheld() {
    let right = [("From", "+919812345678"), ("To", "+14155550100")];
    assert!(question(&form(&right)).parties.is_ok());
    let sip = "sip:+14155550100@example.com";
    let (caller, called) = (NoParties::CallerMalformed, NoParties::CalledMalformed);
    for (wrong, why) in [
        (("From", "+12"), caller),
        (("From", "12345678"), caller),
        (("To", sip), called),
        (("To", ""), called),
    ] {
        let fields = right.map(|field| if field.0 == wrong.0 { wrong } else { field });
        assert_eq!(question(&form(&fields)).parties, Err(why), "{wrong:?}");
    }
}

#[test]
fn a_connected_call_shows_the_virtual_number() {
    let connect = Answer::Connect {
        connect_to: "+6281333334444".parse().unwrap(),
        shown_number: "+622150001".parse().unwrap(),
        order_id: "o-1".to_owned(),
        expires_at: Timestamp::from_seconds(0),
    };
    let settings =
        CallSettings { ring_seconds: 25, max_call_seconds: 600, ..CallSettings::default() };
    let answer = Twilio.answer(&connect, &settings, "https://calls.example.com");
    assert_eq!((answer.status.as_u16(), answer.content_type), (200, "text/xml; charset=utf-8"));
    assert_eq!(
        answer.body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
         <Dial callerId=\"+622150001\" timeout=\"25\" timeLimit=\"600\" answerOnBridge=\"true\">\
         <Number statusCallback=\"https://calls.example.com/calls/twilio/ended?order=o-1\" \
         statusCallbackMethod=\"POST\" statusCallbackEvent=\"completed\">+6281333334444</Number></Dial>\
         </Response>"
    );
}

#[test]
fn a_rejected_caller_hears_a_sentence() {
    for (reason, words) in [
        (Reason::Ended, "This number can not be reached from your phone."),
        (Reason::NoRoute, "This number can not be reached from your phone."),
        (Reason::CallerHidden, "This number can not be reached from your phone."),
        (
            Reason::Unavailable,
            "Your call can not be connected at the moment. Please try again in a minute.",
        ),
    ] {
        let answer = Twilio.answer(&Answer::Reject(reason), &CallSettings::default(), "");
        let sentence = format!("<Response><Say>{words}</Say><Hangup/></Response>");
        assert!(answer.status == 200 && answer.body.ends_with(&sentence), "{}", answer.body);
    }
}

#[test]
fn a_sentence_is_said_or_played_with_everything_escaped() {
    let say = Sentence::Say {
        text: "\"Tidak\" & <Hangup/> 'ada'".to_owned(),
        language: Some("id-ID".to_owned()),
        voice: Some("\"><Dial>".to_owned()),
    };
    assert_eq!(
        hang_up(&say),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
         <Say language=\"id-ID\" voice=\"&quot;&gt;&lt;Dial&gt;\">\
         &quot;Tidak&quot; &amp; &lt;Hangup/&gt; &apos;ada&apos;</Say><Hangup/></Response>"
    );
    let play = hang_up(&Sentence::Play("https://example.com/a?b=1&c=2".to_owned()));
    assert!(play.contains("<Play>https://example.com/a?b=1&amp;c=2</Play><Hangup/>"), "{play}");
}

//! Twilio's voice webhook: the question that it asks when someone dials one of its
//! numbers, the signature that proves that Twilio asks, and the `TwiML` answer.
//!
//! The signature is the base64 form of an HMAC-SHA1 with the account's auth token as its
//! key, over the URL followed by the form's sorted keys and values, without separators.
//! Source: the validators in Twilio's own client libraries.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use masking::{Answer, CallSettings, CallingParty, Invalid, Number, Phone, Reason, Sentence};
use sha1::Sha1;

use super::secret::{ORDER, REPORT_ROUTE, ROUTE};
use crate::call_id::CallId;
use crate::credential::{Credential, Tokens};
use crate::question::{NoParties, Question};
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Reply, Request, Webhook};

/// The voice webhook.
#[derive(Debug)]
pub(crate) struct Twilio;

/// The header that carries the signature.
const SIGNATURE_HEADER: &str = "x-twilio-signature";

/// A form's keys and values as they are signed: sorted, and exact repetitions counted
/// once.
type Fields<'a> = BTreeSet<(Cow<'a, str>, Cow<'a, str>)>;

impl Webhook for Twilio {
    fn route(&self) -> Route {
        ROUTE
    }

    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Question, Refusal> {
        proves(request, secret)?;
        Ok(question(request.body))
    }

    fn answer(&self, answer: &Answer, settings: &CallSettings, base_url: &str) -> Reply {
        let twiml = match answer {
            Answer::Connect { connect_to, shown_number, order_id, .. } => {
                let reports = format!("{base_url}{}?{ORDER}={order_id}", REPORT_ROUTE.path());
                connect(connect_to, shown_number, settings, &reports)
            }
            Answer::Reject(Reason::Unavailable) => hang_up(&settings.sentences.try_again),
            // The caller does not learn the reason.
            Answer::Reject(_) => hang_up(&settings.sentences.not_connected),
        };
        Reply::ok("text/xml; charset=utf-8", twiml)
    }
}

/// Checks that a request is a form that Twilio signed.
pub(super) fn proves(request: &Request<'_>, secret: &ProviderSecret) -> Result<(), Refusal> {
    let signature = request.header(SIGNATURE_HEADER).ok_or(Refusal::Unsigned)?;
    // The signature covers the fields of a form, so nothing but a form can be checked.
    let content_type = request.header(CONTENT_TYPE).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::Unreadable(Invalid::new("body", "must be a form")));
    }
    let auth_tokens = secret.twilio.as_ref().ok_or(Refusal::Off)?;
    let is_signed = is_signed(auth_tokens, request.url, request.body, signature);
    if is_signed { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// Whether the request was signed with one of the account's auth tokens. `url` is the
/// URL that Twilio was configured with, with path and query as received; `body` is the
/// raw body. Without this check, anyone could ask.
fn is_signed(auth_tokens: &Tokens, url: &str, body: &[u8], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let fields: Fields<'_> = form_urlencoded::parse(body).collect();
    let urls = spellings(url);
    auth_tokens.iter().any(|token| urls.iter().any(|url| signs(token, url, &fields, &signature)))
}

fn signs(token: &Credential, url: &str, fields: &Fields<'_>, signature: &[u8]) -> bool {
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

/// The ways in which Twilio may have written the URL that it signed. Twilio is not
/// consistent about ports, and escapes apostrophes in the query.
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

/// Reads the question from the form of a request whose signature was checked.
fn question(body: &[u8]) -> Question {
    let value = |name: &str| {
        form_urlencoded::parse(body).find_map(|(key, value)| (key == name).then_some(value))
    };
    let caller = CallingParty::parse(&value("From").unwrap_or_default());
    let called = value("To").unwrap_or_default().parse::<Number>();
    let parties = NoParties::pair(caller.ok(), called.ok());
    Question { parties, call_id: value("CallSid").as_deref().and_then(CallId::read) }
}

/// The answer that rings a phone and shows it a number.
///
/// It always names the number to show: without it, Twilio would show the caller's own.
/// `answerOnBridge` leaves the caller's call unanswered until the phone is picked up.
/// `reports` is the address at which Twilio says what became of the call.
fn connect(
    connect_to: &Phone,
    shown_number: &Number,
    settings: &CallSettings,
    reports: &str,
) -> String {
    let CallSettings { ring_seconds, max_call_seconds, .. } = settings;
    let connect_to = connect_to.reveal();
    let reports = escaped(reports);
    // The numbers are `+` and digits: nothing to escape.
    respond(&format!(
        r#"<Dial callerId="{shown_number}" timeout="{ring_seconds}" timeLimit="{max_call_seconds}" answerOnBridge="true"><Number statusCallback="{reports}" statusCallbackMethod="POST" statusCallbackEvent="completed">{connect_to}</Number></Dial>"#,
    ))
}

/// The answer that says or plays a sentence and hangs up.
fn hang_up(sentence: &Sentence) -> String {
    let attribute = |name, value: &Option<String>| {
        value.as_ref().map(|value| format!(r#" {name}="{}""#, escaped(value))).unwrap_or_default()
    };
    let verb = match sentence {
        Sentence::Say { text, language, voice } => format!(
            "<Say{}{}>{}</Say>",
            attribute("language", language),
            attribute("voice", voice),
            escaped(text)
        ),
        Sentence::Play(url) => format!("<Play>{}</Play>", escaped(url)),
    };
    respond(&format!("{verb}<Hangup/>"))
}

/// A text as it is written in XML, between tags or in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

fn respond(verbs: &str) -> String {
    format!(r#"<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>"#)
}

#[cfg(test)]
mod tests;

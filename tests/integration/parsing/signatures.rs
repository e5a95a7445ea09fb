//! Properties of Twilio's signatures.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::Index;
use providers::{ProviderSecret, Request};
use serde_json::json;

use super::cases::{admitted, check};
use super::inputs::like;

type Form = BTreeMap<String, String>;

fn is_signed(token: &str, url: &str, form: &Form, signature: &str) -> bool {
    let secret = json!({ "twilio": { "auth_tokens": [token] } });
    let secret = ProviderSecret::parse(&secret.to_string()).0;
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let Ok(signature) = HeaderValue::from_str(signature) else { return false };
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-twilio-signature"), signature),
        (
            HeaderName::from_static("content-type"),
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        ),
    ]);
    let (path, query, body) = ("/calls/twilio", "", body.as_bytes());
    let request = Request { url, path, query, headers: &headers, body };
    admitted(&Method::POST, &request, &secret).is_ok()
}

/// A URL in its parts: authority without port, port, path and query.
fn url() -> impl Strategy<Value = (String, String, String)> {
    (
        like("https?://[a-z0-9.-]{1,20}"),
        like("(:[1-9][0-9]{1,4})?"),
        like("(/[a-zA-Z0-9._~%-]{0,9}){0,3}/(\\?[a-zA-Z0-9=&%+'-]{1,20})?"),
    )
}

#[test]
fn a_signature_is_valid_only_for_the_url_form_and_token_that_it_was_made_for() {
    let form = btree_map(like("[a-zA-Z]{0,12}|\\PC{0,12}"), like("\\PC{0,20}"), 0..6);
    let change = (any::<Index>(), any::<Index>(), 1_u8..128);
    check(150, (url(), form, like("[0-9a-f]{16,40}"), change), |(url, form, token, change)| {
        let (host, port, path) = url;
        let url = format!("{host}{port}{path}");
        let fields: Vec<(&str, &str)> =
            form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let signature = support::twilio::signature(&token, &url, &fields);
        assert!(is_signed(&token, &url, &form, &signature));

        // Twilio signs a port and an apostrophe in the query in more than one way.
        let (before_query, query) = path.split_once('?').unwrap_or((&path, ""));
        assert!(is_signed(&token, &format!("{host}:8443{path}"), &form, &{
            support::twilio::signature(&token, &format!("{host}{path}"), &fields)
        }));
        if !query.is_empty() {
            let escaped = format!("{host}{port}{before_query}?{}", query.replace('\'', "%27"));
            let signature = support::twilio::signature(&token, &escaped, &fields);
            assert!(is_signed(&token, &url, &form, &signature));
        }

        let (at, which, bits) = change;
        for (start, part) in [(0, &host), (host.len() + port.len(), &path)] {
            let at = start + at.index(part.len());
            let Some(changed) = with_another_byte(&url, at, bits) else { continue };
            assert!(!is_signed(&token, &changed, &form, &signature), "{changed}");
        }
        let changed = with_another_byte(&signature, at.index(signature.len()), bits);
        if let Some(changed) = changed {
            assert!(!is_signed(&token, &url, &form, &changed), "{changed}");
        }
        let changed = with_another_byte(&token, at.index(token.len()), bits);
        if let Some(changed) = changed {
            assert!(!is_signed(&changed, &url, &form, &signature), "{changed}");
        }
        if form.is_empty() {
            return;
        }
        let (key, value) = fields[which.index(fields.len())];
        let mut removed = form.clone();
        removed.remove(key);
        let mut others = vec![];
        if !(key.is_empty() && value.is_empty()) {
            others.push(removed.clone());
        }
        if let Some(changed) = with_another_byte(key, at.index(key.len().max(1)), bits)
            && !form.contains_key(&changed)
        {
            let mut other = removed.clone();
            other.insert(changed, value.to_owned());
            others.push(other);
        }
        if let Some(changed) = with_another_byte(value, at.index(value.len().max(1)), bits) {
            let mut other = removed;
            other.insert(key.to_owned(), changed);
            others.push(other);
        }
        for other in others {
            assert!(!is_signed(&token, &url, &other, &signature), "{other:?}");
        }
    });
}

/// The text with some bits of one byte flipped. None if the result is not UTF-8.
fn with_another_byte(text: &str, at: usize, bits: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    *bytes.get_mut(at)? ^= bits;
    String::from_utf8(bytes).ok()
}

//! Reads the fields of the provider secret and the rental secret. An error names the field
//! and a reason, never the value.

use masking::{Invalid, field};
use reqwest::Url;
use serde_json::{Map, Value};

use crate::credential::{Credential, Tokens};
use crate::route::Route;

/// The fields of a JSON object.
pub(crate) type Fields = Map<String, Value>;

/// A part of a secret: its name, and the names of its fields.
pub(crate) type Part = (&'static str, &'static [&'static str]);

/// The length of the shortest token that is accepted. What is shorter is no random token
/// but a word that somebody can guess.
const SHORTEST_TOKEN: usize = 16;

/// Returns what was read. If it can't be read, notes the problem and keeps the last value.
pub(crate) fn or_last<T: Clone>(
    read: Result<Option<T>, Invalid>,
    last: Option<&T>,
    problems: &mut Vec<Invalid>,
) -> Option<T> {
    read.unwrap_or_else(|invalid| {
        problems.push(invalid);
        last.cloned()
    })
}

/// Reads a provider's object with `read`; `None` if the object is not filled in.
pub(crate) fn part<T>(
    fields: &Fields,
    name: &str,
    read: impl FnOnce(&Fields) -> Result<Option<T>, Invalid>,
) -> Result<Option<T>, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(part)) => read(part).map_err(|invalid| invalid.inside(name)),
        Some(_) => Err(Invalid::new(name, "must be a JSON object")),
    }
}

/// Whether none of these fields is filled in.
pub(crate) fn is_absent(part: &Fields, names: &[&str]) -> bool {
    names.iter().all(|name| matches!(part.get(*name), None | Some(Value::Null)))
}

/// The error for a required field that is not filled in.
pub(crate) fn missing(name: &str) -> Invalid {
    Invalid::new(name, "is missing")
}

/// Reads a part's list of tokens. An empty list switches their use off, which is how an
/// operator revokes all of them. A token that is too short is noted and left out.
pub(crate) fn tokens(
    secret: &Fields,
    part_name: &str,
    name: &str,
    route: Route,
    problems: &mut Vec<Invalid>,
) -> Result<Option<Tokens>, Invalid> {
    part(secret, part_name, |part| {
        if is_absent(part, &[name]) {
            return Ok(None);
        }
        let mut tokens = Vec::new();
        for (at, token) in field::list(part, name)?.iter().enumerate() {
            let Value::String(token) = token else {
                return Err(Invalid::new(name, "must hold strings"));
            };
            if token.len() < SHORTEST_TOKEN {
                let reason =
                    format!("has less than 16 characters, and is off on {}", route.as_str());
                problems.push(Invalid::new(format!("{part_name}.{name}[{at}]"), reason));
            } else {
                tokens.push(Credential::new(token));
            }
        }
        Ok(Tokens::new(tokens))
    })
}

/// Notes the parts and fields that the secret does not have. Those of the `other` secret are
/// said to belong there: an operator who mixes the two up finds the way.
pub(crate) fn note_unknown(
    secret: &Fields,
    known: &[Part],
    other: (&str, &[Part]),
    problems: &mut Vec<Invalid>,
) {
    let (other_name, other) = other;
    let mut note = |field: String, moved: bool| {
        let reason = if moved {
            format!("is a field of {other_name}, and is not read here")
        } else {
            "is not known".to_owned()
        };
        problems.push(Invalid::new(field, reason));
    };
    let fields_of = |parts: &[Part], name: &str| {
        parts.iter().find(|part| part.0 == name).map(|part| part.1).unwrap_or_default()
    };
    let parts = known.iter().chain(other).map(|part| part.0);
    let parts: Vec<&str> = parts.collect();
    for (name, value) in secret {
        if !parts.contains(&name.as_str()) {
            note(plausible(name, "(a part)"), false);
            continue;
        }
        let (here, there) = (fields_of(known, name), fields_of(other, name));
        for field in value.as_object().into_iter().flat_map(|part| part.keys()) {
            if !here.contains(&field.as_str()) {
                let moved = there.contains(&field.as_str());
                note(format!("{name}.{}", plausible(field, "(a field)")), moved);
            }
        }
    }
}

/// A name that may be quoted: nothing that somebody has put in the place of a name.
fn plausible(name: &str, otherwise: &str) -> String {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_name = letters && (1..=32).contains(&name.len());
    (if is_name { name } else { otherwise }).to_owned()
}

/// Reads a text that must not be empty.
pub(crate) fn filled<'a>(part: &'a Fields, name: &str) -> Result<&'a str, Invalid> {
    match field::string(part, name)? {
        "" => Err(Invalid::new(name, "must not be empty")),
        text => Ok(text),
    }
}

/// Reads an id that becomes a segment of a URL's path.
pub(crate) fn word(part: &Fields, name: &str) -> Result<String, Invalid> {
    let text = filled(part, name)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new(name, "must be letters, digits, `-` and `_`"))
    }
}

/// Reads the address that an operator sets in place of the provider's own.
pub(crate) fn base_url(part: &Fields) -> Result<Option<Url>, Invalid> {
    field::optional_string(part, "base_url")?.map(|text| url(text, "base_url")).transpose()
}

/// Reads the address of an API. Credentials are sent to it, so it must use HTTPS or be
/// this machine.
pub(crate) fn url(text: &str, name: &str) -> Result<Url, Invalid> {
    let loopback = |url: &Url| {
        matches!(url.host_str(), Some(host)
            if host == "localhost" || host == "[::1]" || host.starts_with("127."))
    };
    Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https" || (url.scheme() == "http" && loopback(url)))
        .filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| Invalid::new(name, "must be an `https` URL with a host and nothing more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_use_https_or_be_this_machine() {
        for (address, good) in [
            ("https://numbers.example.com", true),
            ("http://127.0.0.1:4567", true),
            ("http://localhost:4567/", true),
            ("http://[::1]:4567", true),
            ("http://numbers.example.com", false),
            ("ftp://localhost", false),
            ("http://127.example.com@numbers.example.com", false),
            ("https://user@numbers.example.com", false),
            ("https://:password@numbers.example.com", false),
            ("https://numbers.example.com/path", false),
            ("https://numbers.example.com?query", false),
            ("https://numbers.example.com#fragment", false),
            ("numbers.example.com", false),
        ] {
            assert_eq!(url(address, "base_url").is_ok(), good, "{address}");
        }
    }

    #[test]
    fn a_word_is_safe_in_a_path() {
        let read = |text: &str| {
            let fields = Fields::from_iter([("id".to_owned(), text.into())]);
            word(&fields, "id").map_err(|invalid| invalid.to_string())
        };
        assert_eq!(read("AC_1-b").as_deref(), Ok("AC_1-b"));
        assert_eq!(read("").unwrap_err(), "id: must not be empty");
        for text in ["a/b", "a.b", "a b", "é"] {
            assert_eq!(read(text).unwrap_err(), "id: must be letters, digits, `-` and `_`");
        }
    }
}

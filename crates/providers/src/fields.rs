//! Reads the fields of the provider secret. An error names the field and a reason, never
//! the value.

use masking::{Invalid, field};
use reqwest::Url;
use serde_json::{Map, Value};

use crate::credential::{Credential, Tokens};

/// The fields of a JSON object.
pub(crate) type Fields = Map<String, Value>;

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

/// Reads a list of tokens. An empty list switches their use off, which is how an operator
/// revokes all of them.
pub(crate) fn tokens(part: &Fields, name: &str) -> Result<Option<Tokens>, Invalid> {
    if is_absent(part, &[name]) {
        return Ok(None);
    }
    let token = |value: &Value| match value {
        Value::String(token) if !token.is_empty() => Some(Credential::new(token)),
        _ => None,
    };
    let tokens: Option<Vec<Credential>> = field::list(part, name)?.iter().map(token).collect();
    match tokens {
        Some(tokens) => Ok(Tokens::new(tokens)),
        None => Err(Invalid::new(name, "must hold strings, none of them empty")),
    }
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

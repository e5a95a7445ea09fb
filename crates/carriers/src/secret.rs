//! The provider secret: the credentials of every provider, as one JSON object
//! that the operator fills in part by part. What is missing is switched off.

use std::fmt;
use std::sync::Arc;

use masking::Invalid;
use masking::field;
use reqwest::Url;
use serde_json::{Map, Value};
use subtle::{Choice, ConstantTimeEq};

use crate::exotel::{self, Country};
use crate::twilio;

/// A credential. It can't be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Credentials of which any one is good, so that they can be rotated. Never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Secret>);

/// What the service may do with which provider. Each field stands alone: what is
/// wrong in one harms no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSecret {
    /// The bearer tokens of the switches that ask over plain JSON.
    pub resolve: Option<Tokens>,
    /// The tokens with which Twilio signs its webhooks.
    pub twilio_webhook: Option<Tokens>,
    /// The account that rents numbers from Twilio.
    pub twilio_account: Option<twilio::Account>,
    /// How Exotel's webhooks are recognised and read.
    pub exotel_webhook: Option<exotel::Webhook>,
    /// The account that rents numbers from Exotel.
    pub exotel_account: Option<exotel::Account>,
}

type Fields = Map<String, Value>;

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Tokens {
    /// Whether the given token is one of these. Takes as long for a wrong one as
    /// for a right one; only the length, no secret of a random token, may show.
    pub fn matches_any(&self, given: &str) -> bool {
        let matches = |token: &Secret| token.0.as_bytes().ct_eq(given.as_bytes());
        self.0.iter().map(matches).fold(Choice::from(0), |any, one| any | one).into()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} hidden)", self.0.len())
    }
}

impl ProviderSecret {
    /// Reads the secret for the first time: what can't be read is off. The second
    /// value says what that was, to be logged once; it holds no value of the secret.
    pub fn parse(text: &str) -> (Self, Vec<Invalid>) {
        Self::default().updated(text)
    }

    /// Reads the secret again: what was taken out is off from now on, and what can't
    /// be read stays as it was, so that a slip of the operator cuts off no calls.
    pub fn updated(&self, text: &str) -> (Self, Vec<Invalid>) {
        let fields = match field::object(text, "provider secret") {
            Ok(fields) => fields,
            Err(invalid) => return (self.clone(), vec![invalid]),
        };
        let mut invalid = Vec::new();
        let secret = Self {
            resolve: settle(resolve(&fields), self.resolve.as_ref(), &mut invalid),
            twilio_webhook: settle(
                twilio_webhook(&fields),
                self.twilio_webhook.as_ref(),
                &mut invalid,
            ),
            twilio_account: settle(
                twilio_account(&fields),
                self.twilio_account.as_ref(),
                &mut invalid,
            ),
            exotel_webhook: settle(
                exotel_webhook(&fields),
                self.exotel_webhook.as_ref(),
                &mut invalid,
            ),
            exotel_account: settle(
                exotel_account(&fields),
                self.exotel_account.as_ref(),
                &mut invalid,
            ),
        };
        // Two uses may choke on the same field.
        invalid.dedup();
        (secret, invalid)
    }
}

impl ProviderSecret {
    /// Reads the secret, for the first time or again, and logs what is wrong with it
    /// and which of its uses are off.
    pub fn read(last: Option<&Arc<Self>>, text: &str) -> Arc<Self> {
        let (secret, problems) = last.map_or_else(|| Self::parse(text), |last| last.updated(text));
        for problem in problems {
            tracing::error!(error = %problem, "a part of the provider secret can't be used");
        }
        let off: Vec<&str> = [
            ("POST /calls/resolve", secret.resolve.is_none()),
            ("POST /calls/twilio", secret.twilio_webhook.is_none()),
            ("GET /calls/exotel/{token}", secret.exotel_webhook.is_none()),
            ("renting from Twilio", secret.twilio_account.is_none()),
            ("renting from Exotel", secret.exotel_account.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, off)| off.then_some(name))
        .collect();
        if !off.is_empty() {
            tracing::info!(off = off.join(", "), "the provider secret leaves these off");
        }
        Arc::new(secret)
    }
}

fn settle<T: Clone>(
    read: Result<Option<T>, Invalid>,
    last: Option<&T>,
    problems: &mut Vec<Invalid>,
) -> Option<T> {
    read.unwrap_or_else(|invalid| {
        problems.push(invalid);
        last.cloned()
    })
}

fn resolve(fields: &Fields) -> Result<Option<Tokens>, Invalid> {
    part(fields, "resolve", |part| tokens(part, "tokens"))
}

fn twilio_webhook(fields: &Fields) -> Result<Option<Tokens>, Invalid> {
    part(fields, "twilio", |part| tokens(part, "auth_tokens"))
}

fn twilio_account(fields: &Fields) -> Result<Option<twilio::Account>, Invalid> {
    part(fields, "twilio", |part| {
        if is_absent(part, &["account_sid"]) {
            return Ok(None);
        }
        Ok(Some(twilio::Account {
            account_sid: word(part, "account_sid")?,
            auth_tokens: tokens(part, "auth_tokens")?.ok_or_else(|| missing("auth_tokens"))?,
            base_url: match base_url(part)? {
                Some(url) => url,
                None => url(twilio::API, "base_url")?,
            },
        }))
    })
}

fn exotel_webhook(fields: &Fields) -> Result<Option<exotel::Webhook>, Invalid> {
    part(fields, "exotel", |part| {
        let Some(tokens) = tokens(part, "webhook_tokens")? else { return Ok(None) };
        Ok(Some(exotel::Webhook { tokens, country: country(part)? }))
    })
}

fn exotel_account(fields: &Fields) -> Result<Option<exotel::Account>, Invalid> {
    part(fields, "exotel", |part| {
        if is_absent(part, &["account_sid", "api_key", "api_token", "subdomain", "app_id"]) {
            return Ok(None);
        }
        Ok(Some(exotel::Account {
            account_sid: word(part, "account_sid")?,
            api_key: filled(part, "api_key")?.to_owned(),
            api_token: Secret(filled(part, "api_token")?.to_owned()),
            app_id: word(part, "app_id")?,
            country: country(part)?,
            base_url: match base_url(part)? {
                Some(url) => url,
                None => host(part, "subdomain")?,
            },
        }))
    })
}

/// Reads a provider's object; none is one that was not filled in.
fn part<T>(
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

fn is_absent(part: &Fields, names: &[&str]) -> bool {
    names.iter().all(|name| matches!(part.get(*name), None | Some(Value::Null)))
}

fn missing(name: &str) -> Invalid {
    Invalid::new(name, "is missing")
}

/// Reads a list of tokens. An empty one switches off: it is how all are revoked.
fn tokens(part: &Fields, name: &str) -> Result<Option<Tokens>, Invalid> {
    if is_absent(part, &[name]) {
        return Ok(None);
    }
    let token = |value: &Value| match value {
        Value::String(token) if !token.is_empty() => Some(Secret(token.clone())),
        _ => None,
    };
    let tokens: Option<Vec<Secret>> = field::list(part, name)?.iter().map(token).collect();
    match tokens {
        Some(tokens) if tokens.is_empty() => Ok(None),
        Some(tokens) => Ok(Some(Tokens(tokens))),
        None => Err(Invalid::new(name, "must hold strings, none of them empty")),
    }
}

fn filled<'a>(part: &'a Fields, name: &str) -> Result<&'a str, Invalid> {
    match field::string(part, name)? {
        "" => Err(Invalid::new(name, "must not be empty")),
        text => Ok(text),
    }
}

/// Reads an id that becomes a part of a path.
fn word(part: &Fields, name: &str) -> Result<String, Invalid> {
    let text = filled(part, name)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new(name, "must be letters, digits, `-` and `_`"))
    }
}

fn host(part: &Fields, name: &str) -> Result<Url, Invalid> {
    let host = filled(part, name)?;
    if host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        url(&format!("https://{host}"), name)
    } else {
        Err(Invalid::new(name, "must be a host name, such as `api.exotel.com`"))
    }
}

fn country(part: &Fields) -> Result<Country, Invalid> {
    Country::parse(filled(part, "country")?).ok_or_else(|| {
        Invalid::new("country", format!("must be one of {}", Country::known().join(", ")))
    })
}

fn base_url(part: &Fields) -> Result<Option<Url>, Invalid> {
    field::optional_string(part, "base_url")?.map(|text| url(text, "base_url")).transpose()
}

/// Reads the address of an API. Credentials go there: over HTTPS, or to this machine.
fn url(text: &str, name: &str) -> Result<Url, Invalid> {
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

    const FULL: &str = r#"{
        "resolve":{"tokens":["bearer-1","bearer-2"]},
        "twilio":{"account_sid":"AC1","auth_tokens":["auth-1","auth-2"]},
        "exotel":{"account_sid":"shop","api_key":"key-1","api_token":"api-token-1",
                  "subdomain":"api.exotel.com","app_id":"42","country":"IN",
                  "webhook_tokens":["path-1"]}}"#;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) -> ProviderSecret {
        let (secret, invalid) = ProviderSecret::parse(text);
        let told: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
        secret
    }

    #[test]
    fn a_full_secret_switches_everything_on() {
        let secret = check(FULL, &[]);
        assert!(secret.resolve.is_some() && secret.twilio_webhook.is_some());
        assert_eq!(secret.twilio_account.unwrap().base_url.as_str(), "https://api.twilio.com/");
        assert_eq!(secret.exotel_account.unwrap().base_url.as_str(), "https://api.exotel.com/");
        assert!(secret.exotel_webhook.unwrap().tokens.matches_any("path-1"));
    }

    #[test]
    fn an_empty_secret_switches_everything_off_without_complaint() {
        for text in [
            "{}",
            r#"{"resolve":{},"twilio":{},"exotel":{"country":"IN"}}"#,
            r#"{"resolve":{"tokens":[]},"twilio":null,"exotel":{"webhook_tokens":[]}}"#,
        ] {
            assert_eq!(check(text, &[]), ProviderSecret::default(), "{text}");
        }
    }

    #[test]
    fn calls_are_answered_without_the_credentials_for_buying() {
        let secret = check(
            r#"{"twilio":{"auth_tokens":["a"]},"exotel":{"country":"IN","webhook_tokens":["b"]}}"#,
            &[],
        );
        assert!(secret.twilio_webhook.is_some() && secret.twilio_account.is_none());
        assert!(secret.exotel_webhook.is_some() && secret.exotel_account.is_none());
    }

    #[test]
    fn what_is_wrong_in_one_part_harms_no_other() {
        let secret = check(
            r#"{"resolve":{"tokens":["good"]},"twilio":{"account_sid":"AC1"},
                "exotel":{"account_sid":"shop","country":"IN","webhook_tokens":["path-1"]}}"#,
            &["twilio.auth_tokens: is missing", "exotel.api_key: is missing"],
        );
        assert!(secret.resolve.is_some() && secret.exotel_webhook.is_some());
        assert!(secret.twilio_account.is_none() && secret.exotel_account.is_none());
    }

    #[test]
    fn tells_the_field_and_the_reason_and_no_value() {
        check("secret-7", &["provider secret: must be JSON"]);
        check(r#"{"resolve":"secret-7"}"#, &["resolve: must be a JSON object"]);
        check(
            r#"{"resolve":{"tokens":["secret-7",""]}}"#,
            &["resolve.tokens: must hold strings, none of them empty"],
        );
        check(
            r#"{"twilio":{"account_sid":"secret/7","auth_tokens":["secret-7"]}}"#,
            &["twilio.account_sid: must be letters, digits, `-` and `_`"],
        );
        check(
            r#"{"exotel":{"webhook_tokens":["secret-7"],"country":"XX"}}"#,
            &["exotel.country: must be one of AE, ID, IN, MY, PH, SA, SG"],
        );
    }

    #[test]
    fn credentials_are_sent_over_https_or_to_this_machine() {
        for (address, good) in [
            ("https://numbers.example.com", true),
            ("http://127.0.0.1:4567", true),
            ("http://localhost:4567/", true),
            ("http://numbers.example.com", false),
            ("http://127.example.com@numbers.example.com", false),
            ("https://numbers.example.com/path", false),
            ("numbers.example.com", false),
        ] {
            let text = format!(
                r#"{{"twilio":{{"account_sid":"AC1","auth_tokens":["a"],"base_url":"{address}"}}}}"#
            );
            let (secret, invalid) = ProviderSecret::parse(&text);
            assert_eq!(secret.twilio_account.is_some(), good, "{address}");
            assert_eq!(invalid.is_empty(), good, "{address}");
            assert!(secret.twilio_webhook.is_some());
        }
    }

    #[test]
    fn a_slip_keeps_the_last_good_part_and_a_removal_does_not() {
        let (first, _) = ProviderSecret::parse(FULL);
        let (slipped, invalid) = first.updated(r#"{"resolve":{"tokens":"oops"}}"#);
        assert_eq!(invalid.len(), 1);
        assert_eq!(
            slipped,
            ProviderSecret { resolve: first.resolve.clone(), ..Default::default() }
        );

        let (same, invalid) = first.updated("not JSON");
        assert_eq!((same, invalid.len()), (first.clone(), 1));

        let (revoked, invalid) = first.updated(r#"{"resolve":{"tokens":[]}}"#);
        assert_eq!((revoked, invalid.len()), (ProviderSecret::default(), 0));
    }

    #[test]
    fn any_token_of_a_list_is_good_and_nothing_else_is() {
        let tokens = check(FULL, &[]).resolve.unwrap();
        assert!(tokens.matches_any("bearer-1") && tokens.matches_any("bearer-2"));
        for wrong in ["", "bearer-", "bearer-3", "bearer-11", "BEARER-1", "bearer-1,bearer-2"] {
            assert!(!tokens.matches_any(wrong), "{wrong}");
        }
    }

    #[test]
    fn no_credential_is_printed() {
        let printed = format!("{:?}", check(FULL, &[]));
        for hidden in ["bearer-", "auth-", "api-token", "key-1", "path-"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
}

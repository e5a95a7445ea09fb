//! Exotel's part of the provider secret: `{"webhook_tokens":["…"],"country":"IN",
//! "account_sid":"…","api_key":"…","api_token":"…","subdomain":"…","app_id":"…"}`.

use std::fmt;

use masking::Invalid;
use reqwest::Url;

use super::country::Country;
use crate::credential::{Credential, Tokens};
use crate::fields::{Fields, base_url, filled, is_absent, or_last, part, tokens, url, word};
use crate::route::Route;

/// The route that the path tokens switch on.
pub(crate) const ROUTE: Route = Route::new("GET /calls/exotel/{token}");

/// The contents of the secret for Exotel. An error in one field does not affect the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// How Exotel's webhook is recognised and read.
    pub webhook: Option<Applet>,
    /// The account that rents numbers.
    pub account: Option<Account>,
}

/// The tokens of the applet's requests, and the country of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applet {
    /// The path tokens. Exotel signs nothing, so the address itself is the secret.
    pub(crate) tokens: Tokens,
    /// The country of the national numbers that Exotel sends.
    pub(crate) country: Country,
}

/// The account that rents numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's id.
    pub(crate) sid: String,
    /// The user name of the API.
    pub(crate) api_key: String,
    /// The password of the API.
    pub(crate) api_token: Credential,
    /// The flow that bought numbers are put on.
    pub(crate) app_id: String,
    /// The country of national numbers for which the API names no country.
    pub(crate) country: Country,
    /// The address of the API.
    pub(crate) base_url: Url,
}

/// Hides the API key too, which is half of the credentials.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("sid", &self.sid)
            .field("app_id", &self.app_id)
            .field("country", &self.country)
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

impl Credentials {
    pub(crate) fn read(fields: &Fields, last: &Self, problems: &mut Vec<Invalid>) -> Self {
        let webhook = part(fields, "exotel", applet);
        let account = part(fields, "exotel", account);
        Self {
            webhook: or_last(webhook, last.webhook.as_ref(), problems),
            account: or_last(account, last.account.as_ref(), problems),
        }
    }
}

fn applet(part: &Fields) -> Result<Option<Applet>, Invalid> {
    let Some(tokens) = tokens(part, "webhook_tokens")? else { return Ok(None) };
    Ok(Some(Applet { tokens, country: country(part)? }))
}

fn account(part: &Fields) -> Result<Option<Account>, Invalid> {
    if is_absent(part, &["account_sid", "api_key", "api_token", "subdomain", "app_id"]) {
        return Ok(None);
    }
    Ok(Some(Account {
        sid: word(part, "account_sid")?,
        api_key: filled(part, "api_key")?.to_owned(),
        api_token: Credential::new(filled(part, "api_token")?),
        app_id: word(part, "app_id")?,
        country: country(part)?,
        base_url: match base_url(part)? {
            Some(url) => url,
            None => host(part, "subdomain")?,
        },
    }))
}

fn country(part: &Fields) -> Result<Country, Invalid> {
    Country::parse(filled(part, "country")?).ok_or_else(|| {
        Invalid::new("country", format!("must be one of {}", Country::known().join(", ")))
    })
}

fn host(part: &Fields, name: &str) -> Result<Url, Invalid> {
    let host = filled(part, name)?;
    if host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        url(&format!("https://{host}"), name)
    } else {
        Err(Invalid::new(name, "must be a host name, such as `api.exotel.com`"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(account: &serde_json::Value) -> (Credentials, Vec<String>) {
        let text = json!({ "exotel": account }).to_string();
        let fields = masking::field::object(&text, "provider secret").unwrap();
        let mut problems = Vec::new();
        let read = Credentials::read(&fields, &Credentials::default(), &mut problems);
        (read, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn subdomain_or_base_url_gives_the_address_of_the_api() {
        for (name, value, expected) in [
            ("subdomain", "api.exotel.com", Ok("https://api.exotel.com/")),
            ("base_url", "http://localhost:7", Ok("http://localhost:7/")),
            (
                "subdomain",
                "api.exotel.com/v1",
                Err("exotel.subdomain: must be a host name, such as `api.exotel.com`"),
            ),
            ("subdomain", "", Err("exotel.subdomain: must not be empty")),
        ] {
            let mut part = json!({
                "account_sid": "shop", "api_key": "k", "api_token": "t", "app_id": "42",
                "country": "IN",
            });
            part[name] = value.into();
            let (read, problems) = read(&part);
            let url = read.account.as_ref().map(|account| account.base_url.as_str());
            assert_eq!(url.ok_or(problems.join(" ").as_str()), expected);
        }
    }

    #[test]
    fn one_field_of_an_account_requires_all_of_them() {
        for field in ["account_sid", "api_key", "api_token", "subdomain", "app_id"] {
            let (read, problems) = read(&json!({ field: "x" }));
            assert_eq!((read.account, problems.len()), (None, 1), "{field}");
        }
        assert_eq!(read(&json!({ "country": "IN" })), (Credentials::default(), vec![]));
    }
}

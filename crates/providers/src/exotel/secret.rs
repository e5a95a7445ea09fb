//! Exotel's parts of the secrets: `{"webhook_tokens":["…"],"country":"IN"}` in the provider
//! secret, and `{"account_sid":"…","api_key":"…","api_token":"…","subdomain":"…",
//! "app_id":"…","country":"IN"}` in the rental secret.

use std::fmt;

use masking::Invalid;
use reqwest::Url;

use super::country::Country;
use crate::credential::{Credential, Tokens};
use crate::fields::{Fields, base_url, filled, is_absent, part, tokens, url, word};
use crate::route::Route;

/// The route that the path tokens switch on.
pub(crate) const ROUTE: Route = Route::new("GET /calls/exotel/{token}");
/// The route of reports, which they switch on too.
pub(crate) const REPORT_ROUTE: Route = Route::new("GET /calls/exotel/{token}/ended");

/// The name of the part in both secrets.
pub(crate) const PART: &str = "exotel";
/// The fields of the part of the provider secret.
pub(crate) const WEBHOOK_FIELDS: &[&str] = &["webhook_tokens", "country"];
/// The fields of the part of the rental secret.
pub(crate) const ACCOUNT_FIELDS: &[&str] =
    &["account_sid", "api_key", "api_token", "subdomain", "app_id", "country", "base_url"];

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

/// Reads how Exotel's webhook is recognised and read, from the provider secret.
pub(crate) fn webhook(
    secret: &Fields,
    problems: &mut Vec<Invalid>,
) -> Result<Option<Applet>, Invalid> {
    let tokens = tokens(secret, PART, "webhook_tokens", ROUTE, problems)?;
    let Some(tokens) = tokens else { return Ok(None) };
    part(secret, PART, |part| Ok(Some(Applet { tokens, country: country(part)? })))
}

/// Reads the account from the rental secret.
pub(crate) fn account(secret: &Fields) -> Result<Option<Account>, Invalid> {
    part(secret, PART, |part| {
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
    })
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

    fn read(part: &serde_json::Value) -> Result<Option<Account>, String> {
        let text = json!({ "exotel": part }).to_string();
        let fields = masking::field::object(&text, "rental secret").unwrap();
        account(&fields).map_err(|invalid| invalid.to_string())
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
            let read = read(&part).map(|account| account.unwrap().base_url.to_string());
            assert_eq!(read.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn one_field_of_an_account_requires_all_of_them() {
        for field in ["account_sid", "api_key", "api_token", "subdomain", "app_id"] {
            assert!(read(&json!({ field: "x" })).is_err(), "{field}");
        }
        assert_eq!(read(&json!({ "country": "IN" })), Ok(None));
    }
}

//! Twilio's parts of the secrets: `{"auth_tokens":["…"]}` in the provider secret, and
//! `{"account_sid":"AC…","api_key":"SK…","api_secret":"…"}` in the rental secret, where
//! `auth_token` may stand in place of `api_key` and `api_secret`.

use std::fmt;

use masking::Invalid;
use reqwest::Url;

use crate::credential::{Credential, Tokens};
use crate::fields::{Fields, base_url, filled, is_absent, missing, part, tokens, url, word};
use crate::route::Route;

/// The route that the auth tokens switch on.
pub(crate) const ROUTE: Route = Route::new("POST /calls/twilio");
/// The route of reports, which they switch on too.
pub(crate) const REPORT_ROUTE: Route = Route::new("POST /calls/twilio/ended");
/// The name of the order in the query of a report. The signature covers it.
pub(crate) const ORDER: &str = "order";
/// The name of the part in both secrets.
pub(crate) const PART: &str = "twilio";
/// The fields of the part of the provider secret.
pub(crate) const WEBHOOK_FIELDS: &[&str] = &["auth_tokens"];
/// The fields of the part of the rental secret.
pub(crate) const ACCOUNT_FIELDS: &[&str] =
    &["account_sid", "api_key", "api_secret", "auth_token", "base_url"];

/// The address of Twilio's API.
const API: &str = "https://api.twilio.com";

/// The account that rents numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's id, `AC…`.
    pub(crate) sid: String,
    /// The user name of the API: the API key, or the account's id.
    pub(crate) user: String,
    /// The password of the API.
    pub(crate) password: Credential,
    /// The address of the API.
    pub(crate) base_url: Url,
}

/// Hides the user too, which is half of the credentials.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("sid", &self.sid)
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

/// Reads the tokens with which Twilio signs its webhook, from the provider secret.
pub(crate) fn webhook(
    secret: &Fields,
    problems: &mut Vec<Invalid>,
) -> Result<Option<Tokens>, Invalid> {
    tokens(secret, PART, "auth_tokens", ROUTE, problems)
}

/// Reads the account from the rental secret.
pub(crate) fn account(secret: &Fields) -> Result<Option<Account>, Invalid> {
    part(secret, PART, |part| {
        if is_absent(part, &["account_sid", "api_key", "api_secret", "auth_token"]) {
            return Ok(None);
        }
        let sid = word(part, "account_sid")?;
        let (user, password) = if !is_absent(part, &["api_key", "api_secret"]) {
            (filled(part, "api_key")?.to_owned(), filled(part, "api_secret")?)
        } else if !is_absent(part, &["auth_token"]) {
            (sid.clone(), filled(part, "auth_token")?)
        } else {
            return Err(missing("api_key"));
        };
        let base_url = match base_url(part)? {
            Some(url) => url,
            None => url(API, "base_url")?,
        };
        Ok(Some(Account { sid, user, password: Credential::new(password), base_url }))
    })
}

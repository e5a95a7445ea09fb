//! Twilio's part of the provider secret:
//! `{"auth_tokens":["…"],"account_sid":"AC…","base_url":"…"}`.

use masking::Invalid;
use reqwest::Url;

use crate::credential::Tokens;
use crate::fields::{Fields, base_url, is_absent, missing, or_last, part, tokens, url, word};
use crate::route::Route;

/// The route that the auth tokens switch on.
pub(crate) const ROUTE: Route = Route::new("POST /calls/twilio");

/// The address of Twilio's API.
const API: &str = "https://api.twilio.com";

/// The contents of the secret for Twilio. An error in one field does not affect the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The tokens with which Twilio signs its webhook.
    pub webhook: Option<Tokens>,
    /// The account that rents numbers.
    pub account: Option<Account>,
}

/// The account that rents numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's id, `AC…`.
    pub(crate) sid: String,
    /// The account's tokens. A request tries them in turn, so that they can be rotated.
    pub(crate) auth_tokens: Tokens,
    /// The address of the API.
    pub(crate) base_url: Url,
}

impl Credentials {
    pub(crate) fn read(fields: &Fields, last: &Self, problems: &mut Vec<Invalid>) -> Self {
        let webhook = part(fields, "twilio", |part| tokens(part, "auth_tokens"));
        let account = part(fields, "twilio", account);
        Self {
            webhook: or_last(webhook, last.webhook.as_ref(), problems),
            account: or_last(account, last.account.as_ref(), problems),
        }
    }
}

fn account(part: &Fields) -> Result<Option<Account>, Invalid> {
    if is_absent(part, &["account_sid"]) {
        return Ok(None);
    }
    Ok(Some(Account {
        sid: word(part, "account_sid")?,
        auth_tokens: tokens(part, "auth_tokens")?.ok_or_else(|| missing("auth_tokens"))?,
        base_url: match base_url(part)? {
            Some(url) => url,
            None => url(API, "base_url")?,
        },
    }))
}

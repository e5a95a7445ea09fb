//! Exotel.

mod country;
pub mod numbers;
pub mod webhook;

use std::fmt;

use reqwest::Url;

pub use self::country::Country;
use crate::secret::{Secret, Tokens};

/// How Exotel's webhooks are recognised and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The path tokens: Exotel signs nothing, so that the address is the secret.
    pub tokens: Tokens,
    /// Whose national numbers it sends.
    pub country: Country,
}

/// The account that rents numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's id.
    pub account_sid: String,
    /// The user name of the API.
    pub api_key: String,
    /// The password of the API.
    pub api_token: Secret,
    /// The flow that bought numbers are put on.
    pub app_id: String,
    /// Whose national numbers the API answers with, where it does not say.
    pub country: Country,
    /// Where the API is.
    pub base_url: Url,
}

/// Hides the key as well: it is half of a password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("account_sid", &self.account_sid)
            .field("app_id", &self.app_id)
            .field("country", &self.country)
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

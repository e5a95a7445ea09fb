//! Twilio.

pub mod numbers;
pub mod webhook;

use reqwest::Url;

use crate::secret::Tokens;

/// Where Twilio's API is.
pub(crate) const API: &str = "https://api.twilio.com";

/// The account that rents numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's id, `AC…`.
    pub account_sid: String,
    /// Its tokens: the API takes any, so that one can be exchanged.
    pub auth_tokens: Tokens,
    /// Where the API is.
    pub base_url: Url,
}

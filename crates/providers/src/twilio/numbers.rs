//! Twilio's number API.
//! Source: Twilio's `OpenAPI` description, and its page on each error code.

use std::collections::HashSet;
use std::time::Instant;

use masking::{Number, NumberType};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::secret::{Account, ROUTE};
use crate::http::{ApiError, Http, Problem};
use crate::rental::{Entries, Entry, NumberApi, Purpose};

const SEARCH: &str = "Twilio: search numbers";
const BUY: &str = "Twilio: buy a number";
const FIND: &str = "Twilio: find a number";

/// The error code for a number that someone else has, or that Twilio does not have.
const NOT_AVAILABLE: i64 = 21422;

/// The largest page that Twilio allows.
const PAGE_SIZE: usize = 1000;

/// Twilio's number API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: Http,
    account_sid: String,
}

#[derive(Deserialize)]
struct Available {
    available_phone_numbers: Vec<Candidate>,
}

#[derive(Deserialize)]
struct Candidate {
    phone_number: String,
}

#[derive(Deserialize)]
struct Page {
    incoming_phone_numbers: Vec<Incoming>,
    /// Null on the last page. A page without the field may not be the last.
    #[serde(default, deserialize_with = "next_page")]
    next_page_uri: Next,
}

#[derive(Deserialize)]
struct Incoming {
    sid: String,
    phone_number: String,
    friendly_name: Option<String>,
}

#[derive(Default)]
enum Next {
    /// The page has no such field.
    #[default]
    Missing,
    /// The page is the last.
    End,
    Page(String),
}

impl Api {
    pub(crate) fn new(client: Client, account: &Account) -> Self {
        Self {
            http: Http {
                client,
                base: account.base_url.clone(),
                user: account.user.clone(),
                password: account.password.clone(),
                code_at: "/code",
            },
            account_sid: account.sid.clone(),
        }
    }

    fn incoming(&self, query: &[(&str, &str)]) -> Url {
        let path = ["2010-04-01", "Accounts", &self.account_sid, "IncomingPhoneNumbers.json"];
        self.http.url(&path, query)
    }

    /// Reads a list page by page. Fails only if the first page can't be read.
    async fn entries(
        &self,
        call: &'static str,
        first: Url,
        deadline: Instant,
    ) -> Result<Entries, ApiError> {
        let page = self.http.get(&first, deadline).await.map_err(ApiError::at(call))?;
        let mut visited = HashSet::from([first.clone()]);
        let mut entries = Vec::new();
        let cut_short = self.follow(page, &mut visited, &mut entries, deadline).await.err();
        Ok(Entries { entries, cut_short: cut_short.map(ApiError::at(call)) })
    }

    async fn follow(
        &self,
        mut page: Page,
        visited: &mut HashSet<Url>,
        entries: &mut Vec<Entry>,
        deadline: Instant,
    ) -> Result<(), Problem> {
        loop {
            entries.extend(page.incoming_phone_numbers.into_iter().map(Entry::from));
            let uri = match page.next_page_uri {
                Next::End => return Ok(()),
                Next::Missing => return Err(Problem::Endless),
                Next::Page(uri) => uri,
            };
            let next = self.http.base.join(&uri).map_err(|_| Problem::Endless)?;
            // The request carries the credentials, so it must stay on the API's own host.
            let same_origin = next.origin() == self.http.base.origin();
            if !same_origin || !visited.insert(next.clone()) {
                return Err(Problem::Endless);
            }
            page = self.http.get(&next, deadline).await?;
        }
    }
}

impl NumberApi for Api {
    const LIST: &'static str = "Twilio: list numbers";

    async fn list(&self, tag: &str, deadline: Instant) -> Result<Entries, ApiError> {
        let size = PAGE_SIZE.to_string();
        let first = self.incoming(&[("FriendlyName", tag), ("PageSize", &size)]);
        self.entries(Self::LIST, first, deadline).await
    }

    async fn find(&self, number: &Number, deadline: Instant) -> Result<Entries, ApiError> {
        let first = self.incoming(&[("PhoneNumber", number.as_str())]);
        self.entries(FIND, first, deadline).await
    }

    async fn search(
        &self,
        country: &str,
        number_type: NumberType,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError> {
        let kind = match number_type {
            NumberType::Local => "Local.json",
            NumberType::Mobile => "Mobile.json",
            NumberType::TollFree => "TollFree.json",
        };
        let size = limit.clamp(1, PAGE_SIZE).to_string();
        let url = self.http.url(
            &["2010-04-01", "Accounts", &self.account_sid, "AvailablePhoneNumbers", country, kind],
            &[("VoiceEnabled", "true"), ("PageSize", &size)],
        );
        let found: Available = self.http.get(&url, deadline).await.map_err(ApiError::at(SEARCH))?;
        let numbers = found.available_phone_numbers.iter();
        Ok(numbers.filter_map(|candidate| candidate.phone_number.parse().ok()).collect())
    }

    async fn order(
        &self,
        number: &Number,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<String, ApiError> {
        let voice_url =
            format!("{}{}", purpose.public_base_url.trim_end_matches('/'), ROUTE.path());
        let mut form = vec![
            ("PhoneNumber", number.as_str()),
            ("FriendlyName", purpose.tag),
            ("VoiceUrl", &voice_url),
            ("VoiceMethod", "POST"),
            // The same URL: a second try helps after a single failure.
            ("VoiceFallbackUrl", &voice_url),
            ("VoiceFallbackMethod", "POST"),
        ];
        let pool = purpose.pool;
        form.extend(pool.address_sid.iter().map(|sid| ("AddressSid", sid.as_str())));
        form.extend(pool.bundle_sid.iter().map(|sid| ("BundleSid", sid.as_str())));

        let bought: Incoming = self
            .http
            .post(&self.incoming(&[]), &form, deadline)
            .await
            .map_err(ApiError::at(BUY))?;
        if bought.phone_number == number.as_str() {
            Ok(bought.sid)
        } else {
            Err(ApiError::at(BUY)(Problem::Nonsense))
        }
    }

    fn is_taken(_: u16, code: Option<i64>) -> bool {
        code == Some(NOT_AVAILABLE)
    }
}

impl From<Incoming> for Entry {
    fn from(incoming: Incoming) -> Self {
        Self {
            number: incoming.phone_number.parse().ok(),
            provider_id: incoming.sid,
            tag: incoming.friendly_name.unwrap_or_default(),
        }
    }
}

fn next_page<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Next, D::Error> {
    let uri = Option::<String>::deserialize(deserializer)?;
    Ok(uri.map_or(Next::End, Next::Page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_whose_next_page_is_null_is_the_last() {
        let next = |text: &str| serde_json::from_str::<Page>(text).unwrap().next_page_uri;
        let empty = r#"{"incoming_phone_numbers":[]"#;
        assert!(matches!(next(&format!(r#"{empty},"next_page_uri":null}}"#)), Next::End));
        assert!(matches!(next(&format!(r#"{empty},"next_page_uri":"/x"}}"#)), Next::Page(_)));
        assert!(matches!(next(&format!("{empty}}}")), Next::Missing));
    }
}

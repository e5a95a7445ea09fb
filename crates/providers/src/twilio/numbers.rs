//! Twilio's number API.
//! Source: Twilio's `OpenAPI` description, and its page on each error code.

use std::collections::HashSet;

use http::Method;
use masking::{Number, NumberType};
use reqwest::Url;
use serde::Deserialize;
use tokio::time::Instant;

use super::secret::{Account, ROUTE};
use crate::http::{ApiError, Http, Problem};
use crate::rental::{Asked, Entries, Entry, NumberApi, Purpose, Sold};
use crate::time::rfc_2822;
use crate::transport::Transport;

const SEARCH: &str = "Twilio: search numbers";
const BUY: &str = "Twilio: buy a number";
const FIND: &str = "Twilio: find a number";
const READ: &str = "Twilio: read a number";
const POINT: &str = "Twilio: change a number";
const GIVE_BACK: &str = "Twilio: give a number back";

/// The error code for a number that someone else has, or that Twilio does not have.
const NOT_AVAILABLE: i64 = 21422;

/// The status of a number that is in service. Source: Twilio's `OpenAPI` description, and
/// recorded answers.
const IN_USE: &str = "in-use";

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
    status: Option<String>,
    /// In the form of RFC 2822.
    date_created: Option<String>,
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
    pub(crate) fn new(transport: Transport, account: &Account) -> Self {
        Self {
            http: Http {
                transport,
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

    fn one(&self, sid: &str) -> Url {
        let file = format!("{sid}.json");
        let path = ["2010-04-01", "Accounts", &self.account_sid, "IncomingPhoneNumbers", &file];
        self.http.url(&path, &[])
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

    async fn list(&self, tag: Option<&str>, deadline: Instant) -> Result<Entries, ApiError> {
        let size = PAGE_SIZE.to_string();
        let mut query = vec![("PageSize", &*size)];
        query.extend(tag.map(|tag| ("FriendlyName", tag)));
        self.entries(Self::LIST, self.incoming(&query), deadline).await
    }

    /// Asks for the number itself: an order of a number that the account has already is
    /// reported to succeed, and to overwrite its settings.
    /// Source: `ex_twilio`, pull request 116; twilio-rb, issue 7.
    async fn ask(&self, number: &Number, deadline: Instant) -> Result<Option<Asked>, ApiError> {
        let url = self.incoming(&[("PhoneNumber", number.as_str())]);
        let (page, at) =
            self.http.get_dated::<Page>(&url, deadline).await.map_err(ApiError::at(FIND))?;
        let mut listed = page.incoming_phone_numbers.iter();
        let has_it = listed.any(|listed| listed.phone_number == number.as_str());
        Ok(Some(Asked { has_it, at }))
    }

    async fn find(&self, number: &Number, deadline: Instant) -> Result<Option<Entry>, ApiError> {
        let first = self.incoming(&[("PhoneNumber", number.as_str())]);
        let found = self.entries(FIND, first, deadline).await?.entries;
        Ok(found.into_iter().find(|entry| entry.number.as_ref() == Some(number)))
    }

    async fn read(&self, sid: &str, deadline: Instant) -> Result<Option<Entry>, ApiError> {
        match self.http.get::<Incoming>(&self.one(sid), deadline).await {
            Ok(incoming) => Ok(Some(incoming.into())),
            Err(Problem::Status { status: 404, .. }) => Ok(None),
            Err(problem) => Err(ApiError::at(READ)(problem)),
        }
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
    ) -> Result<Sold, ApiError> {
        let voice_url = voice_url(purpose);
        let mut form = settings(purpose, &voice_url);
        form.push(("PhoneNumber", number.as_str()));
        let pool = purpose.pool;
        form.extend(pool.address_sid.iter().map(|sid| ("AddressSid", sid.as_str())));
        form.extend(pool.bundle_sid.iter().map(|sid| ("BundleSid", sid.as_str())));

        let url = self.incoming(&[]);
        let sold: Incoming =
            self.http.post(&url, &form, deadline).await.map_err(ApiError::at(BUY))?;
        if sold.phone_number != number.as_str() {
            return Err(ApiError::at(BUY)(Problem::Nonsense));
        }
        let since = sold.date_created.as_deref().and_then(rfc_2822);
        Ok(Sold { entry: sold.into(), since })
    }

    async fn point(
        &self,
        sid: &str,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let voice_url = voice_url(purpose);
        let form = settings(purpose, &voice_url);
        let done = self.http.send(&Method::POST, &self.one(sid), &form, deadline).await;
        done.map_err(ApiError::at(POINT))
    }

    async fn give_back(&self, sid: &str, deadline: Instant) -> Result<(), ApiError> {
        match self.http.send(&Method::DELETE, &self.one(sid), &[], deadline).await {
            Ok(()) | Err(Problem::Status { status: 404, .. }) => Ok(()),
            Err(problem) => Err(ApiError::at(GIVE_BACK)(problem)),
        }
    }

    fn is_taken(_: u16, code: Option<i64>) -> bool {
        code == Some(NOT_AVAILABLE)
    }
}

fn voice_url(purpose: &Purpose<'_>) -> String {
    format!("{}{}", purpose.public_base_url.trim_end_matches('/'), ROUTE.path())
}

/// The tag and the webhooks of a number.
fn settings<'a>(purpose: &Purpose<'a>, voice_url: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("FriendlyName", purpose.tag),
        ("VoiceUrl", voice_url),
        ("VoiceMethod", "POST"),
        // The same URL: a second try helps after a single failure.
        ("VoiceFallbackUrl", voice_url),
        ("VoiceFallbackMethod", "POST"),
    ]
}

impl From<Incoming> for Entry {
    fn from(incoming: Incoming) -> Self {
        Self {
            number: incoming.phone_number.parse().ok(),
            provider_id: incoming.sid,
            tag: incoming.friendly_name.unwrap_or_default(),
            ready: incoming.status.is_none_or(|status| status == IN_USE),
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

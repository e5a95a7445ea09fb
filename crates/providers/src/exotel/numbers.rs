//! Exotel's number API (`v2_beta`).
//!
//! The documentation does not say how a list is paged or what an error looks like, and
//! numbers come in E.164 or in national form. This file assumes none of it.
//! Source: the reference on Exotel's developer site, and public code that uses it.

use std::collections::HashSet;

use http::Method;
use masking::{Number, NumberType};
use reqwest::Url;
use serde::Deserialize;
use tokio::time::Instant;

use super::country::Country;
use super::secret::Account;
use crate::http::{ApiError, Http, Problem};
use crate::rental::{Asked, Entries, Entry, NumberApi, Purpose, Sold};
use crate::transport::Transport;

const SEARCH: &str = "Exotel: search numbers";
const BUY: &str = "Exotel: buy a number";
const READ: &str = "Exotel: read a number";
const POINT: &str = "Exotel: change a number";
const GIVE_BACK: &str = "Exotel: give a number back";

/// The statuses that may mean that someone else has the number. Exotel does not document
/// them; any other refusal concerns the account.
const NOT_AVAILABLE: [u16; 2] = [404, 409];

/// The page size that is asked for. The server may use another.
const PAGE_SIZE: usize = 50;

/// Exotel's number API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: Http,
    account_sid: String,
    app_id: String,
    country: Country,
}

#[derive(Deserialize)]
struct Candidate {
    phone_number: String,
}

#[derive(Deserialize)]
struct Page {
    incoming_phone_numbers: Vec<Incoming>,
    page_size: Option<usize>,
}

#[derive(Deserialize)]
struct Incoming {
    sid: String,
    phone_number: String,
    /// May be null for a number that was never named.
    friendly_name: Option<String>,
    country: Option<String>,
}

impl Api {
    pub(crate) fn new(transport: Transport, account: &Account) -> Self {
        Self {
            http: Http {
                transport,
                base: account.base_url.clone(),
                user: account.api_key.clone(),
                password: account.api_token.clone(),
                code_at: "/RestException/Code",
            },
            account_sid: account.sid.clone(),
            app_id: account.app_id.clone(),
            country: account.country,
        }
    }

    /// Lists all numbers of the account. Fails only if the first page can't be read.
    async fn all(&self, deadline: Instant) -> Result<Entries, ApiError> {
        let first = self.page(0, deadline).await.map_err(ApiError::at(Self::LIST))?;
        let mut entries = Vec::new();
        let cut_short = self.follow(first, &mut entries, deadline).await.err();
        Ok(Entries { entries, cut_short: cut_short.map(ApiError::at(Self::LIST)) })
    }

    /// Reads page after page. The list ends at an empty page, or at a short page that is
    /// followed by nothing new. A short page alone may come from a server with smaller
    /// pages; taking it for the end would withdraw live numbers as lost.
    async fn follow(
        &self,
        mut page: Page,
        entries: &mut Vec<Entry>,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let mut seen = HashSet::new();
        let mut short = false;
        for next in 1.. {
            let length = page.incoming_phone_numbers.len();
            if length == 0 {
                return Ok(());
            }
            let known = seen.len();
            for incoming in page.incoming_phone_numbers {
                if seen.insert(incoming.sid.clone()) {
                    entries.push(self.entry(incoming));
                }
            }
            if seen.len() == known {
                // Nothing new on this page: the server may ignore the page that was asked for.
                return if short { Ok(()) } else { Err(Problem::Endless) };
            }
            short = page.page_size.is_some_and(|size| length < size);
            page = match self.page(next, deadline).await {
                Ok(page) => page,
                // There is no page after the short one.
                Err(Problem::Status { status: 400 | 404, .. }) if short => return Ok(()),
                Err(problem) => return Err(problem),
            };
        }
        Err(Problem::Endless)
    }

    async fn page(&self, page: usize, deadline: Instant) -> Result<Page, Problem> {
        let query = [("Page", &*page.to_string()), ("PageSize", &*PAGE_SIZE.to_string())];
        self.http.get(&self.url(&["IncomingPhoneNumbers"], &query), deadline).await
    }

    fn url(&self, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let path = [&["v2_beta", "Accounts", &self.account_sid], rest].concat();
        self.http.url(&path, query)
    }

    fn one(&self, sid: &str) -> Url {
        self.url(&["IncomingPhoneNumbers", sid], &[])
    }

    /// The flow that asks the webhook. Exotel names a flow by this URL and sends nothing to
    /// it, so `http` is no risk.
    fn flow(&self) -> String {
        format!("http://my.exotel.com/{}/exoml/start_voice/{}", self.account_sid, self.app_id)
    }

    fn entry(&self, incoming: Incoming) -> Entry {
        Entry {
            number: self.number(&incoming.phone_number, incoming.country.as_deref()),
            provider_id: incoming.sid,
            tag: incoming.friendly_name.unwrap_or_default(),
            ready: true,
        }
    }

    /// Reads a number. A national form is one of `country`, or of the secret's country
    /// where the API names none.
    fn number(&self, text: &str, country: Option<&str>) -> Option<Number> {
        let country = country.and_then(Country::parse).unwrap_or(self.country);
        country.e164(text)?.parse().ok()
    }
}

impl NumberApi for Api {
    const LIST: &'static str = "Exotel: list numbers";

    /// Lists all numbers of the account, since the API has no filter.
    async fn list(&self, _: Option<&str>, deadline: Instant) -> Result<Entries, ApiError> {
        self.all(deadline).await
    }

    /// Asks nothing: the check's own listing has just shown every number of the account,
    /// and the API allows about one request a second.
    /// Source: the page on rate limits of Exotel's developer site.
    async fn ask(&self, _: &Number, _: Instant) -> Result<Option<Asked>, ApiError> {
        Ok(None)
    }

    async fn find(&self, number: &Number, deadline: Instant) -> Result<Option<Entry>, ApiError> {
        let all = self.all(deadline).await?.entries;
        Ok(all.into_iter().find(|entry| entry.number.as_ref() == Some(number)))
    }

    async fn read(&self, sid: &str, deadline: Instant) -> Result<Option<Entry>, ApiError> {
        match self.http.get::<Incoming>(&self.one(sid), deadline).await {
            Ok(incoming) => Ok(Some(self.entry(incoming))),
            Err(Problem::Status { status: 404, .. }) => Ok(None),
            Err(problem) => Err(ApiError::at(READ)(problem)),
        }
    }

    /// The API takes no limit.
    async fn search(
        &self,
        country: &str,
        number_type: NumberType,
        _: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError> {
        let kind = match number_type {
            NumberType::Local => "Landline",
            NumberType::Mobile => "Mobile",
            NumberType::TollFree => "TollFree",
        };
        let url = self.url(&["AvailablePhoneNumbers", country, kind], &[]);
        let found: Vec<Candidate> =
            self.http.get(&url, deadline).await.map_err(ApiError::at(SEARCH))?;
        let read = |candidate: &Candidate| self.number(&candidate.phone_number, Some(country));
        Ok(found.iter().filter_map(read).collect())
    }

    /// Orders a number and puts it on the flow that asks the webhook.
    async fn order(
        &self,
        number: &Number,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<Sold, ApiError> {
        let flow = self.flow();
        let form =
            [("PhoneNumber", number.as_str()), ("FriendlyName", purpose.tag), ("VoiceUrl", &flow)];
        let url = self.url(&["IncomingPhoneNumbers"], &[]);
        let sold: Incoming =
            self.http.post(&url, &form, deadline).await.map_err(ApiError::at(BUY))?;
        let entry = self.entry(sold);
        if entry.number.as_ref() == Some(number) {
            Ok(Sold { entry, since: None })
        } else {
            Err(ApiError::at(BUY)(Problem::Nonsense))
        }
    }

    async fn point(
        &self,
        sid: &str,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let flow = self.flow();
        let form = [("FriendlyName", purpose.tag), ("VoiceUrl", &flow)];
        let done = self.http.send(&Method::PUT, &self.one(sid), &form, deadline).await;
        done.map_err(ApiError::at(POINT))
    }

    async fn give_back(&self, sid: &str, deadline: Instant) -> Result<(), ApiError> {
        match self.http.send(&Method::DELETE, &self.one(sid), &[], deadline).await {
            Ok(()) | Err(Problem::Status { status: 404, .. }) => Ok(()),
            Err(problem) => Err(ApiError::at(GIVE_BACK)(problem)),
        }
    }

    fn is_taken(status: u16, _: Option<i64>) -> bool {
        NOT_AVAILABLE.contains(&status)
    }
}

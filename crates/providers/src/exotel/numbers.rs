//! Exotel's number API (`v2_beta`).
//!
//! The documentation does not say how a list is paged or what an error looks like, and
//! numbers come in E.164 or in national form. This file assumes none of it.
//! Source: the reference on Exotel's developer site, and public code that uses it.

use std::collections::HashSet;
use std::time::Instant;

use masking::{Number, NumberType};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::country::Country;
use super::secret::Account;
use crate::http::{ApiError, Http, Problem};
use crate::rental::{Entries, Entry, NumberApi, Purpose};

const SEARCH: &str = "Exotel: search numbers";
const BUY: &str = "Exotel: buy a number";

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
    pub(crate) fn new(client: Client, account: &Account) -> Self {
        Self {
            http: Http {
                client,
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

    fn entry(&self, incoming: Incoming) -> Entry {
        Entry {
            number: self.number(&incoming.phone_number, incoming.country.as_deref()),
            provider_id: incoming.sid,
            tag: incoming.friendly_name.unwrap_or_default(),
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
    async fn list(&self, _: &str, deadline: Instant) -> Result<Entries, ApiError> {
        self.all(deadline).await
    }

    async fn find(&self, _: &Number, deadline: Instant) -> Result<Entries, ApiError> {
        self.all(deadline).await
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
    ) -> Result<String, ApiError> {
        // Exotel names a flow by this URL and sends nothing to it, so `http` is no risk.
        let flow =
            format!("http://my.exotel.com/{}/exoml/start_voice/{}", self.account_sid, self.app_id);
        let form =
            [("PhoneNumber", number.as_str()), ("FriendlyName", purpose.tag), ("VoiceUrl", &flow)];
        let url = self.url(&["IncomingPhoneNumbers"], &[]);
        let bought: Incoming =
            self.http.post(&url, &form, deadline).await.map_err(ApiError::at(BUY))?;
        if self.number(&bought.phone_number, bought.country.as_deref()).as_ref() == Some(number) {
            Ok(bought.sid)
        } else {
            Err(ApiError::at(BUY)(Problem::Nonsense))
        }
    }

    fn is_taken(status: u16, _: Option<i64>) -> bool {
        NOT_AVAILABLE.contains(&status)
    }
}

//! The list of providers: their webhooks, and the number APIs of those that rent numbers
//! out. `secret.rs` and `rental_secret.rs` list their parts of the secrets.

use http::Method;
use masking::{Number, NumberType, Provider};
use tokio::time::Instant;

use crate::http::ApiError;
use crate::rental::{self, BuyError, Listing, NumberApi as _, Owned, Purpose, Tagged};
use crate::rental_secret::RentalSecret;
use crate::report::Reports;
use crate::transport::Transport;
use crate::webhook::Webhook;
use crate::{exotel, switch, twilio};

/// The webhooks of all providers.
pub static WEBHOOKS: [&dyn Webhook; 3] =
    [&switch::webhook::Switch, &twilio::webhook::Twilio, &exotel::webhook::Exotel];

/// Finds the webhook for a request, by its method and raw path.
pub fn webhook(method: &Method, path: &str) -> Option<&'static dyn Webhook> {
    WEBHOOKS.into_iter().find(|webhook| webhook.route().matches(method, path))
}

/// The routes on which providers report calls that ended.
pub static REPORTS: [&dyn Reports; 3] =
    [&switch::report::Switch, &twilio::report::Twilio, &exotel::report::Exotel];

/// Finds who reports by a request, by its method and raw path.
pub fn reports(method: &Method, path: &str) -> Option<&'static dyn Reports> {
    REPORTS.into_iter().find(|reports| reports.route().matches(method, path))
}

/// A provider's number API.
#[derive(Clone, Debug)]
pub struct NumberApi(Api);

#[derive(Clone, Debug)]
enum Api {
    Twilio(twilio::numbers::Api),
    Exotel(exotel::numbers::Api),
}

/// Hands a call to the API of the provider, whichever it is.
macro_rules! with {
    ($self:ident, $api:ident => $call:expr) => {
        match &$self.0 {
            Api::Twilio($api) => $call,
            Api::Exotel($api) => $call,
        }
    };
}

impl NumberApi {
    /// Opens a provider's API with the account in the secret. `None` if the provider has
    /// no API, or the secret no account.
    pub fn open(provider: Provider, secret: &RentalSecret, transport: &Transport) -> Option<Self> {
        let transport = transport.clone();
        let api = match provider {
            Provider::Manual => return None,
            Provider::Twilio => {
                Api::Twilio(twilio::numbers::Api::new(transport, secret.twilio.as_ref()?))
            }
            Provider::Exotel => {
                Api::Exotel(exotel::numbers::Api::new(transport, secret.exotel.as_ref()?))
            }
        };
        Some(Self(api))
    }

    /// Lists the numbers that the account rents under exactly this tag.
    ///
    /// # Errors
    ///
    /// The first page could not be read. If a later page fails, the listing is returned
    /// as incomplete: see [`Listing::is_complete`].
    pub async fn owned(&self, tag: &str, deadline: Instant) -> Result<Listing, ApiError> {
        with!(self, api => rental::owned(api, tag, deadline).await)
    }

    /// Lists every number of the account, with its tag as the account has it.
    ///
    /// # Errors
    ///
    /// The list could not be read to its end.
    pub async fn everything(&self, deadline: Instant) -> Result<Vec<Tagged>, ApiError> {
        with!(self, api => rental::everything(api, deadline).await)
    }

    /// Reads one number of the account by the provider's id. `None` if the account has
    /// no such number.
    ///
    /// # Errors
    ///
    /// The provider did not answer, or not with a number.
    pub async fn read(
        &self,
        provider_id: &str,
        deadline: Instant,
    ) -> Result<Option<Tagged>, ApiError> {
        let entry = with!(self, api => api.read(provider_id, deadline).await)?;
        Ok(entry.map(Tagged::from))
    }

    /// Finds numbers that can be rented, about `limit`. `country` is an ISO 3166 code.
    ///
    /// # Errors
    ///
    /// The provider did not answer, or not with a list of numbers.
    pub async fn available(
        &self,
        country: &str,
        number_type: NumberType,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Number>, ApiError> {
        with!(self, api => rental::available(api, country, number_type, limit, deadline).await)
    }

    /// Rents exactly this number, unless the account has it already. The order itself
    /// sets its tag and webhooks.
    ///
    /// Sends the order once. If the answer is lost, looks the number up in the account
    /// before it reports the purchase as unconfirmed; half of the time is reserved for
    /// the lookup.
    ///
    /// # Errors
    ///
    /// [`BuyError`] says whether to try another number or to stop.
    pub async fn buy(
        &self,
        number: &Number,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<Owned, BuyError> {
        with!(self, api => rental::buy(api, number, purpose, deadline).await)
    }

    /// Sets tag and webhooks of a number that the account has.
    ///
    /// # Errors
    ///
    /// The provider refused or did not answer. The number may have been changed.
    pub async fn point(
        &self,
        provider_id: &str,
        purpose: &Purpose<'_>,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        with!(self, api => api.point(provider_id, purpose, deadline).await)
    }

    /// Gives a number back, so that it costs nothing any more. Idempotent.
    ///
    /// # Errors
    ///
    /// The provider refused or did not answer. The number may have been given back.
    pub async fn give_back(&self, provider_id: &str, deadline: Instant) -> Result<(), ApiError> {
        with!(self, api => api.give_back(provider_id, deadline).await)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_route_leads_to_one_webhook() {
        let routes: HashSet<&str> = WEBHOOKS.iter().map(|it| it.route().as_str()).collect();
        assert_eq!(routes.len(), WEBHOOKS.len());
        for (method, path, route) in [
            (Method::POST, "/calls/resolve", Some("POST /calls/resolve")),
            (Method::POST, "/calls/twilio", Some("POST /calls/twilio")),
            (Method::GET, "/calls/exotel/token", Some("GET /calls/exotel/{token}")),
            (Method::GET, "/calls/resolve", None),
            (Method::POST, "/calls/exotel/token", None),
            (Method::GET, "/", None),
        ] {
            let found = webhook(&method, path).map(|webhook| webhook.route().as_str());
            assert_eq!(found, route, "{method} {path}");
        }
    }
}

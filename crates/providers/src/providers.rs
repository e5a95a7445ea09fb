//! The list of providers: their webhooks, and the number APIs of those that rent numbers
//! out. `secret.rs` and `rental_secret.rs` list their parts of the secrets.

use std::time::Instant;

use http::Method;
use masking::{Number, NumberType, Provider};
use reqwest::Client;

use crate::http::ApiError;
use crate::rental::{self, BuyError, Listing, Owned, Purpose};
use crate::rental_secret::RentalSecret;
use crate::webhook::Webhook;
use crate::{exotel, switch, twilio};

/// The webhooks of all providers.
pub static WEBHOOKS: [&dyn Webhook; 3] =
    [&switch::webhook::Switch, &twilio::webhook::Twilio, &exotel::webhook::Exotel];

/// Finds the webhook for a request, by its method and raw path.
pub fn webhook(method: &Method, path: &str) -> Option<&'static dyn Webhook> {
    WEBHOOKS.into_iter().find(|webhook| webhook.route().matches(method, path))
}

/// A provider's number API.
#[derive(Clone, Debug)]
pub struct NumberApi(Api);

#[derive(Clone, Debug)]
enum Api {
    Twilio(twilio::numbers::Api),
    Exotel(exotel::numbers::Api),
}

impl NumberApi {
    /// Opens a provider's API with the account in the secret. `None` if the provider has
    /// no API, or the secret no account. [`client`](crate::client) makes the client.
    pub fn open(provider: Provider, secret: &RentalSecret, client: &Client) -> Option<Self> {
        let client = client.clone();
        let api = match provider {
            Provider::Manual => return None,
            Provider::Twilio => {
                Api::Twilio(twilio::numbers::Api::new(client, secret.twilio.as_ref()?))
            }
            Provider::Exotel => {
                Api::Exotel(exotel::numbers::Api::new(client, secret.exotel.as_ref()?))
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
        match &self.0 {
            Api::Twilio(api) => rental::owned(api, tag, deadline).await,
            Api::Exotel(api) => rental::owned(api, tag, deadline).await,
        }
    }

    /// Finds numbers that can be rented, at most `limit`. `country` is an ISO 3166 code.
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
        match &self.0 {
            Api::Twilio(api) => rental::available(api, country, number_type, limit, deadline).await,
            Api::Exotel(api) => rental::available(api, country, number_type, limit, deadline).await,
        }
    }

    /// Rents exactly this number. The order itself sets its tag and webhooks.
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
        match &self.0 {
            Api::Twilio(api) => rental::buy(api, number, purpose, deadline).await,
            Api::Exotel(api) => rental::buy(api, number, purpose, deadline).await,
        }
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

//! The rental secret: one JSON object with the accounts that rent numbers. Only the function
//! that buys may read it. A missing part switches renting from its provider off.

use std::sync::Arc;

use masking::{Invalid, field};

use crate::fields::{note_unknown, or_last};
use crate::parts::{OF_PROVIDER_SECRET, OF_RENTAL_SECRET};
use crate::{exotel, twilio};

/// The account of each provider that rents numbers out. An error in one provider's part
/// does not affect the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RentalSecret {
    /// At Twilio.
    pub twilio: Option<twilio::secret::Account>,
    /// At Exotel.
    pub exotel: Option<exotel::secret::Account>,
}

impl RentalSecret {
    /// Reads the secret, for the first time or again. Logs each problem, and the providers
    /// from which nothing can be rented.
    pub fn read(last: Option<&Arc<Self>>, text: &str) -> Arc<Self> {
        let (secret, problems) = last.map_or_else(|| Self::parse(text), |last| last.updated(text));
        for problem in problems {
            tracing::error!(error = %problem, "a part of the rental secret can't be used");
        }
        let off = secret.off();
        if !off.is_empty() {
            tracing::info!(off = off.join(", "), "the rental secret leaves these off");
        }
        Arc::new(secret)
    }

    /// Reads the secret for the first time. A part that can't be read is off. The second
    /// value lists the problems, which quote no value of the secret.
    pub fn parse(text: &str) -> (Self, Vec<Invalid>) {
        Self::default().updated(text)
    }

    /// Reads the secret again. A part that was removed is off from now on. A part that
    /// can't be read stays as it was.
    pub fn updated(&self, text: &str) -> (Self, Vec<Invalid>) {
        let fields = match field::object(text, "rental secret") {
            Ok(fields) => fields,
            Err(invalid) => return (self.clone(), vec![invalid]),
        };
        let mut problems = Vec::new();
        let elsewhere = ("ProviderSecret", &OF_PROVIDER_SECRET[..]);
        note_unknown(&fields, &OF_RENTAL_SECRET, elsewhere, &mut problems);
        let (twilio, exotel) = (twilio::secret::account(&fields), exotel::secret::account(&fields));
        let secret = Self {
            twilio: or_last(twilio, self.twilio.as_ref(), &mut problems),
            exotel: or_last(exotel, self.exotel.as_ref(), &mut problems),
        };
        (secret, problems)
    }

    fn off(&self) -> Vec<&'static str> {
        let uses = [
            ("renting from Twilio", self.twilio.is_some()),
            ("renting from Exotel", self.exotel.is_some()),
        ];
        uses.into_iter().filter_map(|(name, on)| (!on).then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "twilio":{"account_sid":"AC1","api_key":"SK-1","api_secret":"api-secret-1"},
        "exotel":{"account_sid":"shop","api_key":"key-1","api_token":"api-token-1",
                  "subdomain":"api.exotel.com","app_id":"42","country":"IN"}}"#;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) -> RentalSecret {
        let (secret, invalid) = RentalSecret::parse(text);
        let problems: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        assert_eq!(problems, expected);
        secret
    }

    #[test]
    fn a_full_secret_switches_everything_on() {
        let secret = check(FULL, &[]);
        assert_eq!(secret.off(), [""; 0]);
        let (twilio, exotel) = (secret.twilio.unwrap(), secret.exotel.unwrap());
        assert_eq!((twilio.sid.as_str(), twilio.user.as_str()), ("AC1", "SK-1"));
        assert_eq!(twilio.password.reveal(), "api-secret-1");
        assert_eq!(twilio.base_url.as_str(), "https://api.twilio.com/");
        assert_eq!(exotel.base_url.as_str(), "https://api.exotel.com/");
    }

    #[test]
    fn twilio_takes_the_auth_token_in_place_of_a_key() {
        let secret = check(r#"{"twilio":{"account_sid":"AC1","auth_token":"auth-1"}}"#, &[]);
        let account = secret.twilio.unwrap();
        assert_eq!((account.user.as_str(), account.password.reveal()), ("AC1", "auth-1"));
        for (fields, error) in [
            (r#""account_sid":"AC1""#, "twilio.api_key: is missing"),
            (r#""account_sid":"AC1","api_key":"k""#, "twilio.api_secret: is missing"),
            (r#""account_sid":"AC1","api_secret":"s""#, "twilio.api_key: is missing"),
            (r#""auth_token":"t""#, "twilio.account_sid: is missing"),
            (r#""account_sid":"AC1","auth_token":"""#, "twilio.auth_token: must not be empty"),
        ] {
            check(&format!(r#"{{"twilio":{{{fields}}}}}"#), &[error]);
        }
    }

    #[test]
    fn an_empty_secret_switches_everything_off_without_complaint() {
        for text in ["{}", r#"{"twilio":{},"exotel":{"country":"IN"}}"#, r#"{"twilio":null}"#] {
            let secret = check(text, &[]);
            assert_eq!(secret, RentalSecret::default(), "{text}");
            assert_eq!(secret.off(), ["renting from Twilio", "renting from Exotel"]);
        }
    }

    #[test]
    fn an_error_in_one_part_does_not_affect_the_other_and_quotes_no_value() {
        let text = FULL.replace("AC1", "secret/7");
        let secret = check(&text, &["twilio.account_sid: must be letters, digits, `-` and `_`"]);
        assert!(secret.twilio.is_none() && secret.exotel.is_some());
        check("secret-7", &["rental secret: must be JSON"]);
    }

    #[test]
    fn a_field_of_the_provider_secret_is_said_to_belong_there() {
        check(
            r#"{"resolve":{"tokens":["a"]},"twilio":{"auth_tokens":["a"],"apikey":"b"},"Key-7":1}"#,
            &[
                "(a part): is not known",
                "resolve.tokens: is a field of ProviderSecret, and is not read here",
                "twilio.apikey: is not known",
                "twilio.auth_tokens: is a field of ProviderSecret, and is not read here",
            ],
        );
    }

    #[test]
    fn an_unreadable_part_keeps_its_last_value_and_a_removed_part_does_not() {
        let (first, _) = RentalSecret::parse(FULL);
        let (same, problems) = first.updated(r#"{"twilio":7,"exotel":"oops"}"#);
        assert_eq!((same, problems.len()), (first.clone(), 2));
        let (same, problems) = first.updated("not JSON");
        assert_eq!((same, problems.len()), (first.clone(), 1));
        let (removed, problems) = first.updated("{}");
        assert_eq!((removed, problems.len()), (RentalSecret::default(), 0));
    }

    #[test]
    fn no_credential_is_printed() {
        let printed = format!("{:?}", check(FULL, &[]));
        for hidden in ["SK-", "api-secret", "api-token", "key-1"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
}

//! The provider secret: one JSON object with what proves who asks about calls. The operator
//! fills it in part by part; a missing part switches its route off. Each provider's folder
//! reads its own part.

use std::sync::Arc;

use masking::{Invalid, field};

use crate::credential::Tokens;
use crate::fields::{note_unknown, or_last};
use crate::parts::{OF_PROVIDER_SECRET, OF_RENTAL_SECRET};
use crate::{exotel, switch, twilio};

/// What proves a provider's requests. An error in one provider's part does not affect the
/// others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSecret {
    /// The bearer tokens of switches that ask in plain JSON.
    pub switch: Option<Tokens>,
    /// The tokens with which Twilio signs its webhook.
    pub twilio: Option<Tokens>,
    /// How Exotel's webhook is recognised and read.
    pub exotel: Option<exotel::secret::Applet>,
}

impl ProviderSecret {
    /// Reads the secret, for the first time or again. Logs each problem, and the routes
    /// that are off.
    pub fn read(last: Option<&Arc<Self>>, text: &str) -> Arc<Self> {
        let (secret, problems) = last.map_or_else(|| Self::parse(text), |last| last.updated(text));
        for problem in problems {
            tracing::error!(error = %problem, "a part of the provider secret can't be used");
        }
        let off = secret.off();
        if !off.is_empty() {
            tracing::info!(off = off.join(", "), "the provider secret leaves these off");
        }
        Arc::new(secret)
    }

    /// Reads the secret for the first time. A part that can't be read is off. The second
    /// value lists the problems, which quote no value of the secret.
    pub fn parse(text: &str) -> (Self, Vec<Invalid>) {
        Self::default().updated(text)
    }

    /// Reads the secret again. A part that was removed is off from now on. A part that
    /// can't be read stays as it was, so that a typing error cuts off no calls.
    pub fn updated(&self, text: &str) -> (Self, Vec<Invalid>) {
        let fields = match field::object(text, "provider secret") {
            Ok(fields) => fields,
            Err(invalid) => return (self.clone(), vec![invalid]),
        };
        let mut problems = Vec::new();
        let elsewhere = ("RentalSecret", &OF_RENTAL_SECRET[..]);
        note_unknown(&fields, &OF_PROVIDER_SECRET, elsewhere, &mut problems);
        let switch = switch::secret::webhook(&fields, &mut problems);
        let twilio = twilio::secret::webhook(&fields, &mut problems);
        let exotel = exotel::secret::webhook(&fields, &mut problems);
        let secret = Self {
            switch: or_last(switch, self.switch.as_ref(), &mut problems),
            twilio: or_last(twilio, self.twilio.as_ref(), &mut problems),
            exotel: or_last(exotel, self.exotel.as_ref(), &mut problems),
        };
        (secret, problems)
    }

    /// The routes that the secret leaves off.
    fn off(&self) -> Vec<&'static str> {
        let uses = [
            (switch::secret::ROUTE.as_str(), self.switch.is_some()),
            (twilio::secret::ROUTE.as_str(), self.twilio.is_some()),
            (exotel::secret::ROUTE.as_str(), self.exotel.is_some()),
        ];
        uses.into_iter().filter_map(|(name, on)| (!on).then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "resolve":{"tokens":["bearer-token-no-1","bearer-token-no-2"]},
        "twilio":{"auth_tokens":["auth-token-of-no-1","auth-token-of-no-2"]},
        "exotel":{"country":"IN","webhook_tokens":["path-token-of-no-1"]}}"#;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) -> ProviderSecret {
        let (secret, invalid) = ProviderSecret::parse(text);
        let problems: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        assert_eq!(problems, expected);
        secret
    }

    #[test]
    fn a_full_secret_switches_everything_on() {
        let secret = check(FULL, &[]);
        for token in ["bearer-token-no-1", "bearer-token-no-2"] {
            assert!(secret.switch.as_ref().unwrap().matches_any(token), "{token}");
        }
        assert_eq!(secret.twilio.as_ref().unwrap().iter().count(), 2);
        assert!(secret.exotel.unwrap().tokens.matches_any("path-token-of-no-1"));
    }

    #[test]
    fn an_empty_secret_switches_everything_off_without_complaint() {
        for text in [
            "{}",
            r#"{"resolve":{},"twilio":{},"exotel":{"country":"IN"}}"#,
            r#"{"resolve":{"tokens":[]},"twilio":null,"exotel":{"webhook_tokens":[]}}"#,
        ] {
            assert_eq!(check(text, &[]), ProviderSecret::default(), "{text}");
        }
    }

    #[test]
    fn a_short_token_is_off_and_the_others_of_its_list_count() {
        let secret = check(
            r#"{"resolve":{"tokens":["secret-7","bearer-token-no-1",""]},
                "twilio":{"auth_tokens":["fifteen-letters"]}}"#,
            &[
                "resolve.tokens[0]: has less than 16 characters, and is off on POST /calls/resolve",
                "resolve.tokens[2]: has less than 16 characters, and is off on POST /calls/resolve",
                "twilio.auth_tokens[0]: has less than 16 characters, and is off on POST /calls/twilio",
            ],
        );
        let tokens = secret.switch.unwrap();
        assert!(tokens.matches_any("bearer-token-no-1"));
        assert!(!tokens.matches_any("secret-7") && !tokens.matches_any(""));
        assert_eq!(secret.twilio, None);
        check(r#"{"resolve":{"tokens":["sixteen--letters"]}}"#, &[]);
    }

    #[test]
    fn an_error_in_one_part_does_not_affect_the_others() {
        let text = FULL.replace("IN", "XX");
        let secret = check(&text, &["exotel.country: must be one of AE, ID, IN, MY, PH, SA, SG"]);
        assert!(secret.switch.is_some() && secret.twilio.is_some() && secret.exotel.is_none());
    }

    #[test]
    fn an_error_names_the_field_and_the_reason_and_no_value() {
        check("secret-7", &["provider secret: must be JSON"]);
        check(r#"{"resolve":"secret-7"}"#, &["resolve: must be a JSON object"]);
        check(
            r#"{"resolve":{"tokens":["a-secret-of-sixteen",7]}}"#,
            &["resolve.tokens: must hold strings"],
        );
        check(
            r#"{"twilio":7,"exotel":"x"}"#,
            &["twilio: must be a JSON object", "exotel: must be a JSON object"],
        );
    }

    #[test]
    fn unknown_parts_and_fields_are_named_and_those_of_the_rental_secret_said_to_have_moved() {
        let secret = check(
            r#"{"twillio":{"auth_tokens":["auth-token-of-no-1"]}, "SK secret-7":1,
                "resolve":{"token":["a"]},
                "twilio":{"auth_tokens":["auth-token-of-no-1"],"account_sid":"AC1","base_url":"x"},
                "exotel":{"country":"IN","api_key":"k","+6281211112222":1}}"#,
            &[
                "(a part): is not known",
                "exotel.(a field): is not known",
                "exotel.api_key: is a field of RentalSecret, and is not read here",
                "resolve.token: is not known",
                "twilio.account_sid: is a field of RentalSecret, and is not read here",
                "twilio.base_url: is a field of RentalSecret, and is not read here",
                "twillio: is not known",
            ],
        );
        assert!(secret.twilio.is_some(), "the rest of a part is read");
    }

    #[test]
    fn an_unreadable_part_keeps_its_last_value_and_a_removed_part_does_not() {
        let (first, _) = ProviderSecret::parse(FULL);
        let (slipped, invalid) = first.updated(r#"{"resolve":{"tokens":"oops"}}"#);
        assert_eq!(invalid.len(), 1);
        assert_eq!(slipped, ProviderSecret { switch: first.switch.clone(), ..Default::default() });

        let (same, invalid) = first.updated("not JSON");
        assert_eq!((same, invalid.len()), (first.clone(), 1));

        let (revoked, invalid) = first.updated(r#"{"resolve":{"tokens":[]}}"#);
        assert_eq!((revoked, invalid.len()), (ProviderSecret::default(), 0));
    }

    #[test]
    fn each_route_that_is_off_is_named() {
        let all = ["POST /calls/resolve", "POST /calls/twilio", "GET /calls/exotel/{token}"];
        assert_eq!(ProviderSecret::default().off(), all);
        assert_eq!(check(FULL, &[]).off(), [""; 0]);
    }

    #[test]
    fn no_credential_is_printed() {
        let printed = format!("{:?}", check(FULL, &[]));
        for hidden in ["bearer-", "auth-", "path-"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
}

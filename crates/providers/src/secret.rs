//! The provider secret: one JSON object with the credentials of all providers. The
//! operator fills it in part by part; a missing part switches its use off. Each
//! provider's folder reads its own part.

use std::sync::Arc;

use masking::{Invalid, field};

use crate::{exotel, switch, twilio};

/// The credentials of each provider. An error in one provider's part does not affect
/// the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSecret {
    /// For switches that ask in plain JSON.
    pub switch: switch::secret::Credentials,
    /// For Twilio.
    pub twilio: twilio::secret::Credentials,
    /// For Exotel.
    pub exotel: exotel::secret::Credentials,
}

impl ProviderSecret {
    /// Reads the secret, for the first time or again. Logs each problem, and the uses
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
        let secret = Self {
            switch: switch::secret::Credentials::read(&fields, &self.switch, &mut problems),
            twilio: twilio::secret::Credentials::read(&fields, &self.twilio, &mut problems),
            exotel: exotel::secret::Credentials::read(&fields, &self.exotel, &mut problems),
        };
        // Two uses may report the same field.
        problems.dedup();
        (secret, problems)
    }

    /// The uses that the secret leaves off.
    fn off(&self) -> Vec<&'static str> {
        let uses = [
            (switch::secret::ROUTE.as_str(), self.switch.tokens.is_some()),
            (twilio::secret::ROUTE.as_str(), self.twilio.webhook.is_some()),
            (exotel::secret::ROUTE.as_str(), self.exotel.webhook.is_some()),
            ("renting from Twilio", self.twilio.account.is_some()),
            ("renting from Exotel", self.exotel.account.is_some()),
        ];
        uses.into_iter().filter_map(|(name, on)| (!on).then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
        "resolve":{"tokens":["bearer-1","bearer-2"]},
        "twilio":{"account_sid":"AC1","auth_tokens":["auth-1","auth-2"]},
        "exotel":{"account_sid":"shop","api_key":"key-1","api_token":"api-token-1",
                  "subdomain":"api.exotel.com","app_id":"42","country":"IN",
                  "webhook_tokens":["path-1"]}}"#;

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
        assert!(secret.switch.tokens.is_some() && secret.twilio.webhook.is_some());
        assert_eq!(secret.twilio.account.unwrap().base_url.as_str(), "https://api.twilio.com/");
        assert_eq!(secret.exotel.account.unwrap().base_url.as_str(), "https://api.exotel.com/");
        assert!(secret.exotel.webhook.unwrap().tokens.matches_any("path-1"));
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
    fn calls_are_answered_without_the_credentials_for_buying() {
        let secret = check(
            r#"{"twilio":{"auth_tokens":["a"]},"exotel":{"country":"IN","webhook_tokens":["b"]}}"#,
            &[],
        );
        assert!(secret.twilio.webhook.is_some() && secret.twilio.account.is_none());
        assert!(secret.exotel.webhook.is_some() && secret.exotel.account.is_none());
    }

    #[test]
    fn an_error_in_one_part_does_not_affect_the_others() {
        let secret = check(
            r#"{"resolve":{"tokens":["good"]},"twilio":{"account_sid":"AC1"},
                "exotel":{"account_sid":"shop","country":"IN","webhook_tokens":["path-1"]}}"#,
            &["twilio.auth_tokens: is missing", "exotel.api_key: is missing"],
        );
        assert!(secret.switch.tokens.is_some() && secret.exotel.webhook.is_some());
        assert!(secret.twilio.account.is_none() && secret.exotel.account.is_none());
    }

    #[test]
    fn an_error_names_the_field_and_the_reason_and_no_value() {
        check("secret-7", &["provider secret: must be JSON"]);
        check(r#"{"resolve":"secret-7"}"#, &["resolve: must be a JSON object"]);
        check(
            r#"{"resolve":{"tokens":["secret-7",""]}}"#,
            &["resolve.tokens: must hold strings, none of them empty"],
        );
        check(
            r#"{"twilio":{"account_sid":"secret/7","auth_tokens":["secret-7"]}}"#,
            &["twilio.account_sid: must be letters, digits, `-` and `_`"],
        );
        check(
            r#"{"exotel":{"webhook_tokens":["secret-7"],"country":"XX"}}"#,
            &["exotel.country: must be one of AE, ID, IN, MY, PH, SA, SG"],
        );
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
    fn a_field_that_two_uses_report_is_reported_once() {
        check(
            r#"{"twilio":7,"exotel":"x"}"#,
            &["twilio: must be a JSON object", "exotel: must be a JSON object"],
        );
    }

    #[test]
    fn each_use_that_is_off_is_named() {
        let all = [
            "POST /calls/resolve",
            "POST /calls/twilio",
            "GET /calls/exotel/{token}",
            "renting from Twilio",
            "renting from Exotel",
        ];
        assert_eq!(ProviderSecret::default().off(), all);
        assert_eq!(check(FULL, &[]).off(), [""; 0]);
        let calls = r#"{"resolve":{"tokens":["a"]},"twilio":{"auth_tokens":["a"]},
                        "exotel":{"webhook_tokens":["a"],"country":"IN"}}"#;
        assert_eq!(check(calls, &[]).off(), all[3..]);
    }

    #[test]
    fn no_credential_is_printed() {
        let printed = format!("{:?}", check(FULL, &[]));
        for hidden in ["bearer-", "auth-", "api-token", "key-1", "path-"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
}

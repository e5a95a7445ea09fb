//! The settings that the template passes to the function.

use lambda_support::env::required;
use masking::CallSettings;

/// The settings of resolve-call.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the routes table.
    pub routes_table: String,
    /// The ARN of the secret with the key of the phone hash.
    pub service_secret: String,
    /// The ARN of the secret with the credentials of the providers.
    pub provider_secret: String,
    /// The part before the path in the URLs that providers were given, if it is not the
    /// API's own address.
    pub public_base_url: Option<String>,
    /// How calls are connected, and what callers hear who are not.
    pub calls: CallSettings,
}

impl Settings {
    /// Reads the settings through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    ///
    /// A variable is missing, or a parameter for calls can't be used. The message names it,
    /// or its field.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name| required(&lookup, name);
        Ok(Self {
            routes_table: variable("ROUTES_TABLE")?,
            service_secret: variable("SERVICE_SECRET_ARN")?,
            provider_secret: variable("PROVIDER_SECRET_ARN")?,
            public_base_url: lookup("PUBLIC_BASE_URL"),
            calls: CallSettings::parse(
                lookup("RING_SECONDS").as_deref(),
                lookup("MAX_CALL_SECONDS").as_deref(),
                lookup("SENTENCES").as_deref(),
            )
            .map_err(|error| error.to_string())?,
        })
    }
}

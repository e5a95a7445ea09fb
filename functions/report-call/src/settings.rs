//! The settings that the template passes to the function.

use lambda_support::env::required;

/// The settings of report-call.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the routes table.
    pub routes_table: String,
    /// The ARN of the secret with the key of the phone hash.
    pub service_secret: String,
    /// The ARN of the secret with the credentials of the providers.
    pub provider_secret: String,
    /// The URL of the queue of calls that ended.
    pub call_events_queue_url: String,
    /// The part before the path in the URLs that providers were given, if it is not the
    /// API's own address.
    pub public_base_url: Option<String>,
}

impl Settings {
    /// Reads the settings through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    ///
    /// A variable is missing. The message names it.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name| required(&lookup, name);
        Ok(Self {
            routes_table: variable("ROUTES_TABLE")?,
            service_secret: variable("SERVICE_SECRET_ARN")?,
            provider_secret: variable("PROVIDER_SECRET_ARN")?,
            call_events_queue_url: variable("CALL_EVENTS_QUEUE_URL")?,
            public_base_url: lookup("PUBLIC_BASE_URL"),
        })
    }
}

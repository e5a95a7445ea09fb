//! What the template tells the function.

use lambda_support::env::required;

/// The settings of resolve-call.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the routes table is called.
    pub routes_table: String,
    /// The secret with the key of the caller hash.
    pub service_secret: String,
    /// The secret that says who may ask.
    pub provider_secret: String,
    /// What stands before the path in the URLs that providers were given, if it is
    /// not the API's own address.
    pub public_base_url: Option<String>,
}

impl Settings {
    /// Reads the settings out of what `lookup` knows.
    ///
    /// # Errors
    ///
    /// Names the variable that is missing.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name| required(&lookup, name);
        Ok(Self {
            routes_table: variable("ROUTES_TABLE")?,
            service_secret: variable("SERVICE_SECRET_ARN")?,
            provider_secret: variable("PROVIDER_SECRET_ARN")?,
            public_base_url: lookup("PUBLIC_BASE_URL"),
        })
    }
}

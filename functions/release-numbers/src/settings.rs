//! What the template tells the function.

use lambda_support::env::required;
use masking_store::TableNames;

/// The settings of release-numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the three tables are called.
    pub tables: TableNames,
    /// The queue that events come from.
    pub queue_url: String,
    /// Where refused events go.
    pub dead_letter_queue_url: String,
    /// Where announcements go.
    pub number_events_queue_url: String,
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
            tables: TableNames {
                orders: variable("ORDERS_TABLE")?,
                numbers: variable("NUMBERS_TABLE")?,
                routes: variable("ROUTES_TABLE")?,
            },
            queue_url: variable("QUEUE_URL")?,
            dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
            number_events_queue_url: variable("NUMBER_EVENTS_QUEUE_URL")?,
        })
    }
}

//! The settings that the template passes to the function.

use lambda_support::env::required;
use masking_store::TableNames;

/// The settings of release-numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The names of the three tables.
    pub tables: TableNames,
    /// The URL of the queue that the events come from.
    pub queue_url: String,
    /// The URL of the dead-letter queue, for refused events.
    pub dead_letter_queue_url: String,
    /// The URL of the queue for announcements.
    pub number_events_queue_url: String,
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

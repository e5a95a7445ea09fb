//! What the template tells the function.

use lambda_support::env::required;
use masking::Pools;
use masking_store::TableNames;

/// The settings of assign-numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The pools of the stack.
    pub pools: Pools,
    /// What the three tables are called.
    pub tables: TableNames,
    /// The secret with the key of the caller hash.
    pub service_secret: String,
    /// The queue that events come from.
    pub queue_url: String,
    /// Where refused events go.
    pub dead_letter_queue_url: String,
    /// Where announcements go.
    pub number_events_queue_url: String,
    /// Where it is told that a pool runs low.
    pub refill_queue_url: String,
}

impl Settings {
    /// Reads the settings out of what `lookup` knows.
    ///
    /// # Errors
    ///
    /// Names the variable that is missing, or the field of `Pools` that is wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name| required(&lookup, name);
        Ok(Self {
            pools: Pools::parse(&variable("POOLS")?).map_err(|error| error.to_string())?,
            tables: TableNames {
                orders: variable("ORDERS_TABLE")?,
                numbers: variable("NUMBERS_TABLE")?,
                routes: variable("ROUTES_TABLE")?,
            },
            service_secret: variable("SERVICE_SECRET_ARN")?,
            queue_url: variable("QUEUE_URL")?,
            dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
            number_events_queue_url: variable("NUMBER_EVENTS_QUEUE_URL")?,
            refill_queue_url: variable("REFILL_QUEUE_URL")?,
        })
    }
}

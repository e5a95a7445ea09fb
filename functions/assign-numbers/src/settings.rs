//! The settings that the template passes to the function.

use lambda_support::env::required;
use masking::Pools;
use masking_store::TableNames;

/// The settings of assign-numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The pools of the stack.
    pub pools: Pools,
    /// The names of the three tables.
    pub tables: TableNames,
    /// The ARN of the secret with the key of the phone hash.
    pub service_secret: String,
    /// The URL of the queue that the events come from.
    pub queue_url: String,
    /// The URL of the queue where events wait for a dry pool.
    pub waiting_queue_url: String,
    /// The URL of the dead-letter queue, for refused events.
    pub dead_letter_queue_url: String,
    /// The URL of the queue for announcements.
    pub number_events_queue_url: String,
    /// The URL of the queue for signals that a pool runs low.
    pub refill_queue_url: String,
}

impl Settings {
    /// Reads the settings through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    ///
    /// A variable is missing, or a field of `Pools` is wrong. The message names it.
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
            waiting_queue_url: variable("WAITING_QUEUE_URL")?,
            dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
            number_events_queue_url: variable("NUMBER_EVENTS_QUEUE_URL")?,
            refill_queue_url: variable("REFILL_QUEUE_URL")?,
        })
    }
}

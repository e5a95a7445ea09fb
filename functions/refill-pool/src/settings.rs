//! The settings that the template passes to the function.

use lambda_support::env::required;
use masking::Pools;

/// The settings of refill-pool.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The pools of the stack.
    pub pools: Pools,
    /// The name of the numbers table.
    pub numbers_table: String,
    /// The name of the routes table.
    pub routes_table: String,
    /// The ARN of the secret with the accounts that rent numbers.
    pub rental_secret: String,
    /// The URL of the queue that the messages come from. A check of all pools sends a
    /// check of each pool to the same queue.
    pub queue_url: String,
    /// The URL of the dead-letter queue, for refused messages.
    pub dead_letter_queue_url: String,
    /// The stack's name, which is a part of the tags of its numbers.
    pub stack_name: String,
    /// The part before the path in the URLs that providers are given.
    pub public_base_url: String,
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
            numbers_table: variable("NUMBERS_TABLE")?,
            routes_table: variable("ROUTES_TABLE")?,
            rental_secret: variable("RENTAL_SECRET_ARN")?,
            queue_url: variable("REFILL_QUEUE_URL")?,
            dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
            stack_name: variable("STACK_NAME")?,
            public_base_url: lookup("PUBLIC_BASE_URL").map_or_else(|| variable("API_URL"), Ok)?,
        })
    }
}

//! What the template tells the function.

use lambda_support::env::required;
use masking::Pools;

/// The settings of refill-pool.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The pools of the stack.
    pub pools: Pools,
    /// What the numbers table is called.
    pub numbers_table: String,
    /// The secret with the accounts that rent numbers.
    pub provider_secret: String,
    /// The queue that messages come from. A check of all pools becomes a check of each
    /// there.
    pub queue_url: String,
    /// Where refused messages go.
    pub dead_letter_queue_url: String,
    /// The stack's name, which tags what it rents.
    pub stack_name: String,
    /// What stands before the path in the URLs that providers are given.
    pub public_base_url: String,
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
            numbers_table: variable("NUMBERS_TABLE")?,
            provider_secret: variable("PROVIDER_SECRET_ARN")?,
            queue_url: variable("REFILL_QUEUE_URL")?,
            dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
            stack_name: variable("STACK_NAME")?,
            public_base_url: lookup("PUBLIC_BASE_URL").map_or_else(|| variable("API_URL"), Ok)?,
        })
    }
}

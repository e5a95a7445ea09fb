//! The settings that the template passes to the function.

use lambda_support::env::required;

/// The settings of forward-events.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL of the queue of assign-numbers.
    pub assign_queue_url: String,
    /// The URL of the queue of release-numbers.
    pub release_queue_url: String,
    /// The URL of the dead-letter queue, for records that SQS can't carry.
    pub dead_letter_queue_url: String,
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
            assign_queue_url: variable("ASSIGN_QUEUE_URL")?,
            release_queue_url: variable("RELEASE_QUEUE_URL")?,
            dead_letter_queue_url: variable("DEAD_LETTER_QUEUE_URL")?,
        })
    }
}

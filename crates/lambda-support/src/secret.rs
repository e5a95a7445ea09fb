//! A secret of Secrets Manager, kept for minutes.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::errors::AwsError;

/// A rotated secret is taken over after this at the latest.
const KEPT: Duration = Duration::from_mins(5);
/// However often a check fails, the secret is not read more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
/// While there is nothing to check against, it is tried again after this.
const PAUSE_WITHOUT_VALUE: Duration = Duration::from_millis(500);

/// Makes of a secret's text what is needed, given what the last good text made, or
/// says what is wrong with it without quoting it. Called once for each new text.
pub type Parse<T> = fn(last: Option<&T>, text: &str) -> Result<T, String>;

/// A secret and what was made of its text.
#[derive(Debug)]
pub struct CachedSecret<T> {
    client: Client,
    id: String,
    parse: Parse<T>,
    last: Mutex<Last<T>>,
}

#[derive(Debug)]
struct Last<T> {
    /// What the last good text gave; kept while there is no other.
    value: Option<T>,
    text: Option<String>,
    read_at: Option<Instant>,
}

impl<T: Clone> CachedSecret<T> {
    /// The secret of that name or ARN.
    pub fn new(client: Client, id: impl Into<String>, parse: Parse<T>) -> Self {
        let last = Mutex::new(Last { value: None, text: None, read_at: None });
        Self { client, id: id.into(), parse, last }
    }

    /// The secret as last read, read again when that was minutes ago.
    pub async fn current(&self) -> Option<T> {
        self.no_older_than(KEPT).await
    }

    /// The secret as it is now, for when a check failed: it may have been rotated.
    /// Reads it at most every few seconds.
    pub async fn fresh(&self) -> Option<T> {
        self.no_older_than(SHORTEST_PAUSE).await
    }

    async fn no_older_than(&self, age: Duration) -> Option<T> {
        // Held while reading: whoever else asks meanwhile gets the answer too.
        let mut last = self.last.lock().await;
        let age = if last.value.is_none() { age.min(PAUSE_WITHOUT_VALUE) } else { age };
        if last.read_at.is_none_or(|read_at| age <= read_at.elapsed()) {
            match self.read().await {
                Ok(text) => self.take(&mut last, text),
                Err(error) => {
                    tracing::error!(%error, secret = %self.id, "a secret could not be read");
                }
            }
            last.read_at = Some(Instant::now());
        }
        last.value.clone()
    }

    fn take(&self, last: &mut Last<T>, text: String) {
        if last.text.as_ref() == Some(&text) {
            return;
        }
        match (self.parse)(last.value.as_ref(), &text) {
            Ok(value) => last.value = Some(value),
            Err(error) => tracing::error!(%error, secret = %self.id, "a secret can't be used"),
        }
        last.text = Some(text);
    }

    async fn read(&self) -> Result<String, AwsError> {
        const OPERATION: &str = "GetSecretValue";
        let request = self.client.get_secret_value().secret_id(&self.id);
        let answer = request.send().await.map_err(AwsError::of(OPERATION))?;
        answer.secret_string.ok_or_else(|| AwsError::new(OPERATION, "the secret holds no text"))
    }
}

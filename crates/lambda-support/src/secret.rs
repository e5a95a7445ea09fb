//! A secret of Secrets Manager, kept for minutes.

use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use tokio::time::Instant;

/// A rotated secret is taken over after this at the latest.
const KEPT: Duration = Duration::from_mins(5);
/// However often a check fails, the secret is not read more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// Makes of a secret's text what is needed, given what the last good text made, or
/// says what is wrong with it without quoting it. Called once for each new text.
pub type Parse<T> = fn(last: Option<&T>, text: &str) -> Result<T, String>;

/// A secret and what was made of its text.
#[derive(Debug)]
pub struct Secret<T> {
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

/// The secret could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the secret could not be read: {0}")]
struct SecretError(String);

impl<T: Clone> Secret<T> {
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
        {
            let mut last = self.lock();
            if last.read_at.is_some_and(|read_at| read_at.elapsed() < age) {
                return last.value.clone();
            }
            // One reader at a time; others go on with what there is.
            last.read_at = Some(Instant::now());
        }
        match self.read().await {
            Ok(text) => self.take(text),
            Err(error) => tracing::error!(%error, secret = %self.id, "a secret could not be read"),
        }
        self.lock().value.clone()
    }

    fn take(&self, text: String) {
        let mut last = self.lock();
        if last.text.as_ref() == Some(&text) {
            return;
        }
        match (self.parse)(last.value.as_ref(), &text) {
            Ok(value) => last.value = Some(value),
            Err(error) => tracing::error!(%error, secret = %self.id, "a secret can't be used"),
        }
        last.text = Some(text);
    }

    async fn read(&self) -> Result<String, SecretError> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await;
        let answer = answer.map_err(|error| match error.as_service_error() {
            Some(refusal) => SecretError(refusal.code().unwrap_or("without a code").to_owned()),
            None => SecretError(error.to_string()),
        })?;
        answer.secret_string.ok_or_else(|| SecretError("it holds no text".to_owned()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Last<T>> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

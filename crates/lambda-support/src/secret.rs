//! A secret of Secrets Manager, cached for minutes.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::errors::AwsError;

/// How long a secret is cached. A rotated secret takes effect after this time at the
/// latest, and an environment reads it at most 12 times an hour.
const KEPT: Duration = Duration::from_mins(5);
/// The shortest time between two reads, however often a check fails: wrong tokens must
/// not turn into requests to Secrets Manager.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
/// The shortest time between two reads while there is no usable value. Short, since
/// nothing can be checked without one.
const PAUSE_WITHOUT_VALUE: Duration = Duration::from_millis(500);

/// The log message when a secret can't be read. The template's filters of
/// `SecretUnreadable` match it.
const SECRET_UNREADABLE: &str = "a secret could not be read";

/// Parses a new secret text. Receives the last good value, to keep the parts that fail
/// to parse. The error says what is wrong without quoting the text. Called once for
/// each new text.
pub type Parse<T> = fn(last: Option<&T>, text: &str) -> Result<T, String>;

/// A secret of Secrets Manager, cached with its parsed value.
#[derive(Debug)]
pub struct CachedSecret<T> {
    client: Client,
    id: String,
    parse: Parse<T>,
    last: Mutex<Last<T>>,
}

#[derive(Debug)]
struct Last<T> {
    /// The value of the last text that could be parsed.
    value: Option<T>,
    /// The last text, usable or not: it is parsed once.
    text: Option<String>,
    /// When the secret was last read, successfully or not.
    read_at: Option<Instant>,
}

impl<T: Clone> CachedSecret<T> {
    /// A cache for the secret with this name or ARN. Reads nothing yet.
    pub fn new(client: Client, id: impl Into<String>, parse: Parse<T>) -> Self {
        let last = Mutex::new(Last { value: None, text: None, read_at: None });
        Self { client, id: id.into(), parse, last }
    }

    /// Returns the secret, and reads it again if the last read was five minutes ago.
    /// `None` while no usable value was ever read.
    pub async fn current(&self) -> Option<T> {
        self.no_older_than(KEPT).await
    }

    /// Returns the secret, and reads it again if the last read was five seconds ago.
    /// For a check that failed: the secret may have been rotated.
    pub async fn fresh(&self) -> Option<T> {
        self.no_older_than(SHORTEST_PAUSE).await
    }

    async fn no_older_than(&self, age: Duration) -> Option<T> {
        // Holds the lock while reading, so that concurrent callers share one read.
        let mut last = self.last.lock().await;
        let age = if last.value.is_none() { age.min(PAUSE_WITHOUT_VALUE) } else { age };
        if last.read_at.is_none_or(|read_at| age <= read_at.elapsed()) {
            match self.read().await {
                Ok(text) => self.update(&mut last, text),
                Err(error) => {
                    tracing::error!(%error, secret = %self.id, "{SECRET_UNREADABLE}");
                }
            }
            last.read_at = Some(Instant::now());
        }
        last.value.clone()
    }

    fn update(&self, last: &mut Last<T>, text: String) {
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
        let no_text = || AwsError::NoAnswer {
            operation: OPERATION,
            reason: "the secret holds no text".to_owned(),
        };
        answer.secret_string.ok_or_else(no_text)
    }
}

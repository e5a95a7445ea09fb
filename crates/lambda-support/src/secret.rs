//! A secret of Secrets Manager, kept for minutes and refreshed beside the work that uses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::Instant;

use crate::errors::AwsError;

/// How long a secret is kept before it is read again. An environment reads it at most 12
/// times an hour.
const KEPT: Duration = Duration::from_mins(5);
/// The same after a read that failed, while an earlier value is kept.
const KEPT_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// The shortest time between two reads, however often a check fails: wrong tokens must
/// not turn into requests to Secrets Manager.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
/// The shortest time between two reads while there is no usable value. Short, since
/// nothing can be checked without one.
const PAUSE_WITHOUT_VALUE: Duration = Duration::from_millis(500);

/// The log message when a secret could not be read and was never read before. The
/// template's filters of `SecretUnreadable` match it.
pub const SECRET_UNREADABLE: &str = "a secret could not be read";
/// The log message when a secret could not be read again. The last value is used.
pub const SECRET_NOT_REFRESHED: &str = "a secret could not be read again";

/// Parses a new secret text. Receives the last good value, to keep the parts that fail
/// to parse. The error says what is wrong without quoting the text. Called once for
/// each new text.
pub type Parse<T> = fn(last: Option<&T>, text: &str) -> Result<T, String>;

/// A secret of Secrets Manager, kept with its parsed value. Clones share both.
#[derive(Clone, Debug)]
pub struct CachedSecret<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    client: Client,
    id: String,
    parse: Parse<T>,
    kept: Mutex<Kept<T>>,
    /// Held by whoever reads the secret, so that there is one read at a time.
    turn: Arc<Turn<()>>,
}

#[derive(Debug)]
struct Kept<T> {
    /// The value of the last text that could be parsed.
    value: Option<T>,
    /// The last text, usable or not: it is parsed once.
    text: Option<String>,
    /// When the secret was last read, successfully or not.
    read_at: Option<Instant>,
    /// Whether the last read failed.
    failed: bool,
}

impl<T: Clone + Send + Sync + 'static> CachedSecret<T> {
    /// A cache for the secret with this name or ARN. Reads nothing yet.
    pub fn new(client: Client, id: impl Into<String>, parse: Parse<T>) -> Self {
        let kept = Kept { value: None, text: None, read_at: None, failed: false };
        Self(Arc::new(Shared {
            client,
            id: id.into(),
            parse,
            kept: Mutex::new(kept),
            turn: Arc::default(),
        }))
    }

    /// Returns the value that is kept, at once. If it is five minutes old, has it read
    /// again beside: a later call gets the new one. Waits only while there is no usable
    /// value; `None` if there is none afterwards.
    ///
    /// A read beside may be interrupted, since Lambda freezes a function between its
    /// invocations. Then a later call starts it again.
    pub async fn current(&self) -> Option<T> {
        let (value, is_due) = {
            let kept = self.0.kept();
            let age = if kept.failed { KEPT_AFTER_FAILURE } else { KEPT };
            (kept.value.clone(), kept.is_older_than(age))
        };
        if value.is_none() {
            return self.0.no_older_than(PAUSE_WITHOUT_VALUE).await;
        }
        if is_due && let Ok(turn) = Arc::clone(&self.0.turn).try_lock_owned() {
            let shared = Arc::clone(&self.0);
            tokio::spawn(async move { shared.read(&turn).await });
        }
        value
    }

    /// Returns the secret, and first reads it again if the last read was five seconds
    /// ago. For a check that failed: the secret may have been rotated.
    pub async fn fresh(&self) -> Option<T> {
        let without_value = self.0.kept().value.is_none();
        let age = if without_value { PAUSE_WITHOUT_VALUE } else { SHORTEST_PAUSE };
        self.0.no_older_than(age).await
    }
}

impl<T> Kept<T> {
    fn is_older_than(&self, age: Duration) -> bool {
        self.read_at.is_none_or(|read_at| age <= read_at.elapsed())
    }
}

impl<T: Clone> Shared<T> {
    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value, and first reads it again if the last read is this old. Whoever
    /// waits for another one's read shares its result.
    async fn no_older_than(&self, age: Duration) -> Option<T> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if self.kept().is_older_than(age) {
            self.read(&turn).await;
        }
        self.kept().value.clone()
    }

    async fn read(&self, _turn: &OwnedMutexGuard<()>) {
        let text = self.text().await;
        let mut kept = self.kept();
        kept.read_at = Some(Instant::now());
        kept.failed = text.is_err();
        match text {
            Ok(text) => self.update(&mut kept, text),
            Err(error) if kept.value.is_none() => {
                tracing::error!(%error, secret = %self.id, "{SECRET_UNREADABLE}");
            }
            Err(error) => {
                tracing::warn!(%error, secret = %self.id, "{SECRET_NOT_REFRESHED}");
            }
        }
    }

    fn update(&self, kept: &mut Kept<T>, text: String) {
        if kept.text.as_ref() == Some(&text) {
            return;
        }
        match (self.parse)(kept.value.as_ref(), &text) {
            Ok(value) => kept.value = Some(value),
            Err(error) => tracing::error!(%error, secret = %self.id, "a secret can't be used"),
        }
        kept.text = Some(text);
    }

    async fn text(&self) -> Result<String, AwsError> {
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

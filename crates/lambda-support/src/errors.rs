//! Errors of the AWS SDK as one line of text: what failed, and the whole chain of causes.

use std::error::Error;
use std::fmt;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// A request to AWS failed. Safe to log: it has the operation and the service's code,
/// never the service's words, which may quote what was sent.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {reason}")]
pub struct AwsError {
    operation: &'static str,
    reason: String,
}

impl AwsError {
    /// Names the reason of a failure that did not come from the SDK.
    pub(crate) fn new(operation: &'static str, reason: impl Into<String>) -> Self {
        Self { operation, reason: reason.into() }
    }

    /// Takes an error of the SDK; made for `map_err`.
    pub(crate) fn of<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        move |error| {
            let reason = match error.as_service_error() {
                Some(refusal) => refusal.code().unwrap_or("without a code").to_owned(),
                None => Chain(&error).to_string(),
            };
            Self { operation, reason }
        }
    }
}

/// Shows an error together with all its causes, on one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the table can't be read")]
    struct Outer(#[source] AwsError);

    #[test]
    fn the_chain_has_every_cause() {
        let error = Outer(AwsError::new("GetItem", "timeout"));
        let shown = Chain(&error).to_string();
        assert_eq!(shown, "the table can't be read: GetItem failed: timeout");
    }
}

//! Errors of the AWS SDK as one line of text that is safe to log.

use std::error::Error;
use std::fmt;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// A failed request to AWS. Safe to log: it has the operation and the service's error
/// code, never the service's message, which may quote the request.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {reason}")]
pub struct AwsError {
    operation: &'static str,
    reason: String,
}

impl AwsError {
    /// An error for a failure that did not come from the SDK.
    pub(crate) fn new(operation: &'static str, reason: impl Into<String>) -> Self {
        Self { operation, reason: reason.into() }
    }

    /// Returns a function for `map_err` that converts an error of the SDK.
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

/// Displays an error and all its causes on one line.
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

//! Errors of AWS's SDK as lines of text that are safe to log.

use std::error::Error;
use std::fmt;

use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};

/// A request to AWS failed. Safe to log: it has the operation and the service's error
/// code, never the service's message, which may quote the request.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The service refused the request.
    #[error("{operation} failed: {code}")]
    Refused {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// The service's code, such as `ResourceNotFoundException`.
        code: String,
    },
    /// There was no answer that the client understood. A write may have been applied.
    #[error("{operation} failed: {reason}")]
    NoAnswer {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// Why, with the whole chain of causes: a timeout, a broken connection.
        reason: String,
    },
    /// The client could not build the request. Nothing was sent.
    #[error("{operation} was not sent: {reason}")]
    NotSent {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// Why, such as a missing field.
        reason: String,
    },
}

impl AwsError {
    /// Returns a function for `map_err` that converts an error of the SDK.
    pub fn of<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        move |error| match &error {
            SdkError::ServiceError(refusal) => {
                let code = refusal.err().code().unwrap_or("without a code").to_owned();
                Self::Refused { operation, code }
            }
            SdkError::ConstructionFailure(_) => {
                Self::NotSent { operation, reason: Chain(&error).to_string() }
            }
            _ => Self::NoAnswer { operation, reason: Chain(&error).to_string() },
        }
    }

    /// Returns a function for `map_err` that converts the error of an incomplete request.
    pub fn not_sent(operation: &'static str) -> impl FnOnce(BuildError) -> Self {
        move |error| Self::NotSent { operation, reason: Chain(&error).to_string() }
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
    use std::io;

    use aws_sdk_sqs::config::http::HttpResponse;
    use aws_sdk_sqs::error::ConnectorError;
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    fn text(error: SdkError<SendMessageError, HttpResponse>) -> String {
        AwsError::of("SendMessage")(error).to_string()
    }

    #[test]
    fn an_error_keeps_the_whole_chain_of_its_causes() {
        let cause = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let text = text(SdkError::dispatch_failure(ConnectorError::io(cause.into())));
        assert!(text.starts_with("SendMessage failed: dispatch failure: "), "{text}");
        assert!(text.ends_with(": connection refused"), "{text}");
    }

    #[test]
    fn a_request_that_was_not_sent_does_not_blame_the_service() {
        let text = text(SdkError::construction_failure("no region"));
        assert!(text.starts_with("SendMessage was not sent: "), "{text}");
        let incomplete = MessageAttributeValue::builder().build();
        let text = incomplete.map_err(AwsError::not_sent("SendMessage")).unwrap_err().to_string();
        assert!(text.starts_with("SendMessage was not sent: "), "{text}");
        assert!(text.contains("data_type"), "{text}");
    }
}

//! The error of requests to DynamoDB, and how it is made from errors of the SDK.

use std::error::Error;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};

/// A table could not be read or written. Safe to log: it has the operation and DynamoDB's
/// error code, and never DynamoDB's message, which may quote a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB refused the request.
    #[error("{operation} failed: {code}")]
    Refused {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// DynamoDB's code, such as `ResourceNotFoundException`.
        code: String,
    },
    /// No valid answer came. A write may have happened or not.
    #[error("{operation} failed: {reason}")]
    NoAnswer {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// What the client reported, such as a timeout or a broken connection.
        reason: String,
    },
    /// The request could not be built. Nothing was sent.
    #[error("{operation} was not sent: {reason}")]
    NotSent {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// What the client reported, such as a missing field.
        reason: String,
    },
    /// A row has an attribute that this version of the code cannot parse.
    #[error("a row of {table} has a form that this version does not know: {field}")]
    Malformed {
        /// The name of the table.
        table: &'static str,
        /// The name of the attribute, or `(row)` if the row could not be parsed at all.
        field: &'static str,
    },
}

impl StoreError {
    /// Converts an error of the SDK, for `map_err`. Keeps the whole chain of its causes, but
    /// not DynamoDB's own message.
    pub(crate) fn of<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        move |error| match &error {
            SdkError::ServiceError(refusal) => Self::Refused {
                operation,
                code: refusal.err().code().unwrap_or("without a code").to_owned(),
            },
            SdkError::ConstructionFailure(_) => Self::NotSent { operation, reason: chain(&error) },
            _ => Self::NoAnswer { operation, reason: chain(&error) },
        }
    }

    /// Converts the error of an incomplete request, for `map_err`.
    pub(crate) fn not_sent(operation: &'static str) -> impl FnOnce(BuildError) -> Self {
        move |error| Self::NotSent { operation, reason: chain(&error) }
    }
}

/// Writes an error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::ConnectorError;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_sdk_dynamodb::types::Update;

    use super::*;

    fn error(error: SdkError<GetItemError, HttpResponse>) -> String {
        StoreError::of("GetItem")(error).to_string()
    }

    #[test]
    fn an_error_keeps_the_whole_chain_of_its_causes() {
        let cause = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let text = error(SdkError::dispatch_failure(ConnectorError::io(cause.into())));
        assert!(text.starts_with("GetItem failed: dispatch failure: "), "{text}");
        assert!(text.ends_with(": connection refused"), "{text}");
    }

    #[test]
    fn a_request_that_could_not_be_built_is_reported_as_not_sent() {
        let text = error(SdkError::construction_failure("no region"));
        assert!(text.starts_with("GetItem was not sent: "), "{text}");
        let incomplete = Update::builder().build().map_err(StoreError::not_sent("GetItem"));
        let text = incomplete.unwrap_err().to_string();
        assert!(text.starts_with("GetItem was not sent: ") && text.contains("key"), "{text}");
    }
}

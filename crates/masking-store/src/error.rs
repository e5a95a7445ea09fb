//! What can go wrong between here and DynamoDB that nobody planned.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A table could not be read or written. Safe to log: it holds what failed and the
/// service's code for it, never the service's words, which may quote a value.
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
    /// There was no answer that could be understood; a write may have happened.
    #[error("{operation} failed: {reason}")]
    NoAnswer {
        /// The operation, such as `GetItem`.
        operation: &'static str,
        /// What the client reported: a timeout, a broken connection.
        reason: String,
    },
    /// A row does not have the form that this version of the code writes.
    #[error("a row of {table} has a form that this version does not know: {field}")]
    Malformed {
        /// Which table.
        table: &'static str,
        /// Which attribute, or that it could not be read at all.
        field: &'static str,
    },
}

impl StoreError {
    /// Takes an error of the SDK; made for `map_err`.
    pub(crate) fn of<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        move |error| match error.as_service_error() {
            Some(refusal) => Self::Refused {
                operation,
                code: refusal.code().unwrap_or("without a code").to_owned(),
            },
            None => Self::NoAnswer { operation, reason: chain(&error) },
        }
    }
}

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

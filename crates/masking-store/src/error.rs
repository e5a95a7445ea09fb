//! The errors of the tables.

use lambda_support::AwsError;

/// A table could not be read or written. Safe to log: it quotes no value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB refused the request or gave no answer. After no answer, a write may have
    /// been applied.
    #[error(transparent)]
    Request(#[from] AwsError),
    /// A row does not have the form that this version of the code writes.
    #[error("a row of {table} has a form that this version does not know: {field}")]
    Malformed {
        /// The table.
        table: &'static str,
        /// The attribute, or `(row)` if the row can't be read at all.
        field: &'static str,
    },
}

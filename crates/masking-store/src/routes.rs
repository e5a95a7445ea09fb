//! The routes table: reads the route of a call.

use aws_sdk_dynamodb::Client;
use lambda_support::AwsError;
use masking::{Number, PhoneHash, Route};

use crate::StoreError;
use crate::item::{read_route, string};

/// The access pattern of the routes table.
#[derive(Clone, Debug)]
pub struct Routes {
    client: Client,
    table: String,
}

impl Routes {
    /// Uses the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads the route of a caller's hash on a number, whether it is live or has ended.
    ///
    /// The read is strongly consistent. A stale read could ring a person who was just
    /// replaced, or miss an order that was just assigned.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the read or did not answer, or the row is malformed.
    pub async fn route(
        &self,
        number: &Number,
        caller: &PhoneHash,
    ) -> Result<Option<Route>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("number", string(number.as_str()))
            .key("caller", string(caller.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(AwsError::of("GetItem on Routes"))?;
        answer.item.map(read_route).transpose()
    }

    /// Opens the TLS connection with a first request. A function has a full processor while it
    /// starts, and only a fraction of one later. The request reads a row that does not exist
    /// and ignores errors, since the first call will show them.
    pub async fn warm_up(&self) {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.key("number", string("-")).key("caller", string("-"));
        let _ = request.send().await;
    }
}

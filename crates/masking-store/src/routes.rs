//! The routes table, as a call reads it.

use aws_sdk_dynamodb::Client;
use lambda_support::AwsError;
use masking::{Number, PhoneHash, Route};

use crate::StoreError;
use crate::item::{read_route, string};

/// The routes table.
#[derive(Clone, Debug)]
pub struct Routes {
    client: Client,
    table: String,
}

impl Routes {
    /// The table of that name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads the route of a caller on a number, be it live or over.
    ///
    /// The read is strongly consistent: an older row would ring a person who was
    /// just replaced, and miss an order that was just assigned.
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

    /// Makes the first request, which opens the connection and its TLS: while a
    /// function starts it has a full processor, later a fraction of one. What is
    /// read does not exist, and whether it can be read shows with the first call.
    pub async fn warm_up(&self) {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.key("number", string("-")).key("caller", string("-"));
        let _ = request.send().await;
    }
}

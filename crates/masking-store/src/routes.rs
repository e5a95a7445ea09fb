//! The routes table: reads the route of a call, and whether a number has any.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::Select;
use lambda_support::AwsError;
use masking::{Number, PhoneHash, Route, Timestamp};

use crate::StoreError;
use crate::item::{moment, read_route, string};

/// The access patterns of the routes table.
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

    /// Asks whether anybody has a route on a number that is live or cools down, with a
    /// strongly consistent read. Reads no phone.
    ///
    /// # Errors
    ///
    /// DynamoDB refused the read or did not answer.
    pub async fn in_use(&self, number: &Number, now: Timestamp) -> Result<bool, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#number = :number")
            .filter_expression("reusable_at > :now")
            // Its rights name these attributes, and that no others are asked for.
            .select(Select::SpecificAttributes)
            .projection_expression("#number, caller, reusable_at")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":number", string(number.as_str()))
            .expression_attribute_values(":now", moment(now))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        match pages.next().await {
            None => Ok(false),
            Some(row) => {
                row.map_err(AwsError::of("Query on Routes"))?;
                Ok(true)
            }
        }
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

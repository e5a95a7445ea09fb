//! Rows of DynamoDB's tables, as tests look at them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

/// A row of a table.
pub type Row = std::collections::HashMap<String, AttributeValue>;

/// All rows of a table.
pub async fn rows(client: &Client, table: &str) -> Vec<Row> {
    let mut pages = client.scan().table_name(table).into_paginator().items().send();
    let mut rows = Vec::new();
    while let Some(row) = pages.next().await {
        rows.push(row.expect("the table can be read"));
    }
    rows
}

/// An attribute that is a text, or a number as text.
pub fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    match row.get(name)? {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text),
        _ => None,
    }
}

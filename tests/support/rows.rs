//! Rows of the tables in DynamoDB's JSON, the form in which all tests read them.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

/// A row: its attributes in DynamoDB's JSON, such as `{"S": "o-1"}`.
pub type Row = Map<String, Value>;

/// All rows of a table.
///
/// # Errors
///
/// The request fails.
pub async fn scan(client: &Client, table: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let scan = client.scan().table_name(table).consistent_read(true);
    let mut items = scan.into_paginator().items().send();
    let mut rows = Vec::new();
    while let Some(item) = items.next().await {
        rows.push(item?.iter().map(|(name, value)| (name.clone(), to_json(value))).collect());
    }
    Ok(rows)
}

fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::L(values) => json!({"L": values.iter().map(to_json).collect::<Vec<_>>()}),
        AttributeValue::M(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), to_json(value)));
            json!({"M": fields.collect::<Row>()})
        }
        other => json!({"another type": format!("{other:?}")}),
    }
}

/// An attribute that is a string, or a number as text.
pub fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    let value = row.get(name)?;
    value.get("S").or_else(|| value.get("N"))?.as_str()
}

/// The same, or an empty text.
pub fn word<'a>(row: &'a Row, name: &str) -> &'a str {
    text(row, name).unwrap_or_default()
}

/// An attribute that is a whole number, or zero.
pub fn amount(row: &Row, name: &str) -> u64 {
    word(row, name).parse().unwrap_or(0)
}

/// A participant in an order's row.
#[derive(Clone, Copy, Debug)]
pub struct Participant<'a> {
    pub role: &'a str,
    /// The virtual number that stands for the participant.
    pub number: &'a str,
    /// The hash of the participant's phone.
    pub caller: Option<&'a str>,
}

pub fn participants(order: &Row) -> impl Iterator<Item = Participant<'_>> {
    let list = order.get("participants").and_then(|it| it["L"].as_array());
    list.into_iter().flatten().filter_map(|it| it["M"].as_object()).map(|fields| Participant {
        role: word(fields, "role"),
        number: word(fields, "number"),
        caller: text(fields, "caller"),
    })
}

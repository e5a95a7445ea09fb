//! Rows of the tables in DynamoDB's own JSON, the one form in which tests look at them.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

/// A row of a table: its attributes as DynamoDB's JSON, such as `{"S": "o-1"}`.
pub type Row = Map<String, Value>;

/// All rows of a table.
///
/// # Errors
///
/// The table can't be read.
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

/// An attribute that is a text, or a number as text.
pub fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    let value = row.get(name)?;
    value.get("S").or_else(|| value.get("N"))?.as_str()
}

/// The same, empty where there is none.
pub fn word<'a>(row: &'a Row, name: &str) -> &'a str {
    text(row, name).unwrap_or_default()
}

/// An attribute that is a whole number; zero where there is none.
pub fn amount(row: &Row, name: &str) -> u64 {
    word(row, name).parse().unwrap_or(0)
}

/// A participant as an order's row has it.
#[derive(Clone, Copy, Debug)]
pub struct Participant<'a> {
    /// The role.
    pub role: &'a str,
    /// The number that stands for the participant.
    pub number: &'a str,
    /// The hash of the participant's phone.
    pub caller: Option<&'a str>,
}

/// The participants of an order's row.
pub fn participants(order: &Row) -> impl Iterator<Item = Participant<'_>> {
    let list = order.get("participants").and_then(|it| it["L"].as_array());
    list.into_iter().flatten().filter_map(|it| it["M"].as_object()).map(|fields| Participant {
        role: word(fields, "role"),
        number: word(fields, "number"),
        caller: text(fields, "caller"),
    })
}

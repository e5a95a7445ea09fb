//! Renders the condition of a write as an expression of DynamoDB, with the names and values
//! that the expression uses.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use masking::{Condition, Fact, StateKind, Unassigned};

use crate::item::{moment, number, string};

/// The partition key of the table that is written. Conditions on absence name it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    /// The key of the orders table.
    OrderId,
    /// The key of the tables of numbers and routes.
    Number,
}

/// Adds a condition to a write.
pub(crate) fn conditioned(
    mut update: UpdateBuilder,
    key: Key,
    condition: &Condition<'_>,
) -> UpdateBuilder {
    for fact in condition.facts() {
        let term = Term::of(&fact, key);
        if let Some((placeholder, name)) = term.name {
            update = update.expression_attribute_names(placeholder, name);
        }
        if let Some((placeholder, value)) = term.value {
            update = update.expression_attribute_values(placeholder, value);
        }
    }
    update.condition_expression(text(condition, key))
}

/// Renders the expression of a condition, with nested lists in parentheses.
fn text(condition: &Condition<'_>, key: Key) -> String {
    let joined = |parts: &[Condition<'_>], word| {
        let inner = |part: &Condition<'_>| match part {
            Condition::Is(_) => text(part, key),
            Condition::All(_) | Condition::Any(_) => format!("({})", text(part, key)),
        };
        parts.iter().map(inner).collect::<Vec<_>>().join(word)
    };
    match condition {
        Condition::All(parts) => joined(parts, " AND "),
        Condition::Any(parts) => joined(parts, " OR "),
        Condition::Is(fact) => Term::of(fact, key).text.to_owned(),
    }
}

/// A fact as an expression of DynamoDB, with its placeholders for a name and a value. Names
/// that are reserved words of DynamoDB need a placeholder.
struct Term {
    text: &'static str,
    name: Option<(&'static str, &'static str)>,
    value: Option<(&'static str, AttributeValue)>,
}

impl Term {
    fn of(fact: &Fact<'_>, key: Key) -> Self {
        let term = |text| Self { text, name: None, value: None };
        let named =
            |text, placeholder, name| Self { name: Some((placeholder, name)), ..term(text) };
        let valued =
            |value: (&'static str, AttributeValue), term| Self { value: Some(value), ..term };
        match (fact, key) {
            (Fact::Absent, Key::OrderId) => term("attribute_not_exists(order_id)"),
            (Fact::Absent, Key::Number) => {
                named("attribute_not_exists(#number)", "#number", "number")
            }
            (Fact::InCirculation, _) => term("attribute_exists(pool_shard)"),
            (Fact::FreeAt(now), _) => valued((":now", moment(*now)), term("available_at <= :now")),
            (Fact::ReusableAt(now), _) => {
                valued((":now", moment(*now)), term("reusable_at <= :now"))
            }
            (Fact::OfOrder(order_id), _) => {
                valued((":order_id", string(order_id.as_str())), term("order_id = :order_id"))
            }
            (Fact::AtRevision(revision), _) => valued(
                (":read", number(*revision)),
                named("#revision = :read", "#revision", "revision"),
            ),
            (Fact::Unassigned, _) => valued(
                (":unassigned", string(StateKind::Unassigned(Unassigned::ByEvent).as_str())),
                named("#state = :unassigned", "#state", "state"),
            ),
            (Fact::VersionBelow(version), _) => valued(
                (":version", number(*version)),
                named("#version < :version", "#version", "version"),
            ),
            (Fact::WithoutPool, _) => named("attribute_not_exists(#pool)", "#pool", "pool"),
            (Fact::OfPool(pool), _) => {
                valued((":pool", string(pool.as_str())), named("#pool = :pool", "#pool", "pool"))
            }
        }
    }
}

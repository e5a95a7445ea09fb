//! Converts rows of DynamoDB to values of `masking` and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use masking::{
    Allocation, ClaimTerms, HeldNumber, Holding, Number, Order, OrderId, Phone, PhoneHash, PoolId,
    Role, Roles, Route, State, StateKind, Timestamp,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// A row in the SDK's form: attributes by name.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn moment(moment: Timestamp) -> AttributeValue {
    number(moment.seconds())
}

/// Parses a row into one of the structs that mirror it.
pub(crate) fn read<T: DeserializeOwned>(item: Item, table: &'static str) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|_| StoreError::Malformed { table, field: "(row)" })
}

#[derive(Deserialize)]
struct OrderItem {
    order_id: String,
    state: String,
    last_event: String,
    version: u64,
    revision: u64,
    pool: Option<String>,
    #[serde(default)]
    participants: Vec<ParticipantItem>,
    expires_at: Option<u64>,
    waiting: Option<bool>,
    allocation: Option<String>,
    cooldown_seconds: Option<u64>,
    grace_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct ParticipantItem {
    role: String,
    number: String,
    caller: Option<String>,
}

/// Parses the row of an order.
pub(crate) fn read_order(item: Item) -> Result<Order, StoreError> {
    let malformed = |field| StoreError::Malformed { table: "Orders", field };
    let item: OrderItem = read(item, "Orders")?;
    let state = match StateKind::parse(&item.state, &item.last_event) {
        Some(StateKind::Assigned) => {
            let allocation = item.allocation.as_deref().and_then(Allocation::parse);
            let allocation = allocation.ok_or_else(|| malformed("allocation"))?;
            State::Assigned(Holding {
                terms: ClaimTerms {
                    allocation,
                    cooldown_seconds: item
                        .cooldown_seconds
                        .ok_or_else(|| malformed("cooldown_seconds"))?,
                    grace_seconds: item.grace_seconds.ok_or_else(|| malformed("grace_seconds"))?,
                },
                participants: item
                    .participants
                    .into_iter()
                    .map(|it| {
                        Some(HeldNumber {
                            role: Role::parse(&it.role)?,
                            number: it.number.parse().ok()?,
                            caller: it.caller.map(PhoneHash::from_stored),
                        })
                    })
                    .collect::<Option<_>>()
                    .ok_or_else(|| malformed("participants"))?,
                expires_at: Timestamp::from_seconds(
                    item.expires_at.ok_or_else(|| malformed("expires_at"))?,
                ),
                waiting: item.waiting.unwrap_or(false),
            })
        }
        Some(StateKind::Unassigned(why)) => State::Unassigned(why),
        Some(StateKind::Closed(why)) => State::Closed(why),
        None => return Err(malformed("state")),
    };
    Ok(Order {
        order_id: OrderId::parse(&item.order_id).ok_or_else(|| malformed("order_id"))?,
        version: item.version,
        revision: item.revision,
        pool: match item.pool {
            Some(pool) => Some(PoolId::parse(&pool).ok_or_else(|| malformed("pool"))?),
            None => None,
        },
        state,
    })
}

/// Returns the attributes of an order's row, except its key and its revision. An attribute
/// that is `None` is removed from the row.
pub(crate) fn order_attributes(
    order: &Order,
    ttl: Timestamp,
) -> [(&'static str, Option<AttributeValue>); 11] {
    let kind = order.state.kind();
    let holding = match &order.state {
        State::Assigned(holding) => Some(holding),
        State::Unassigned(_) | State::Closed(_) => None,
    };
    let participants =
        holding.into_iter().flat_map(|it| &it.participants).map(participant_attribute).collect();
    let terms = holding.map(|it| it.terms);
    [
        ("state", Some(string(kind.as_str()))),
        ("last_event", Some(string(kind.last_event()))),
        ("version", Some(number(order.version))),
        ("pool", order.pool.as_ref().map(|pool| string(pool.as_str()))),
        ("participants", Some(AttributeValue::L(participants))),
        ("expires_at", holding.map(|it| moment(it.expires_at))),
        ("waiting", holding.filter(|it| it.waiting).map(|_| AttributeValue::Bool(true))),
        ("allocation", terms.map(|terms| string(terms.allocation.as_str()))),
        ("cooldown_seconds", terms.map(|terms| number(terms.cooldown_seconds))),
        ("grace_seconds", terms.map(|terms| number(terms.grace_seconds))),
        ("ttl", Some(moment(ttl))),
    ]
}

fn participant_attribute(held: &HeldNumber) -> AttributeValue {
    let mut fields = HashMap::from([
        ("role".to_owned(), string(held.role.as_str())),
        ("number".to_owned(), string(held.number.as_str())),
    ]);
    if let Some(caller) = &held.caller {
        fields.insert("caller".to_owned(), string(caller.as_str()));
    }
    AttributeValue::M(fields)
}

#[derive(Deserialize)]
struct RouteItem {
    connect_to: Option<String>,
    caller_id: String,
    order_id: String,
    caller_role: Option<String>,
    callee_role: Option<String>,
    expires_at: u64,
    reusable_at: u64,
}

/// Parses the row of a route.
pub(crate) fn read_route(item: Item) -> Result<Route, StoreError> {
    let malformed = |field| StoreError::Malformed { table: "Routes", field };
    let item: RouteItem = read(item, "Routes")?;
    let connect_to: Option<Phone> = match item.connect_to {
        Some(phone) => Some(phone.parse().map_err(|_| malformed("connect_to"))?),
        None => None,
    };
    let shown_number: Number = item.caller_id.parse().map_err(|_| malformed("caller_id"))?;
    Ok(Route {
        connect_to,
        shown_number,
        order_id: item.order_id,
        roles: roles(item.caller_role.as_deref(), item.callee_role.as_deref()),
        expires_at: Timestamp::from_seconds(item.expires_at),
        reusable_at: Timestamp::from_seconds(item.reusable_at),
    })
}

/// The roles of a route. Only what is told of a call depends on them, so a call is connected
/// without them.
fn roles(caller: Option<&str>, callee: Option<&str>) -> Option<Roles> {
    Some(Roles { caller: Role::parse(caller?)?, callee: Role::parse(callee?)? })
}

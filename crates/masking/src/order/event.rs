//! Parses order events: the JSON messages of the order system about an order.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::field::{self, Invalid};
use crate::{Phone, Timestamp};

/// The id of an order: 1 to 128 of `A–Z a–z 0–9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(String);

/// The role of a participant on an order, such as `customer`: `[a-z][a-z0-9_]{0,31}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role(String);

/// An event of the order system about one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// The order that the event is about.
    pub order_id: OrderId,
    /// Orders the events of one order: each has a higher version than the one before.
    pub version: u64,
    /// The type of the event, with its data.
    pub kind: EventKind,
}

/// An order event that is refused: which one, as far as that can be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invalid}")]
pub struct RefusedEvent {
    /// The order that the event is about, if the field is valid.
    pub order_id: Option<OrderId>,
    /// The version of the event, if the field is valid.
    pub version: Option<u64>,
    /// The wrong field.
    pub invalid: Invalid,
}

/// The type of an event, with the data of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The order exists. Its participants are not known yet.
    Created {
        /// The pool that the order will use, if the event names one.
        pool: Option<String>,
    },
    /// These participants are on the order.
    AgentAssigned(Assignment),
    /// Nobody is on the order for now.
    AgentUnassigned,
    /// The order ended as planned.
    Completed,
    /// The order ended early.
    Cancelled,
}

/// A queue of order events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderQueue {
    /// The queue of assign-numbers.
    Assign,
    /// The queue of release-numbers.
    Release,
}

/// The events that belong on the release queue, by their `type`.
const RELEASES: [(&str, EventKind); 3] = [
    ("order.agent_unassigned", EventKind::AgentUnassigned),
    ("order.completed", EventKind::Completed),
    ("order.cancelled", EventKind::Cancelled),
];

/// The participants of an order, and how long they keep their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The pool that the numbers come from, if the event names one.
    pub pool: Option<String>,
    /// When the order's numbers end, if the event has a time.
    pub expires_at: Option<Timestamp>,
    /// Two to five participants. All roles differ, and all phones.
    pub participants: Vec<Participant>,
}

/// A person on an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The person's role on the order.
    pub role: Role,
    /// The person's real phone.
    pub phone: Phone,
}

impl OrderId {
    /// Parses the id of an order.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
            });
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the id could be a phone that its sender put into the wrong field. Many ids are
    /// digits alone, and so is a phone without its `+`.
    pub fn may_be_a_phone(&self) -> bool {
        format!("+{}", self.0).parse::<Phone>().is_ok()
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Role {
    /// Parses a role.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let valid = text.len() <= 32
            && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the role as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OrderQueue {
    /// The queue that an event belongs on, by its `type`. What has no known type belongs on the
    /// assign queue, like any new order: there it is refused, with a reason.
    pub fn of(body: &str) -> Self {
        let release = || {
            let fields = field::message(body).ok()?;
            release(field::string(&fields, "type").ok()?)
        };
        if release().is_some() { Self::Release } else { Self::Assign }
    }

    /// Says of an event on another queue that it belongs on this one.
    pub fn instead(self) -> Invalid {
        let reason = match self {
            Self::Assign => "belongs on the assign queue",
            Self::Release => "belongs on the release queue",
        };
        Invalid::new("type", reason)
    }
}

impl OrderEvent {
    /// Parses an event. Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// Names the first wrong field.
    pub fn parse(body: &str) -> Result<Self, RefusedEvent> {
        let fields = field::message(body).map_err(|invalid| RefusedEvent {
            order_id: None,
            version: None,
            invalid,
        })?;
        let (order_id, version) = (order_id(&fields), field::unsigned(&fields, "version"));
        let parse = || -> Result<Self, Invalid> {
            let (order_id, version) = (order_id.clone()?, version.clone()?);
            Ok(Self { order_id, version, kind: kind(&fields)? })
        };
        parse().map_err(|invalid| RefusedEvent {
            order_id: order_id.ok(),
            version: version.ok(),
            invalid,
        })
    }

    /// Refuses the event, which can be read, because of a field that is wrong for the service
    /// or for the order.
    pub fn refuse(&self, invalid: Invalid) -> RefusedEvent {
        let (order_id, version) = (Some(self.order_id.clone()), Some(self.version));
        RefusedEvent { order_id, version, invalid }
    }
}

fn order_id(fields: &Map<String, Value>) -> Result<OrderId, Invalid> {
    OrderId::parse(field::string(fields, "order_id")?).ok_or_else(|| {
        Invalid::new("order_id", "must be 1 to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'")
    })
}

fn kind(fields: &Map<String, Value>) -> Result<EventKind, Invalid> {
    let name = field::string(fields, "type")?;
    match name {
        "order.created" => Ok(EventKind::Created { pool: pool(fields)? }),
        "order.agent_assigned" => Ok(EventKind::AgentAssigned(assignment(fields)?)),
        _ => release(name).ok_or_else(|| Invalid::new("type", "is not a known type of event")),
    }
}

fn release(name: &str) -> Option<EventKind> {
    RELEASES.into_iter().find_map(|(release, kind)| (release == name).then_some(kind))
}

fn pool(fields: &Map<String, Value>) -> Result<Option<String>, Invalid> {
    Ok(field::optional_string(fields, "pool")?.map(str::to_owned))
}

fn assignment(fields: &Map<String, Value>) -> Result<Assignment, Invalid> {
    let expires_at = field::optional_string(fields, "expires_at")?
        .map(|text| {
            Timestamp::parse(text).ok_or_else(|| {
                Invalid::new("expires_at", "must be an RFC 3339 date and time with its offset")
            })
        })
        .transpose()?;

    let entries = field::list(fields, "participants")?;
    if !(2..=5).contains(&entries.len()) {
        return Err(Invalid::new("participants", "must be 2 to 5"));
    }
    let (mut roles, mut phones) = (HashSet::new(), HashSet::new());
    let mut participants = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let name = format!("participants[{index}]");
        let Value::Object(fields) = entry else {
            return Err(Invalid::new(name, "must be a JSON object"));
        };
        let participant = participant(fields).map_err(|error| error.inside(&name))?;
        if !roles.insert(participant.role.clone()) {
            return Err(Invalid::new(format!("{name}.role"), "must differ from the others'"));
        }
        if !phones.insert(participant.phone.clone()) {
            return Err(Invalid::new(format!("{name}.phone"), "must differ from the others'"));
        }
        participants.push(participant);
    }
    Ok(Assignment { pool: pool(fields)?, expires_at, participants })
}

fn participant(fields: &Map<String, Value>) -> Result<Participant, Invalid> {
    let role = Role::parse(field::string(fields, "role")?).ok_or_else(|| {
        Invalid::new("role", "must begin with a-z and go on with up to 31 of a-z, 0-9 and _")
    })?;
    let phone: Phone = field::string(fields, "phone")?
        .parse()
        .map_err(|error: crate::NotE164| Invalid::new("phone", error.to_string()))?;
    Ok(Participant { role, phone })
}

#[cfg(test)]
mod tests;

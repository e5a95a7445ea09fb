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
mod tests {
    use serde_json::json;

    use super::*;

    fn assigned() -> Value {
        json!({
            "type": "order.agent_assigned", "order_id": "o-1", "version": 2, "pool": "id-jkt",
            "expires_at": "2026-11-23T10:00:00Z",
            "participants": [
                {"role": "customer", "phone": "+6281211112222"},
                {"role": "agent", "phone": "+6281333334444"},
            ],
        })
    }

    fn error(event: &Value) -> String {
        OrderEvent::parse(&event.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn reads_every_type_of_event() {
        for (name, kind) in [
            ("order.created", EventKind::Created { pool: None }),
            ("order.agent_unassigned", EventKind::AgentUnassigned),
            ("order.completed", EventKind::Completed),
            ("order.cancelled", EventKind::Cancelled),
        ] {
            let event = json!({"type": name, "order_id": "o-1", "version": u64::MAX, "new": 1});
            let event = OrderEvent::parse(&event.to_string()).unwrap();
            assert_eq!((event.version, event.kind), (u64::MAX, kind));
        }
        let event = OrderEvent::parse(&assigned().to_string()).unwrap();
        let EventKind::AgentAssigned(assignment) = event.kind else { panic!("another kind") };
        assert_eq!(assignment.pool.as_deref(), Some("id-jkt"));
        assert_eq!(assignment.expires_at.unwrap().to_string(), "2026-11-23T10:00:00Z");
        assert_eq!(assignment.participants[1].role.as_str(), "agent");
        assert_eq!(assignment.participants[1].phone.reveal(), "+6281333334444");
    }

    #[test]
    fn an_event_is_on_the_queue_of_its_type_whatever_else_is_wrong_with_it() {
        for name in ["agent_unassigned", "completed", "cancelled"] {
            let body = json!({"type": format!("order.{name}"), "version": "x"}).to_string();
            assert_eq!(OrderQueue::of(&body), OrderQueue::Release, "{name}");
        }
        for name in ["order.created", "order.agent_assigned", "order.paused", "completed", ""] {
            let body = json!({"type": name}).to_string();
            assert_eq!(OrderQueue::of(&body), OrderQueue::Assign, "{name}");
        }
        for body in ["", "{}", "[]", "null", "x", r#"{"type":7}"#, r#"{"type":"order.completed""#] {
            assert_eq!(OrderQueue::of(body), OrderQueue::Assign, "{body}");
        }
    }

    #[test]
    fn an_error_names_the_field_and_hides_its_value() {
        let phone = json!("+6281299998888");
        for field in ["type", "order_id", "version", "expires_at", "participants"] {
            let mut event = assigned();
            event[field] = phone.clone();
            let error = error(&event);
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
            assert!(!error.contains("8129999"), "{error}");
        }
        for field in ["role", "phone"] {
            let mut event = assigned();
            event["participants"][1][field] = json!("6281299998888");
            let error = error(&event);
            assert!(error.starts_with(&format!("participants[1].{field}: ")), "{error}");
            assert!(!error.contains("8129999"), "{error}");
        }
    }

    #[test]
    fn an_error_names_a_missing_field() {
        for field in ["type", "order_id", "version", "participants"] {
            let mut event = assigned();
            event.as_object_mut().unwrap().remove(field);
            assert_eq!(error(&event), format!("{field}: is missing"));
        }
        for field in ["role", "phone"] {
            let mut event = assigned();
            event["participants"][0].as_object_mut().unwrap().remove(field);
            assert_eq!(error(&event), format!("participants[0].{field}: is missing"));
        }
    }

    #[test]
    fn an_order_has_two_to_five_participants_whose_roles_and_phones_differ() {
        let people = |count: usize| -> Vec<Value> {
            (0..count)
                .map(|n| json!({"role": format!("role_{n}"), "phone": format!("+62812000000{n}")}))
                .collect()
        };
        let mut event = assigned();
        for count in 2..=5 {
            event["participants"] = people(count).into();
            assert!(OrderEvent::parse(&event.to_string()).is_ok(), "{count}");
        }
        for count in [0, 1, 6] {
            event["participants"] = people(count).into();
            assert_eq!(error(&event), "participants: must be 2 to 5");
        }
        for field in ["role", "phone"] {
            let mut event = assigned();
            event["participants"][1][field] = event["participants"][0][field].clone();
            assert_eq!(
                error(&event),
                format!("participants[1].{field}: must differ from the others'")
            );
        }
    }

    #[test]
    fn a_body_that_is_not_a_json_object_is_refused() {
        for (body, reason) in
            [("", "must be JSON"), ("{", "must be JSON"), ("[]", "must be a JSON object")]
        {
            assert_eq!(OrderEvent::parse(body).unwrap_err().to_string(), format!("body: {reason}"));
        }
    }

    #[test]
    fn an_id_of_digits_may_be_a_phone() {
        for (id, may_be) in [
            ("6281299998888", true),
            ("1234567", false),
            ("o-6281299998888", false),
            ("0812999988", false),
        ] {
            assert_eq!(OrderId::parse(id).unwrap().may_be_a_phone(), may_be, "{id}");
        }
    }

    #[test]
    fn the_id_of_an_order_is_shown_as_it_came() {
        let order_id = OrderId::parse("o-1:A_b.c").unwrap();
        assert_eq!((order_id.as_str(), order_id.to_string().as_str()), ("o-1:A_b.c", "o-1:A_b.c"));
    }

    #[test]
    fn a_refused_event_says_which_one_it_is_as_far_as_that_can_be_read() {
        for (field, known) in [
            ("order_id", (None, Some(2))),
            ("version", (Some("o-1"), None)),
            ("type", (Some("o-1"), Some(2))),
        ] {
            let mut event = assigned();
            event[field] = Value::Null;
            let refused = OrderEvent::parse(&event.to_string()).unwrap_err();
            assert_eq!((refused.order_id.as_ref().map(OrderId::as_str), refused.version), known);
            assert_eq!(refused.to_string(), format!("{field}: is missing"));
        }
    }
}

//! Announcements: the messages to the order system about an order's numbers. They have no
//! field for a real phone.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Invalid, Number, OrderId, PoolId, RefusedEvent, Role, Timestamp};

/// A message to the order system about an order's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The order holds these numbers. The list of participants is complete.
    Assigned {
        /// The order that the announcement is about.
        order_id: OrderId,
        /// The version of the order's row.
        version: u64,
        /// The pool that the numbers come from.
        pool: Option<PoolId>,
        /// When the numbers end; apps must not show them any longer.
        expires_at: Timestamp,
        /// The roles, with the number that stands for each.
        participants: Vec<ParticipantNumber>,
    },
    /// The order holds no numbers.
    Released {
        /// The order that the announcement is about.
        order_id: OrderId,
        /// The version of the order's row.
        version: u64,
        /// Why the order holds no numbers.
        reason: ReleaseReason,
    },
    /// The pool has too few free numbers, and the event waits for them.
    Unavailable {
        /// The order that the announcement is about.
        order_id: OrderId,
        /// The version of the event that waits.
        version: u64,
        /// The pool that is dry.
        pool: PoolId,
    },
    /// An event went to the dead-letter queue because of a wrong field. This says nothing about
    /// what the order holds.
    Refused {
        /// The order that the event is about.
        order_id: OrderId,
        /// The version of the event.
        version: u64,
        /// The wrong field, and the reason.
        invalid: Invalid,
    },
}

/// The role of a participant, and the number that stands for it, as announced. (The row's
/// `HeldNumber` also has the caller's hash, which must not be announced.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantNumber {
    /// The role that the number stands for.
    pub role: Role,
    /// The number that the other participants dial and see.
    pub number: Number,
}

/// Why an order holds no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseReason {
    /// An event took the participants off the order.
    Unassigned,
    /// The order ended as planned.
    Completed,
    /// The order ended early.
    Cancelled,
    /// The assignment has expired, or had expired when its event arrived.
    Expired,
}

impl Announcement {
    /// The announcement of a refused event, if its order and version can be read.
    pub fn of_refused(event: &RefusedEvent) -> Option<Self> {
        Some(Self::Refused {
            order_id: event.order_id.clone()?,
            version: event.version?,
            invalid: event.invalid.clone(),
        })
    }

    /// Returns the body of the message, as `docs/contract.md` has it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Assigned { order_id, version, pool, expires_at, participants } => json!({
                "type": "numbers.assigned",
                "order_id": order_id.as_str(),
                "version": version,
                "pool": pool.as_ref().map(PoolId::as_str),
                "expires_at": expires_at.to_string(),
                "participants": participants
                    .iter()
                    .map(|it| json!({"role": it.role.as_str(), "number": it.number.as_str()}))
                    .collect::<Vec<_>>(),
            }),
            Self::Released { order_id, version, reason } => json!({
                "type": "numbers.released",
                "order_id": order_id.as_str(),
                "version": version,
                "reason": reason,
            }),
            Self::Unavailable { order_id, version, pool } => json!({
                "type": "numbers.unavailable",
                "order_id": order_id.as_str(),
                "version": version,
                "pool": pool.as_str(),
            }),
            Self::Refused { order_id, version, invalid } => json!({
                "type": "numbers.refused",
                "order_id": order_id.as_str(),
                "version": version,
                "field": invalid.field,
                "reason": invalid.reason,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OrderEvent;

    #[test]
    fn the_body_is_that_of_the_contract() {
        let order_id = OrderId::parse("o-1").unwrap();
        let assigned = Announcement::Assigned {
            order_id: order_id.clone(),
            version: 2,
            pool: PoolId::parse("id-jkt"),
            expires_at: Timestamp::parse("2026-11-23T10:00:00Z").unwrap(),
            participants: vec![ParticipantNumber {
                role: Role::parse("customer").unwrap(),
                number: "+622150001".parse().unwrap(),
            }],
        };
        let released = Announcement::Released {
            order_id: order_id.clone(),
            version: 4,
            reason: ReleaseReason::Completed,
        };
        let pool = PoolId::parse("id-jkt").unwrap();
        let unavailable = Announcement::Unavailable { order_id, version: 2, pool };
        for (announcement, body) in [
            (
                assigned,
                json!({"type": "numbers.assigned", "order_id": "o-1", "version": 2,
                       "pool": "id-jkt", "expires_at": "2026-11-23T10:00:00Z",
                       "participants": [{"role": "customer", "number": "+622150001"}]}),
            ),
            (
                released,
                json!({"type": "numbers.released", "order_id": "o-1", "version": 4,
                       "reason": "completed"}),
            ),
            (
                unavailable,
                json!({"type": "numbers.unavailable", "order_id": "o-1", "version": 2,
                       "pool": "id-jkt"}),
            ),
        ] {
            assert_eq!(announcement.to_json(), body);
        }
    }

    #[test]
    fn a_refused_event_is_announced_if_its_order_and_version_can_be_read() {
        let announced = |event: &Value| {
            let refused = OrderEvent::parse(&event.to_string()).unwrap_err();
            Announcement::of_refused(&refused).map(|it| it.to_json())
        };
        let event = json!({"type": "order.paid", "order_id": "o-1", "version": 2});
        let refused = json!({
            "type": "numbers.refused", "order_id": "o-1", "version": 2,
            "field": "type", "reason": "is not a known type of event",
        });
        assert_eq!(announced(&event), Some(refused));
        for field in ["order_id", "version"] {
            let mut event = event.clone();
            event[field] = Value::Null;
            assert_eq!(announced(&event), None);
        }
        assert_eq!(announced(&json!("order")), None);
    }
}

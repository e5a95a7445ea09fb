//! Announcements: what the order system, and through it its apps, are told about
//! an order's numbers. No real phone fits into one.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{Number, OrderId, PoolId, Role, Timestamp};

/// News about an order's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// These numbers stand for the participants; the list is complete.
    Assigned {
        /// The order.
        order_id: OrderId,
        /// The version of the order's row.
        version: u64,
        /// The pool that the numbers are of.
        pool: Option<PoolId>,
        /// Until when the numbers may be shown.
        expires_at: Timestamp,
        /// Which number stands for whom.
        participants: Vec<ParticipantNumber>,
    },
    /// The order holds no numbers.
    Released {
        /// The order.
        order_id: OrderId,
        /// The version of the order's row.
        version: u64,
        /// Why it holds none.
        reason: ReleaseReason,
    },
    /// The pool had too few free numbers; the event waits.
    Unavailable {
        /// The order.
        order_id: OrderId,
        /// The version of the event that waits.
        version: u64,
        /// The pool that is dry.
        pool: PoolId,
    },
}

/// The number that stands for a role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantNumber {
    /// The role.
    pub role: Role,
    /// The number that the others dial, and see.
    pub number: Number,
}

/// Why an order holds no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseReason {
    /// Its people were taken off.
    Unassigned,
    /// It is over, well.
    Completed,
    /// It is over, for another reason.
    Cancelled,
    /// Its assignment was over when it came.
    Expired,
}

impl Announcement {
    /// The body of the message.
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
        }
    }
}

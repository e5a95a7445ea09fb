//! What became of an order event, in the journal's words.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use journal::Event;
use lambda_support::sqs::{Fate, Wait};
use masking::{Announcement, EventKind, Ignored, OrderEvent, ReleaseReason};

use crate::{Effort, Verdict};

/// What is known of an event when its verdict is performed, beside the verdict.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The event, if it could be parsed.
    pub event: Option<OrderEvent>,
    /// What was done for it.
    pub effort: Effort,
    /// How long it had waited for numbers, if it had.
    pub waited: Option<Wait>,
}

impl Story {
    /// The story of an event that was only parsed.
    pub fn of(event: OrderEvent) -> Self {
        Self { event: Some(event), ..Self::default() }
    }

    /// The journal's line of the event. `now` is in milliseconds since the Unix epoch.
    pub fn line(&self, message: &SqsMessage, verdict: &Verdict, now: u64, took: Duration) -> Event {
        let kind = self.event.as_ref().map_or(journal::UNKNOWN, |event| type_of(&event.kind));
        let mut line = Event::new(kind, self.outcome(verdict), took);
        line.order_id = self.order_id(verdict);
        line.version = self.event.as_ref().map(|event| event.version);
        line.stored_version = self.effort.ignored.map(|(_, stored)| stored);
        line.tries = self.effort.tries.into();
        line.conflicts = self.effort.conflicts.into();
        if let Some(pool) = &self.effort.pool {
            line.pool = pool.to_string();
        }
        if let Fate::Refuse(refusal) = &verdict.fate {
            line.field = Some(refusal.field.clone());
        }
        if let Some(Announcement::Assigned { participants, .. }) = &verdict.announcement {
            line.roles = participants.iter().map(|it| it.role.as_str().to_owned()).collect();
            line.numbers = participants.iter().map(|it| it.number.as_str().to_owned()).collect();
            if self.effort.wrote {
                line.to_numbers = sent_at(message, self.waited)
                    .map(|sent| Duration::from_millis(now.saturating_sub(sent)));
            }
        }
        line
    }

    fn order_id(&self, verdict: &Verdict) -> Option<String> {
        if let Fate::Refuse(refusal) = &verdict.fate {
            return refusal.order_id.clone();
        }
        let order_id = &self.event.as_ref()?.order_id;
        (!order_id.may_be_a_phone()).then(|| order_id.as_str().to_owned())
    }

    fn outcome(&self, verdict: &Verdict) -> &'static str {
        match (&verdict.fate, &verdict.announcement) {
            (Fate::Wait(_), _) => "waiting",
            (Fate::Again, _) => "retried",
            (Fate::Refuse(_), Some(Announcement::Unavailable { .. })) => "given_up",
            (Fate::Refuse(_), _) => "refused",
            (Fate::Done, Some(announcement)) => self.done(announcement),
            (Fate::Done, None) => self.effort.ignored.map_or("noted", |(why, _)| match why {
                Ignored::Closed => "closed_before",
                Ignored::Stale => "stale",
                Ignored::SameVersion => "same_version",
            }),
        }
    }

    /// The word for an event after which its order's row was announced.
    fn done(&self, announcement: &Announcement) -> &'static str {
        match announcement {
            _ if !self.effort.wrote => "duplicate",
            Announcement::Assigned { .. } if self.effort.held_before => "amended",
            Announcement::Assigned { .. } => "assigned",
            Announcement::Released { reason, .. } => match reason {
                ReleaseReason::Unassigned => "released",
                ReleaseReason::Completed | ReleaseReason::Cancelled => "closed",
                ReleaseReason::Expired => "expired",
            },
            Announcement::Unavailable { .. } => "waiting",
            Announcement::Refused { .. } => "refused",
        }
    }
}

fn type_of(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Created { .. } => "order.created",
        EventKind::AgentAssigned(_) => "order.agent_assigned",
        EventKind::AgentUnassigned => "order.agent_unassigned",
        EventKind::Completed => "order.completed",
        EventKind::Cancelled => "order.cancelled",
    }
}

/// When the event was sent, in milliseconds since the Unix epoch. The copy of an event on the
/// waiting queue is sent anew, and says since when it has waited.
fn sent_at(message: &SqsMessage, waited: Option<Wait>) -> Option<u64> {
    match waited {
        Some(wait) => Some(wait.since.saturating_mul(1000)),
        None => message.attributes.get("SentTimestamp")?.parse().ok(),
    }
}

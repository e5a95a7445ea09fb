//! From a batch of order events to what is announced about each.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_support::Secret;
use lambda_support::sqs::{self, Outcome};
use masking::{
    Announcement, Asked, Assignment, CallerKey, EventKind, Invalid, OrderEvent, OrderId, Person,
    Pool, Pools, Wish,
};
use masking_store::{Numbers, Orders};
use order_events::{Applied, Clock, Intake, Step, apply};

use crate::stock::Stock;
use crate::{LowWater, Rosters};

/// What the function works with, made once while it starts.
#[expect(missing_debug_implementations, reason = "the clock has none")]
pub struct AssignNumbers {
    /// The pools of the stack.
    pub pools: Pools,
    /// The numbers table, to look for free ones.
    pub numbers: Numbers,
    /// The numbers of shared pools.
    pub rosters: Rosters,
    /// The three tables, to write a step of an order.
    pub orders: Orders,
    /// The key of the caller hash; nothing while it can't be read.
    pub caller_key: Secret<CallerKey>,
    /// Where events come from and announcements go.
    pub intake: Intake,
    /// Who is told that a pool runs low.
    pub low_water: LowWater,
    /// The time.
    pub clock: Box<Clock>,
    /// The waits for a dry pool that this environment has announced.
    pub announced_waits: Mutex<HashSet<(OrderId, u64)>>,
}

/// How long an event waits for a dry pool before it is given up.
const LONGEST_WAIT_SECONDS: u64 = 3600;
/// More waits than this at a time are announced again.
const WAITS_REMEMBERED: usize = 10_000;

/// Handles a batch. Events that are to come again are the batch's failures.
pub async fn handle(function: &AssignNumbers, event: SqsEvent) -> SqsBatchResponse {
    let batch = Batch {
        function,
        caller_key: match function.caller_key.current().await {
            Some(caller_key) => Some(caller_key),
            None => function.caller_key.fresh().await,
        },
        stock: Stock::new(&function.numbers, &function.rosters, (function.clock)()),
    };
    let response = sqs::for_each(event, async |message| batch.handle(message).await).await;
    function.low_water.signal(batch.stock.low_pools()).await;
    response
}

/// What the events of one batch share.
struct Batch<'a> {
    function: &'a AssignNumbers,
    caller_key: Option<CallerKey>,
    stock: Stock<'a>,
}

impl Batch<'_> {
    async fn handle(&self, message: &SqsMessage) -> Outcome {
        match Intake::read(message) {
            Ok(event) => self.handle_event(message, &event).await,
            Err(why) => self.function.intake.refuse(message, &why).await,
        }
    }

    async fn handle_event(&self, message: &SqsMessage, event: &OrderEvent) -> Outcome {
        let pool = match &event.kind {
            EventKind::Created { pool } | EventKind::AgentAssigned(Assignment { pool, .. }) => {
                self.function.pools.named(pool.as_deref())
            }
            EventKind::AgentUnassigned | EventKind::Completed | EventKind::Cancelled => {
                Err(Invalid::new("type", "belongs on the release queue"))
            }
        };
        match (pool, &event.kind) {
            (Err(why), _) => self.function.intake.refuse(message, &why).await,
            (Ok(pool), EventKind::AgentAssigned(assignment)) => {
                self.assign(message, event, pool, assignment).await
            }
            (Ok(pool), _) => self.look_ahead(message, pool).await,
        }
    }

    /// An order exists: looks whether its pool runs low while there is time.
    async fn look_ahead(&self, message: &SqsMessage, pool: &Pool) -> Outcome {
        match self.stock.look(pool).await {
            Ok(()) => Outcome::Done,
            Err(error) => self.function.intake.not_applied(message, error.into()).await,
        }
    }

    async fn assign(
        &self,
        message: &SqsMessage,
        event: &OrderEvent,
        pool: &Pool,
        assignment: &Assignment,
    ) -> Outcome {
        let intake = &self.function.intake;
        let Some(caller_key) = &self.caller_key else {
            tracing::error!(
                "the service's secret has no usable caller_key: nothing can be assigned"
            );
            return intake.again_later(message).await;
        };
        let people = assignment.participants.iter().map(|participant| Person {
            role: participant.role.clone(),
            caller: caller_key.caller(&participant.phone),
            phone: participant.phone.clone(),
        });
        let wish = Wish { pool, expires_at: assignment.expires_at, people: people.collect() };
        let step =
            Step { order_id: &event.order_id, version: event.version, asked: Asked::Assign(wish) };

        let clock = &*self.function.clock;
        match apply(&self.function.orders, clock, &step, true, &self.stock).await {
            Ok(Applied::Says(announcement)) => intake.announce(message, &announcement).await,
            Ok(Applied::Ignored) => Outcome::Done,
            Ok(Applied::Dry) => self.wait_for_numbers(message, event, pool).await,
            Err(error) => intake.not_applied(message, error).await,
        }
    }

    /// The pool is dry: says so once, and lets the event come again for an hour.
    async fn wait_for_numbers(
        &self,
        message: &SqsMessage,
        event: &OrderEvent,
        pool: &Pool,
    ) -> Outcome {
        let intake = &self.function.intake;
        tracing::warn!(pool = %pool.id, "pool is dry");

        let now = (self.function.clock)().seconds();
        let since = sqs::first_received_at(message).unwrap_or(now);
        let given_up = since.saturating_add(LONGEST_WAIT_SECONDS) <= now;
        if given_up || self.is_news(event) {
            let announcement = Announcement::Unavailable {
                order_id: event.order_id.clone(),
                version: event.version,
                pool: pool.id.clone(),
            };
            if intake.announce(message, &announcement).await == Outcome::Again {
                self.forget(event);
                return Outcome::Again;
            }
        }
        if given_up {
            self.forget(event);
            let why = Invalid::new("pool", "had too few free numbers for an hour");
            return intake.refuse(message, &why).await;
        }
        intake.again_later(message).await
    }

    /// Whether this environment has not yet announced that the event waits. (The
    /// count of deliveries would not do: an earlier one may have died before it
    /// came to the pool.)
    fn is_news(&self, event: &OrderEvent) -> bool {
        let mut announced =
            self.function.announced_waits.lock().unwrap_or_else(PoisonError::into_inner);
        if WAITS_REMEMBERED <= announced.len() {
            announced.clear();
        }
        announced.insert((event.order_id.clone(), event.version))
    }

    fn forget(&self, event: &OrderEvent) {
        let mut announced =
            self.function.announced_waits.lock().unwrap_or_else(PoisonError::into_inner);
        announced.remove(&(event.order_id.clone(), event.version));
    }
}

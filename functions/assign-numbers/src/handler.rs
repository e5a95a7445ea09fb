//! Handles order events: decides the verdict on each, and has it carried out.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_support::sqs::{self, Delivery, Fate, Wait};
use masking::{
    Announcement, Assignment, AssignmentRequest, EventKind, Invalid, OrderEvent, OrderQueue,
    OrderRequest, Person, PhoneHashKey, Pool, PoolChoice, PoolId, Pools,
};
use order_events::{DryPool, Intake, Step, Story, Verdict, apply, refusal};
use tokio::time::Instant;

use crate::AssignNumbers;
use crate::stock::Stock;

/// How long an event waits for a dry pool before it is refused. The contract says an hour.
const LONGEST_WAIT_SECONDS: u64 = 3600;

/// The log message when an event waits for a dry pool. The template's `PoolDryFilter`
/// matches it.
const POOL_IS_DRY: &str = "pool is dry";

impl AssignNumbers {
    /// Handles a batch. The response lists the events that SQS is to deliver again.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let batch = Batch::new(self).await;
        let response = sqs::for_each(event, async |message| batch.handle(message).await).await;
        self.low_water.signal(batch.stock.low_pools()).await;
        response
    }
}

/// The state that the events of one batch share.
struct Batch<'a> {
    function: &'a AssignNumbers,
    caller_key: Option<PhoneHashKey>,
    stock: Stock<'a>,
}

impl<'a> Batch<'a> {
    async fn new(function: &'a AssignNumbers) -> Self {
        let caller_key = match function.caller_key.current().await {
            Some(caller_key) => Some(caller_key),
            None => function.caller_key.fresh().await,
        };
        let stock = Stock::new(function, function.now());
        Self { function, caller_key, stock }
    }

    /// Decides what happens to a message, and carries it out.
    async fn handle(&self, message: &SqsMessage) -> Delivery {
        let began = Instant::now();
        let (verdict, story) = self.judge(message).await;
        let delivery = self.function.intake.perform(message, &verdict).await;
        let now = self.function.clock.unix_millis();
        let mut line = story.line(message, &verdict, now, began.elapsed());
        if story.effort.wrote {
            line.free = self.stock.longest_free(&verdict, self.function.now());
        }
        self.function.journal.write(line);
        delivery
    }

    async fn judge(&self, message: &SqsMessage) -> (Verdict, Story) {
        let event = match Intake::read(message) {
            Ok(event) => event,
            Err(why) => return (Verdict::refuse(why), Story::default()),
        };
        let pools = &self.function.pools;
        let why = match &event.kind {
            EventKind::Created { pool } => match pools.named(pool.as_deref()) {
                Ok(pool) => return (self.look_ahead(&event, pool).await, Story::of(event)),
                Err(why) => why,
            },
            EventKind::AgentAssigned(assignment) => match pool_choice(pools, assignment) {
                Ok(pool) => {
                    let (verdict, story) = self.assign(message, &event, pool, assignment).await;
                    return (verdict, Story { event: Some(event), ..story });
                }
                Err(why) => why,
            },
            EventKind::AgentUnassigned | EventKind::Completed | EventKind::Cancelled => {
                OrderQueue::Release.instead()
            }
        };
        (Verdict::refuse(event.refuse(why)), Story::of(event))
    }

    /// A new order will soon need numbers: checks whether its pool runs low, so that it
    /// can be refilled in time.
    async fn look_ahead(&self, event: &OrderEvent, pool: &Pool) -> Verdict {
        match self.stock.look(pool).await {
            Ok(()) => Verdict::silent(Fate::Done),
            Err(error) => Verdict::again(&error, &event.order_id),
        }
    }

    async fn assign(
        &self,
        message: &SqsMessage,
        event: &OrderEvent,
        pool: PoolChoice<'_>,
        assignment: &Assignment,
    ) -> (Verdict, Story) {
        let Some(caller_key) = &self.caller_key else {
            tracing::error!(
                "the service's secret has no usable caller_key: nothing can be assigned"
            );
            return (Verdict::silent(Fate::Again), Story::default());
        };
        let people = assignment.participants.iter().map(|participant| Person {
            role: participant.role.clone(),
            caller: caller_key.hash(&participant.phone),
            phone: participant.phone.clone(),
        });
        let request =
            AssignmentRequest { pool, expires_at: assignment.expires_at, people: people.collect() };
        let step = Step {
            order_id: &event.order_id,
            version: event.version,
            request: OrderRequest::Assign(request),
        };

        let (orders, clock) = (&self.function.orders, &self.function.clock);
        let waited = self.function.intake.waited(message, self.function.now().seconds());
        // An event that has waited reads its row first: if it was overtaken meanwhile, it does
        // not look for numbers.
        let blind = waited.is_none();
        let applied = apply(orders, clock, &step, blind, &self.stock).await;
        let mut effort = applied.effort.clone();
        let verdict = Verdict::of(applied, event).unwrap_or_else(|DryPool(pool)| {
            let verdict = self.wait_for_numbers(waited, event, &pool);
            effort.pool = Some(pool);
            verdict
        });
        (verdict, Story { event: None, effort, waited })
    }

    /// The pool is dry: has the event wait, for up to an hour from the first try that found it
    /// dry. Announces that when the wait begins, and when it is given up.
    fn wait_for_numbers(&self, waited: Option<Wait>, event: &OrderEvent, pool: &PoolId) -> Verdict {
        tracing::warn!(%pool, "{POOL_IS_DRY}");

        let now = self.function.now().seconds();
        let unavailable = || Announcement::Unavailable {
            order_id: event.order_id.clone(),
            version: event.version,
            pool: pool.clone(),
        };
        match waited {
            None => Verdict {
                announcement: Some(unavailable()),
                fate: Fate::Wait(Wait::beginning_at(now)),
            },
            Some(wait) if wait.since.saturating_add(LONGEST_WAIT_SECONDS) <= now => {
                let why = Invalid::new("pool", "had too few free numbers for an hour");
                Verdict { announcement: Some(unavailable()), fate: refusal(event.refuse(why)) }
            }
            Some(wait) => Verdict::silent(Fate::Wait(wait)),
        }
    }
}

/// The pool that an assignment chooses.
fn pool_choice<'a>(pools: &'a Pools, assignment: &Assignment) -> Result<PoolChoice<'a>, Invalid> {
    match assignment.pool.as_deref() {
        Some(name) => pools.named(Some(name)).map(PoolChoice::Named),
        None => Ok(PoolChoice::OrdersOwn(pools)),
    }
}

//! The function: decides the verdict on each order event, and has it carried out.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use journal::Journal;
use lambda_support::Clock;
use lambda_support::sqs::{self, Fate, SourceQueue};
use masking::{Closed, EventKind, OrderQueue, OrderRequest};
use masking_store::Orders;
use order_events::{Intake, NoCandidates, Step, Story, Verdict, apply};
use tokio::time::Instant;

use crate::Settings;

/// Takes the numbers of orders back.
#[derive(Debug)]
pub struct ReleaseNumbers {
    /// Reads and commits orders.
    orders: Orders,
    intake: Intake,
    clock: Clock,
    journal: Journal,
}

impl ReleaseNumbers {
    /// Makes the function from its settings, clients, clock and journal.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: aws_sdk_sqs::Client,
        clock: Clock,
        journal: Journal,
    ) -> Self {
        let queue =
            SourceQueue::new(sqs.clone(), settings.queue_url, settings.dead_letter_queue_url);
        Self {
            orders: Orders::new(dynamodb, settings.tables),
            intake: Intake::new(queue, sqs, settings.number_events_queue_url),
            clock,
            journal,
        }
    }

    /// Opens the connections, so that the first event does not wait for them.
    pub async fn warm_up(&self) {
        tokio::join!(self.orders.warm_up(), self.intake.warm_up());
    }

    /// Handles a batch. The response lists the events that SQS is to deliver again.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let handle = async |message: &SqsMessage| {
            let began = Instant::now();
            let (verdict, story) = self.judge(message).await;
            let delivery = self.intake.perform(message, &verdict).await;
            let line = story.line(message, &verdict, self.clock.unix_millis(), began.elapsed());
            self.journal.write(line);
            delivery
        };
        sqs::for_each(event, handle).await
    }

    async fn judge(&self, message: &SqsMessage) -> (Verdict, Story) {
        let event = match Intake::read(message) {
            Ok(event) => event,
            Err(why) => return (Verdict::refuse(why), Story::default()),
        };
        let request = match event.kind {
            EventKind::AgentUnassigned => OrderRequest::Unassign,
            EventKind::Completed => OrderRequest::Close(Closed::Completed),
            EventKind::Cancelled => OrderRequest::Close(Closed::Cancelled),
            EventKind::Created { .. } | EventKind::AgentAssigned(_) => {
                let why = OrderQueue::Assign.instead();
                return (Verdict::refuse(event.refuse(why)), Story::of(event));
            }
        };
        let step = Step { order_id: &event.order_id, version: event.version, request };
        let applied = apply(&self.orders, &self.clock, &step, false, &NoCandidates).await;
        let effort = applied.effort.clone();
        // A release takes no numbers, so it never finds a pool dry.
        let verdict = Verdict::of(applied, &event).unwrap_or_else(|_| Verdict::silent(Fate::Done));
        (verdict, Story { effort, ..Story::of(event) })
    }
}

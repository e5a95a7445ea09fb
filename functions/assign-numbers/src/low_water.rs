//! The signal to refill-pool that a pool runs low.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use lambda_support::{Clock, sqs};
use masking::PoolId;
use serde_json::json;
use tokio::time::Instant;

/// The shortest time between two signals for one pool.
const PAUSE: Duration = Duration::from_secs(10);

/// Signals to refill-pool that pools run low.
#[derive(Debug)]
pub(crate) struct LowWater {
    client: Client,
    refill_queue_url: String,
    clock: Clock,
    last: Mutex<HashMap<PoolId, Instant>>,
}

impl LowWater {
    /// Sends signals to the queue of refill-pool.
    pub(crate) fn new(client: Client, refill_queue_url: String, clock: Clock) -> Self {
        Self { client, refill_queue_url, clock, last: Mutex::default() }
    }

    /// Signals that these pools run low, each pool at most once in ten seconds. A failed
    /// signal is only logged, since the schedule checks all pools anyway.
    pub(crate) async fn signal(&self, pools: Vec<PoolId>) {
        for pool in pools.into_iter().filter(|pool| self.is_due(pool)) {
            // Other environments use the same id in the same ten seconds, so that the queue
            // drops their signals.
            let deduplication_id =
                format!("{pool}-{}", self.clock.unix_seconds() / PAUSE.as_secs());
            let body = json!({"type": "pool.check", "pool": pool.as_str()}).to_string();
            let (client, url) = (&self.client, &self.refill_queue_url);
            match sqs::send_in_group(client, url, pool.as_str(), deduplication_id, body).await {
                Ok(()) => tracing::info!(%pool, "asked for a refill"),
                Err(error) => tracing::warn!(%pool, %error, "could not ask for a refill"),
            }
        }
    }

    fn is_due(&self, pool: &PoolId) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(pool).is_some_and(|at| at.elapsed() < PAUSE) {
            return false;
        }
        last.insert(pool.clone(), Instant::now());
        true
    }
}

//! The signal that a pool runs low, to whoever refills it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use lambda_support::{Clock, sqs};
use masking::PoolId;
use serde_json::json;
use tokio::time::Instant;

/// One signal for each pool in this time is enough.
const PAUSE: Duration = Duration::from_secs(10);

/// Tells refill-pool that pools run low.
#[derive(Debug)]
pub(crate) struct LowWater {
    client: Client,
    refill_queue_url: String,
    clock: Clock,
    last: Mutex<HashMap<PoolId, Instant>>,
}

impl LowWater {
    /// Signals on that queue.
    pub(crate) fn new(client: Client, refill_queue_url: String, clock: Clock) -> Self {
        Self { client, refill_queue_url, clock, last: Mutex::default() }
    }

    /// Signals that these pools run low, each at most once in ten seconds. A signal
    /// that fails fails nothing: the schedule checks all pools anyway.
    pub(crate) async fn signal(&self, pools: Vec<PoolId>) {
        for pool in pools.into_iter().filter(|pool| self.is_due(pool)) {
            // The queue drops what other environments signal in the same ten seconds.
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

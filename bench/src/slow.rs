//! A cloud with latency. It refuses transactions that conflict, as DynamoDB does.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use support::cloud::{Cloud, Reply, Request, Service};
use support::wire::{Clients, Tries, connector};
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long requests take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Latency {
    /// Like DynamoDB and SQS in a Region.
    Real,
    /// The same for every request, to count round trips.
    Fixed,
}

/// Milliseconds of a request with [`Latency::Fixed`].
pub(crate) const FIXED: u64 = 100;

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its transactions are counted.
    Assigner,
    Other,
}

pub(crate) struct SlowCloud {
    pub(crate) cloud: Arc<Cloud>,
    /// Told of each message that a queue has received.
    pub(crate) sent: Notify,
    latency: Latency,
    state: Mutex<State>,
}

pub(crate) struct State {
    rng: Rng,
    /// The rows of transactions in progress.
    busy: HashSet<String>,
    /// How many transactions of assigners each order's row had.
    pub(crate) tries: HashMap<String, u64>,
}

impl SlowCloud {
    pub(crate) fn new(cloud: Arc<Cloud>, latency: Latency) -> Arc<Self> {
        let (rng, busy, tries) = (Rng::with_seed(1), HashSet::new(), HashMap::new());
        let state = Mutex::new(State { rng, busy, tries });
        Arc::new(Self { cloud, sent: Notify::new(), latency, state })
    }

    pub(crate) fn clients(self: &Arc<Self>, role: Role) -> Clients {
        let this = Arc::clone(self);
        let http = connector(move |request| {
            let this = Arc::clone(&this);
            async move { Ok(this.answer(role, request).await) }
        });
        Clients::over(http, Tries::AsDeployed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, role: Role, request: Request) -> Reply {
        let way = self.way(&request);
        let rows = rows(&request);
        let sends = request.operation == "SendMessage";
        let taken = {
            let mut state = self.state();
            if let (Role::Assigner, Some(order)) = (role, rows.first()) {
                *state.tries.entry(order.clone()).or_default() += 1;
            }
            let taken: Vec<bool> = rows.iter().map(|row| state.busy.contains(row)).collect();
            if !taken.contains(&true) {
                state.busy.extend(rows.iter().cloned());
            }
            taken
        };
        sleep(way).await;
        let reply = if taken.contains(&true) {
            Reply::conflict(taken)
        } else {
            let reply = self.cloud.answer(request);
            if sends {
                self.sent.notify_one();
            }
            let busy = &mut self.state().busy;
            for row in &rows {
                busy.remove(row);
            }
            reply
        };
        sleep(way).await;
        reply
    }

    /// How long a request, or its answer, is on its way.
    fn way(&self, request: &Request) -> Duration {
        let typical = match (self.latency, request.operation.as_str()) {
            (Latency::Fixed, _) => return Duration::from_millis(FIXED / 2),
            (Latency::Real, "GetItem" | "Query") => 4.0,
            (Latency::Real, "TransactWriteItems") => 25.0,
            (Latency::Real, _) => 6.0,
        };
        Duration::from_secs_f64(typical * (0.7 + 0.9 * self.state().rng.f64()) / 2000.0)
    }
}

/// The rows of a transaction. None for any other request.
fn rows(request: &Request) -> Vec<String> {
    if request.service != Service::DynamoDb || request.operation != "TransactWriteItems" {
        return Vec::new();
    }
    request.rows().into_iter().map(|(table, key)| format!("{table} {key}")).collect()
}

//! A stack of the simulation of refill: its cloud, and an environment of its functions for
//! each pool, which may die between any two requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use lambda_support::Clock;
use serde_json::{Value, json};
use support::cloud::{Cloud, Reply, Request, Service, Tables};
use support::events::{self, Queue};
use support::functions::{Functions, RENTAL_SECRET, given_secrets};
use support::story::provider_secret;
use support::wire::{Clients, Tries, connector};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::account::Account;
use super::schedule::Schedule;
use super::{MOST, PLACES, Place, STACKS, TARGET};

/// A cloud with empty tables, and the account in its secret.
pub(super) fn cloud(account: &Account, provider: &str) -> Arc<Cloud> {
    let cloud = Cloud::on(Tables::with_tokens());
    given_secrets(&cloud, &provider_secret());
    let secret = match provider {
        "twilio" => json!({"twilio": account.provider.twilio_part()}),
        _ => json!({"exotel": account.provider.exotel_part()}),
    };
    cloud.secrets.given(RENTAL_SECRET, Some(secret.to_string()));
    cloud
}

/// An environment of all functions, used for the messages of one pool.
pub(crate) struct Environment {
    place: Place,
    pools: Value,
    pub(super) cloud: Arc<Cloud>,
    account: Arc<Account>,
    life: Arc<Life>,
    functions: Functions,
}

/// What is left of an environment's life.
#[derive(Default)]
struct Life {
    steps: Mutex<Option<u32>>,
    died: Notify,
    /// The answers to queries of the index so far.
    pages: Mutex<HashMap<String, Vec<String>>>,
}

impl Environment {
    pub(super) fn new(
        place: Place,
        schedule: &Schedule,
        cloud: &Arc<Cloud>,
        account: &Arc<Account>,
    ) -> Self {
        let pools = pools(place.stack, schedule.provider);
        let life = Arc::new(Life::default());
        let functions = functions(place, &pools, cloud, account, &life);
        let (cloud, account) = (Arc::clone(cloud), Arc::clone(account));
        Self { place, pools, cloud, account, life, functions }
    }

    pub(super) fn dies_after(&self, steps: u32) {
        *self.life.steps() = Some(steps);
    }

    /// A new environment takes the place of one that died.
    pub(super) fn restart(&mut self) {
        self.life = Arc::new(Life::default());
        let Self { place, pools, cloud, account, life, .. } = self;
        self.functions = functions(*place, pools, cloud, account, life);
    }

    /// Checks the pool. `None` if the environment died.
    pub(super) async fn check(&self) -> Option<()> {
        self.tell(&json!({"type": "pool.check", "pool": self.place.pool})).await.map(drop)
    }

    /// Hands a pool message over. Returns whether it is done, or `None` if the environment
    /// died.
    pub(super) async fn tell(&self, body: &Value) -> Option<bool> {
        let batch = events::batch_of(Queue::Refill, [body.to_string()], self.account.now());
        let time = Duration::from_secs(115);
        let done = tokio::select! {
            again = self.functions.receive(Queue::Refill, batch, time) => Some(again.is_empty()),
            () = self.life.died.notified() => None,
        };
        *self.life.steps() = None;
        done
    }

    /// Hands an order event over.
    pub(super) async fn assign(&self, event: &Value) {
        let batch = events::batch_of(Queue::Assign, [event.to_string()], self.account.now());
        self.functions.receive(Queue::Assign, batch, Duration::from_secs(15)).await;
    }
}

impl Life {
    fn steps(&self) -> MutexGuard<'_, Option<u32>> {
        self.steps.lock().expect("nobody panicked")
    }

    /// Goes one step on, or never returns if it was the last.
    async fn step(&self) {
        let is_dead = {
            let mut steps = self.steps();
            if let Some(left) = steps.as_mut() {
                *left = left.saturating_sub(1);
            }
            *steps == Some(0)
        };
        if is_dead {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

fn functions(
    place: Place,
    pools: &Value,
    cloud: &Arc<Cloud>,
    account: &Arc<Account>,
    life: &Arc<Life>,
) -> Functions {
    let clock = {
        let account = Arc::clone(account);
        Clock::new(move || account.now())
    };
    let transport = {
        let life = Arc::clone(life);
        account.transport(place.stack, move || {
            let life = Arc::clone(&life);
            Box::pin(async move { life.step().await })
        })
    };
    let clients = {
        let (cloud, account, life) = (Arc::clone(cloud), Arc::clone(account), Arc::clone(life));
        connector(move |request| {
            answer(Arc::clone(&cloud), Arc::clone(&account), Arc::clone(&life), request)
        })
    };
    let clients = Clients::over(clients, Tries::AsDeployed);
    Functions::reaching(transport, &clients, pools, &clock, &[("STACK_NAME", STACKS[place.stack])])
}

/// Answers a request to AWS, late, not at all, or with a page of the past.
async fn answer(
    cloud: Arc<Cloud>,
    account: Arc<Account>,
    life: Arc<Life>,
    request: Request,
) -> Result<Reply, ConnectorError> {
    if request.service != Service::DynamoDb {
        return Ok(cloud.answer(request));
    }
    life.step().await;
    sleep(Duration::from_millis(5)).await;
    if account.fails() && account.fails() {
        return Err(ConnectorError::io("the request was lost".into()));
    }
    let is_index = request.operation == "Query" && request.body.get("IndexName").is_some();
    let key = request.body.to_string();
    let mut reply = cloud.answer(request);
    if is_index {
        let mut pages = life.pages.lock().expect("nobody panicked");
        let past = pages.entry(key).or_default();
        past.push(reply.body.clone());
        if account.fails() {
            reply.body.clone_from(&past[account.pick(past.len())]);
        }
    }
    life.step().await;
    if account.fails() && account.fails() {
        return Err(ConnectorError::io("the answer was lost".into()));
    }
    Ok(reply)
}

fn pools(stack: usize, provider: &str) -> Value {
    let places = PLACES.iter().filter(|place| place.stack == stack);
    places
        .map(|place| {
            json!({
                "id": place.pool, "default": place.pool == "a", "provider": provider,
                "country": "IN", "min_free": 1, "target_free": TARGET, "max_numbers": MOST,
                "shards": 1, "cooldown_seconds": 60,
            })
        })
        .collect()
}

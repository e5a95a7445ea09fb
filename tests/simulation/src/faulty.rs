//! A cloud that fails in every way that AWS may fail: requests and answers get lost, arrive late
//! or are refused, environments die between two requests, and the index and eventually
//! consistent reads are stale. All faults are drawn from a seed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use fastrand::Rng;
use serde_json::{Value, json};
use support::cloud::{Cloud, Reply, Request, Service, Tables};
use support::functions::{NUMBER_EVENTS, given_secrets};
use support::story::provider_secret;
use support::wire::{Clients, Tries, connector};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::truth::Truth;

/// The number of injected faults, by kind.
pub type Faults = BTreeMap<&'static str, u64>;

/// The cloud of a simulation, and its faults.
pub(crate) struct FaultyCloud {
    pub(crate) cloud: Arc<Cloud>,
    state: Mutex<State>,
    /// Notifies that an environment died.
    died: Notify,
}

pub(crate) struct State {
    /// The source of all faults.
    pub(crate) rng: Rng,
    /// The fates of the next transactions. When it is empty, fates are drawn.
    pub(crate) script: VecDeque<Fate>,
    /// Whether the tables fail every request.
    pub(crate) outage: bool,
    /// How often a request fails, in thousandths.
    pub(crate) fault_rate: u32,
    /// The steps until the death of each environment that must die.
    pub(crate) deaths: HashMap<usize, u32>,
    pub(crate) truth: Truth,
    pub(crate) faults: Faults,
    /// All answers to queries of the index, by shard and kind of query.
    pages: HashMap<String, Vec<String>>,
}

/// The fate of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    /// It never arrives.
    LoseRequest,
    /// It is applied, and its answer never arrives.
    LoseAnswer,
    /// It times out, and is applied seconds later.
    ApplyLate,
    /// It is refused with this code, and not applied.
    Refuse(&'static str),
    /// It conflicts with another transaction.
    Conflict,
    /// It takes almost two seconds.
    Slow,
}

impl FaultyCloud {
    /// A cloud with empty tables.
    pub(crate) fn new(truth: Truth, fault_rate: u32) -> Arc<Self> {
        let cloud = Cloud::on(Tables::with_tokens());
        given_secrets(&cloud, &provider_secret());
        Arc::new(Self {
            cloud,
            died: Notify::new(),
            state: Mutex::new(State {
                rng: Rng::with_seed(0),
                script: VecDeque::new(),
                outage: false,
                fault_rate,
                deaths: HashMap::new(),
                truth,
                faults: Faults::new(),
                pages: HashMap::new(),
            }),
        })
    }

    /// The clients of an environment.
    pub(crate) fn clients(self: &Arc<Self>, environment: usize) -> Clients {
        let this = Arc::clone(self);
        let http = connector(move |request| Arc::clone(&this).answer(environment, request));
        Clients::over(http, Tries::AsDeployed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    /// Waits until an environment has died.
    pub(crate) async fn death_of(&self, environment: usize) {
        loop {
            let died = self.died.notified();
            if self.state().deaths.get(&environment) == Some(&0) {
                return;
            }
            died.await;
        }
    }

    async fn answer(
        self: Arc<Self>,
        environment: usize,
        request: Request,
    ) -> Result<Reply, ConnectorError> {
        if request.service == Service::SecretsManager {
            return Ok(self.cloud.answer(request));
        }
        let (fate, before, after) = {
            let mut state = self.state();
            let fate = state.draw(&request);
            (fate, state.rng.u64(0..30), state.rng.u64(0..30))
        };
        self.step(environment).await;
        let slow = if fate == Fate::Slow { 900 } else { 0 };
        sleep(Duration::from_millis(before + slow)).await;
        match fate {
            Fate::Fine | Fate::Slow | Fate::LoseAnswer => {
                let reply = self.apply(request);
                self.step(environment).await;
                sleep(Duration::from_millis(after + slow)).await;
                match fate {
                    Fate::LoseAnswer => Err(ConnectorError::io("the answer was lost".into())),
                    _ => Ok(reply),
                }
            }
            Fate::LoseRequest => Err(ConnectorError::io("the request was lost".into())),
            Fate::ApplyLate => {
                let late = Duration::from_millis(self.state().rng.u64(1..6000));
                tokio::spawn(async move {
                    sleep(late).await;
                    self.apply(request);
                });
                Err(ConnectorError::timeout("the request was given up".into()))
            }
            Fate::Refuse(code) => Ok(Reply::refused(code)),
            Fate::Conflict => Ok(self.conflict(&request)),
        }
    }

    /// A step of an environment. If it is the last one, the environment dies and never goes on.
    async fn step(&self, environment: usize) {
        let dead = {
            let mut state = self.state();
            state.deaths.get_mut(&environment).is_some_and(|left| {
                *left = left.saturating_sub(1);
                *left == 0
            })
        };
        if dead {
            self.died.notify_waiters();
            std::future::pending::<()>().await;
        }
    }

    /// Carries a request out, and lets the truth see the result. It is atomic: nothing else
    /// happens meanwhile.
    fn apply(&self, request: Request) -> Reply {
        match request.operation.as_str() {
            "Query" => self.query(request),
            "GetItem" => self.get_item(request),
            "SendMessage" => {
                let reply = self.cloud.answer(request);
                for announcement in self.cloud.queues.take_json(NUMBER_EVENTS) {
                    self.state().truth.announced(&announcement);
                }
                reply
            }
            _ if request.is_write() => self.write(request),
            _ => self.cloud.answer(request),
        }
    }

    /// Every second query of the index is stale.
    fn query(&self, request: Request) -> Reply {
        let shard = &request.body["ExpressionAttributeValues"][":shard"]["S"];
        let page_of = format!("{shard} {}", request.body["KeyConditionExpression"]);
        let reply = self.cloud.answer(request);
        if !reply.is_done() {
            return reply;
        }
        let mut state = self.state();
        let stale = state.fault_rate != 0 && state.rng.bool();
        let State { rng, pages, faults, .. } = &mut *state;
        let pages = pages.entry(page_of).or_default();
        pages.push(reply.body);
        let page = if stale { rng.choice(pages.as_slice()) } else { pages.last() };
        if stale {
            *faults.entry("index page of the past").or_default() += 1;
        }
        Reply::done(page.expect("a page"))
    }

    /// An eventually consistent read may be stale.
    fn get_item(&self, request: Request) -> Reply {
        if request.body["ConsistentRead"] != Value::Bool(true) {
            let mut state = self.state();
            let State { rng, truth, faults, .. } = &mut *state;
            let (table, key) = (&request.body["TableName"], &request.body["Key"]);
            if let Some(past) = rng.choice(truth.past(table.as_str().expect("a table"), key)) {
                *faults.entry("read of the past").or_default() += 1;
                return Reply::done(json!({ "Item": past }).to_string());
            }
        }
        self.cloud.answer(request)
    }

    fn write(&self, request: Request) -> Reply {
        let rows: Vec<(String, Value)> = request
            .rows()
            .into_iter()
            .map(|(table, key)| (table.to_owned(), key.clone()))
            .collect();
        let reply = self.cloud.answer(request);
        if reply.is_done() {
            let rows = rows.into_iter().map(|(table, key)| {
                let row = self.cloud.tables.row(&table, &key).expect("rows are never deleted");
                (table, key, row)
            });
            let rows = rows.collect();
            self.state().truth.wrote(rows);
        }
        reply
    }

    fn conflict(&self, request: &Request) -> Reply {
        if request.operation != "TransactWriteItems" {
            return Reply::refused("TransactionConflictException");
        }
        let rows = request.rows().len();
        let which = self.state().rng.usize(0..rows);
        Reply::conflict((0..rows).map(|row| row == which))
    }
}

impl State {
    fn draw(&mut self, request: &Request) -> Fate {
        if self.outage && request.service == Service::DynamoDb {
            return Fate::Refuse("InternalServerError");
        }
        if request.operation == "TransactWriteItems"
            && let Some(fate) = self.script.pop_front()
        {
            return fate;
        }
        if self.fault_rate <= self.rng.u32(0..1000) {
            return Fate::Fine;
        }
        let (queue, write) = (request.service == Service::Sqs, request.is_write());
        let (name, fate) = match self.rng.u32(0..9) {
            0 if write => ("applied late", Fate::ApplyLate),
            0 | 2 => ("request lost", Fate::LoseRequest),
            1 => ("answer lost", Fate::LoseAnswer),
            3 if queue => ("queue refused", Fate::Refuse("RequestThrottled")),
            3 => ("throttled", Fate::Refuse("ThrottlingException")),
            4 if queue => ("queue refused", Fate::Refuse("InternalError")),
            4 => ("capacity exceeded", Fate::Refuse("ProvisionedThroughputExceededException")),
            5 => ("server error", Fate::Refuse("InternalServerError")),
            6 | 7 if write => ("transaction conflict", Fate::Conflict),
            _ => ("slow", Fate::Slow),
        };
        *self.faults.entry(name).or_default() += 1;
        fate
    }
}

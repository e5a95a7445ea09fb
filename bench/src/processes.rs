//! Each function as a process: the time to start, to answer the first event and later ones,
//! processor time and memory.

use std::collections::BTreeMap;

use serde_json::json;
use support::events::{Queue, Route, records};

use crate::effort::Effort;
use crate::endpoint::Endpoint;
use crate::environment::Environment;
use crate::events::{self, Case};
use crate::function::{Function, Functions, POOL};
use crate::progress::step;
use crate::sample::Sample;
use crate::stage::Stage;

/// The measurements of one function: times in milliseconds, memory in MiB.
#[derive(Default)]
pub(crate) struct Measurements {
    /// From exec until the first request for an event.
    pub(crate) start: Sample,
    /// The first event.
    pub(crate) first: Sample,
    /// Later events.
    pub(crate) warm: Sample,
    /// The processor time of a later event.
    pub(crate) processor: Sample,
    pub(crate) peak_memory: f64,
}

/// The measurements of all functions, by name.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) http: ByName,
    pub(crate) https: ByName,
}

pub(crate) type ByName = BTreeMap<&'static str, Measurements>;

/// The events of all functions, and their orders.
pub(crate) struct Script {
    pub(crate) stage: Stage,
    /// This caller may dial this number.
    pub(crate) caller: String,
    pub(crate) called: String,
}

impl Script {
    /// Sets up a pool, and an order whose customer calls the agent.
    pub(crate) async fn new(functions: &Functions, orders: usize) -> Self {
        let mut stage = Stage::new(functions, POOL, 10_000, 0).await;
        let announced = stage.assign(POOL, 1).await.announced;
        let called = announced[0]["participants"][1]["number"].as_str().expect("a number");
        let called = called.to_owned();
        let caller = events::customer(1);
        // The plain functions look the caller up as it stands in their event.
        stage.cloud.tables.import(
            "RoutesTable",
            [json!({
                "number": {"S": called}, "caller": {"S": caller},
                "connect_to": {"S": "+6281200000001"},
                "caller_id": {"S": "+622100000001"},
                "order_id": {"S": "o-1"},
                "expires_at": {"N": "4000000000"},
                "reusable_at": {"N": "4000000000"},
                "ttl": {"N": "4000086400"},
            })],
        );
        for _ in 0..orders.div_ceil(10) {
            stage.assign(POOL, 10).await;
        }
        // The first order is called all the time, so it must not end.
        stage.keep_oldest();
        Self { stage, caller, called }
    }

    fn event(&mut self, function: &Function) -> String {
        let event = match function.name {
            "assign-numbers" => events::batch(Queue::Assign, [self.stage.next_assigned(POOL)]),
            "release-numbers" => events::batch(Queue::Release, [self.stage.next_completed()]),
            "refill-pool" => events::batch(Queue::Refill, [events::imported()]),
            "forward-events" => records([Some(events::completed(1).as_bytes())]),
            _ => events::call(Route::Switch, &self.caller, &self.called, Case::Connect),
        };
        event.to_string()
    }
}

/// Measures all functions in turns.
pub(crate) async fn measure(functions: &Functions, effort: &Effort) -> Processes {
    let mut script = Script::new(functions, 100).await;
    let http = script.stage.endpoint.clone();
    let https = Endpoint::https(&script.stage.cloud).await;
    let mut processes = Processes::default();

    let mut turns = functions.all();
    for round in 1..=effort.starts {
        step(&format!("starting each function, {round} of {}", effort.starts));
        for (endpoint, measured) in [(&http, &mut processes.http), (&https, &mut processes.https)] {
            for function in &turns {
                let measured = measured.entry(function.name).or_default();
                let event = script.event(function);
                let mut environment = Environment::start(function, endpoint).await;
                measured.start.add(environment.start);
                measured.first.add(environment.invoke(event).await.0);
                environment.end().await;
            }
        }
        // Another function goes first in the next round.
        turns.rotate_left(1);
    }
    warm(functions, effort, &mut script, &http, &mut processes.http).await;
    warm(functions, effort, &mut script, &https, &mut processes.https).await;
    processes
}

async fn warm(
    functions: &Functions,
    effort: &Effort,
    script: &mut Script,
    endpoint: &Endpoint,
    processes: &mut ByName,
) {
    let mut environments = Vec::new();
    for function in functions.all() {
        let mut environment = Environment::start(function, endpoint).await;
        for _ in 0..effort.warm_up {
            environment.invoke(script.event(function)).await;
        }
        environments.push((function, environment));
    }
    for round in 1..=effort.rounds {
        step(&format!("calling each function, {round} of {}", effort.rounds));
        for (function, environment) in &mut environments {
            let measured = processes.entry(function.name).or_default();
            let before = environment.processor_time();
            for _ in 0..effort.invokes {
                measured.warm.add(environment.invoke(script.event(function)).await.0);
            }
            let used = environment.processor_time() - before;
            measured.processor.add(used / effort.invokes as f64);
        }
    }
    for (function, environment) in environments {
        processes.entry(function.name).or_default().peak_memory = environment.peak_memory();
    }
}

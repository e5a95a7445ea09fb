//! Warm calls: each route, and each way that a call ends.

use support::events::Route;

use crate::effort::Effort;
use crate::environment::Environment;
use crate::events::{self, Case};
use crate::function::Functions;
use crate::processes::Script;
use crate::progress::step;
use crate::sample::Sample;

/// The measurements of one kind of call. Times are in milliseconds.
pub(crate) struct Call {
    pub(crate) route: Route,
    pub(crate) case: Case,
    pub(crate) time: Sample,
    pub(crate) processor: Sample,
    /// The averages of a call.
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
    /// Requests to the tables.
    pub(crate) requests: f64,
}

pub(crate) struct Calls {
    pub(crate) calls: Vec<Call>,
    /// The plain function with one `GetItem`.
    pub(crate) reference: Sample,
}

/// Measures all kinds of calls in turns.
pub(crate) async fn measure(functions: &Functions, effort: &Effort) -> Calls {
    let script = Script::new(functions, 0).await;
    let (cloud, endpoint) = (&script.stage.cloud, &script.stage.endpoint);
    let mut resolve = Environment::start(&functions.resolve_call, endpoint).await;
    let mut reference = Environment::start(&functions.one_get_item, endpoint).await;
    let mut calls: Vec<Call> = Vec::new();
    for route in Route::ALL {
        for case in Case::ALL {
            calls.push(Call {
                route,
                case,
                time: Sample::default(),
                processor: Sample::default(),
                read_units: 0.0,
                write_units: 0.0,
                requests: 0.0,
            });
        }
    }
    let plain =
        events::call(Route::Switch, &script.caller, &script.called, Case::Connect).to_string();
    for _ in 0..effort.warm_up {
        resolve.invoke(plain.clone()).await;
        reference.invoke(plain.clone()).await;
    }
    let mut reference_time = Sample::default();
    let all = (effort.rounds * effort.invokes) as f64;
    for round in 1..=effort.rounds {
        step(&format!("calling on each route, {round} of {}", effort.rounds));
        for call in &mut calls {
            let event =
                events::call(call.route, &script.caller, &script.called, call.case).to_string();
            cloud.tables.take_bill();
            let before = resolve.processor_time();
            for _ in 0..effort.invokes {
                let (time, answer) = resolve.invoke(event.clone()).await;
                let answered = events::is_answer(call.route, call.case, &answer);
                let (route, case) = (call.route, call.case);
                assert!(answered, "{route:?} {case:?}: {}", String::from_utf8_lossy(&answer));
                call.time.add(time);
            }
            let used = resolve.processor_time() - before;
            call.processor.add(used / effort.invokes as f64);
            let bill = cloud.tables.take_bill();
            call.read_units += bill.read_units / all;
            call.write_units += bill.write_units / all;
            call.requests += bill.total() as f64 / all;
        }
        for _ in 0..effort.invokes {
            reference_time.add(reference.invoke(plain.clone()).await.0);
        }
    }
    Calls { calls, reference: reference_time }
}

//! The events that functions receive: orders by their number, and calls that end in each way.

use serde_json::{Value, json};
use support::events::{
    Queue, Route, batch_of, exotel_call, exotel_query, switch_body, switch_call, twilio_call,
    twilio_form,
};
use support::story::{self, EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN};
use support::twilio;

use crate::function::{POOL, SHARED_POOL};

/// The nth number of a pool. All pools together have fewer than a hundred million.
pub(crate) fn number(n: u64) -> String {
    format!("+6221{n:08}")
}

/// The customer of the nth order.
pub(crate) fn customer(order: u64) -> String {
    format!("+62811{order:08}")
}

/// The assignment of the nth order to its two people.
pub(crate) fn assigned(order: u64, pool: &str) -> String {
    assigned_to(order, order, pool)
}

/// The assignment of the nth order in the shared pool, to an agent who may be on others too.
pub(crate) fn shared(order: u64, agent: u64) -> String {
    assigned_to(order, agent, SHARED_POOL)
}

fn assigned_to(order: u64, agent: u64, pool: &str) -> String {
    let (customer, agent) = (customer(order), format!("+62812{agent:08}"));
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    let mut event = story::assigned(&format!("o-{order}"), 1, &people);
    event["pool"] = pool.into();
    event.to_string()
}

pub(crate) fn completed(order: u64) -> String {
    story::event("completed", &format!("o-{order}"), 2).to_string()
}

/// An import of a number that is already in the pool.
pub(crate) fn imported() -> String {
    json!({"type": "pool.import", "pool": POOL, "numbers": [number(0)]}).to_string()
}

/// A batch of messages.
pub(crate) fn batch(queue: Queue, bodies: impl IntoIterator<Item = String>) -> Value {
    batch_of(queue, bodies, 1_795_000_000)
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Connect,
    Reject,
    Forbidden,
}

/// A call that ends like this, given that `caller` may dial `called`.
pub(crate) fn call(route: Route, caller: &str, called: &str, case: Case) -> Value {
    let caller = if case == Case::Reject { "+628999999999" } else { caller };
    let signed = |good: &str| match case {
        Case::Forbidden => "x".repeat(good.len()),
        Case::Connect | Case::Reject => good.to_owned(),
    };
    match route {
        Route::Switch => {
            let token = signed(SWITCH_TOKEN);
            switch_call(&format!("Bearer {token}"), &switch_body(caller, called))
        }
        Route::Twilio => {
            let form = twilio_form(caller, called);
            let url = "https://calls.example.com/calls/twilio";
            twilio_call(&form, &signed(&twilio::signature(TWILIO_TOKEN, url, &form)))
        }
        Route::Exotel => {
            let query = exotel_query("+62", caller, called);
            let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
            exotel_call(&signed(EXOTEL_TOKEN), &query)
        }
    }
}

/// Whether an answer is the one of such a call.
pub(crate) fn is_answer(route: Route, case: Case, answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).expect("an HTTP answer is JSON");
    let body = answer["body"].as_str().unwrap_or_default();
    let connects = match route {
        Route::Switch => body.contains(r#""decision":"connect""#),
        Route::Twilio => body.contains("<Dial"),
        Route::Exotel => body.contains("+62812"),
    };
    match case {
        Case::Connect => answer["statusCode"] == 200 && connects,
        Case::Reject => answer["statusCode"] == 200 && !connects,
        Case::Forbidden => answer["statusCode"] == 403,
    }
}

impl Case {
    pub(crate) const ALL: [Self; 3] = [Self::Connect, Self::Reject, Self::Forbidden];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reject => "reject",
            Self::Forbidden => "bad signature or token",
        }
    }
}

/// The name of a route in the report.
pub(crate) fn name(route: Route) -> &'static str {
    match route {
        Route::Switch => "POST /calls/resolve",
        Route::Twilio => "POST /calls/twilio",
        Route::Exotel => "GET /calls/exotel/{token}",
    }
}

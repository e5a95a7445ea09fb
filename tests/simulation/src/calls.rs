//! Calls in progress, and the answers that were right during each.

use std::collections::HashMap;

use serde_json::Value;
use support::oracle::Snapshot;
use support::rows::{amount, text, word};

#[derive(Default)]
pub(crate) struct Calls {
    calls: HashMap<u64, Call>,
    last_id: u64,
}

struct Call {
    number: String,
    caller: String,
    /// The right answers so far: the phone that is rung and the number that it shows, or none.
    right: Vec<Option<(String, String)>>,
}

impl Calls {
    /// Starts a call. Returns its id.
    pub(crate) fn begin(&mut self, rows: &Snapshot, now: u64, number: &str, phone: &str) -> u64 {
        let caller = rows.phones.iter().find(|(_, it)| *it == phone);
        let caller = caller.expect("a known phone").0.clone();
        self.last_id += 1;
        let call = Call { number: number.to_owned(), caller, right: Vec::new() };
        self.calls.insert(self.last_id, call);
        self.watch(rows, now);
        self.last_id
    }

    /// Adds the answer that is right now, for every call.
    pub(crate) fn watch(&mut self, rows: &Snapshot, now: u64) {
        for call in self.calls.values_mut() {
            let route = rows.routes.get(&(call.number.clone(), call.caller.clone()));
            let route = route.filter(|it| now < amount(it, "expires_at"));
            call.right.push(route.and_then(|route| {
                let connect_to = text(route, "connect_to")?.to_owned();
                Some((connect_to, word(route, "caller_id").to_owned()))
            }));
        }
    }

    /// Ends a call. Its answer must have been right at some moment of the call.
    pub(crate) fn end(
        &mut self,
        rows: &Snapshot,
        now: u64,
        id: u64,
        answer: &Value,
    ) -> Option<String> {
        self.watch(rows, now);
        let call = self.calls.remove(&id).expect("a call that began");
        if answer["reason"] == "unavailable" {
            return None;
        }
        let given = answer["connect_to"].as_str().map(|connect_to| {
            (connect_to.to_owned(), answer["caller_id"].as_str().unwrap_or_default().to_owned())
        });
        let (number, right) = (&call.number, &call.right);
        (!right.contains(&given))
            .then(|| format!("a call to {number} got {given:?}; right was {right:?}"))
    }
}

//! The truth about a simulation: a copy of the tables, updated with every write, and the checks
//! that need its history. (The oracle checks the rows of one moment.)

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lambda_support::Clock;
use masking::PhoneHashKey;
use serde_json::{Value, json};
use support::cloud::{Cloud, TABLES};
use support::functions::service_secret;
use support::oracle::{self, Snapshot, announcements, is_exclusive, is_live, routes_of};
use support::rows::{Row, amount, participants, text, word};

use crate::calls::Calls;

pub(crate) struct Truth {
    clock: Clock,
    pub(crate) rows: Snapshot,
    /// Earlier versions of rows, for stale reads.
    past: HashMap<String, Vec<Option<Row>>>,
    /// The last assigned row of each completed order, and when it was completed.
    completed: BTreeMap<String, (Row, u64)>,
    /// The end of each number's cool-down, by the rows of its orders.
    resting: BTreeMap<String, u64>,
    /// The announcements that the rows of each order have allowed so far.
    sayable: BTreeMap<String, Vec<Value>>,
    /// The announcements of each order.
    said: BTreeMap<String, Vec<Value>>,
    /// The imported numbers.
    pub(crate) imported: BTreeSet<String>,
    calls: Calls,
    /// All violations, in words.
    pub(crate) violations: Vec<String>,
    /// The number of checked writes.
    pub(crate) checked: u64,
}

/// The most seconds from the moment of a plan to its write: a request, its retries, and a late
/// application.
const LAG: u64 = 15;

impl Truth {
    /// Empty tables, these phones, and one pool. `rest` is its cool-down and grace together.
    pub(crate) fn new(clock: Clock, phones: impl Iterator<Item = String>, rest: u64) -> Self {
        let key = PhoneHashKey::parse(&service_secret().to_string()).expect("a key");
        let rows = Snapshot {
            phones: oracle::by_caller(&key, phones),
            rests: BTreeMap::from([("p".to_owned(), rest)]),
            ..Snapshot::default()
        };
        Self {
            clock,
            rows,
            past: HashMap::new(),
            completed: BTreeMap::new(),
            resting: BTreeMap::new(),
            sayable: BTreeMap::new(),
            said: BTreeMap::new(),
            imported: BTreeSet::new(),
            calls: Calls::default(),
            violations: Vec::new(),
            checked: 0,
        }
    }

    fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// The earlier versions of a row. The first one is none.
    pub(crate) fn past(&self, table: &str, key: &Value) -> &[Option<Row>] {
        self.past.get(&format!("{table} {key}")).map(Vec::as_slice).unwrap_or_default()
    }

    /// Records the rows of a write, with their tables and keys, and checks what must always
    /// hold.
    pub(crate) fn wrote(&mut self, rows: Vec<(String, Value, Row)>) {
        let now = self.clock.unix_seconds();
        for (table, key, row) in rows {
            let before = self.rows.put(&table, row.clone());
            // A retry with the same token writes nothing.
            if before.as_ref() == Some(&row) {
                continue;
            }
            match table.as_str() {
                "OrdersTable" => self.order_changed(before.as_ref(), &row, now),
                "NumbersTable" => self.number_changed(before.as_ref(), &row, now),
                _ => self.route_changed(before.as_ref(), &row, now),
            }
            self.past.entry(format!("{table} {key}")).or_default().push(before);
        }
        self.check(now);
        self.calls.watch(&self.rows, now);
        self.checked += 1;
    }

    fn order_changed(&mut self, before: Option<&Row>, after: &Row, now: u64) {
        let order_id = word(after, "order_id").to_owned();
        if let Some(before) = before {
            if word(before, "state") == "closed" && word(after, "state") != "closed" {
                self.violated(format!("{order_id} was closed and is {}", word(after, "state")));
            }
            if amount(after, "version") < amount(before, "version") {
                self.violated(format!("the version of {order_id} went back"));
            }
            if amount(after, "revision") != amount(before, "revision") + 1 {
                self.violated(format!("the revision of {order_id} did not go up by one"));
            }
        }
        if let Some(before) = before.filter(|it| word(it, "state") == "assigned") {
            if is_exclusive(before) {
                self.record_cooldowns(before, after, now);
            }
            if word(after, "last_event") == "completed" {
                self.completed.insert(order_id.clone(), (before.clone(), now));
            }
        }
        self.sayable.entry(order_id).or_default().extend(announcements(after));
    }

    /// Records the cool-down of the numbers that an order released.
    fn record_cooldowns(&mut self, before: &Row, after: &Row, now: u64) {
        let kept: Vec<&str> = participants(after).map(|it| it.number).collect();
        let grace = match word(after, "last_event") {
            "completed" => amount(before, "grace_seconds"),
            _ => 0,
        };
        let end = (now + grace).min(amount(before, "expires_at"));
        for released in participants(before).filter(|it| !kept.contains(&it.number)) {
            let until = end + amount(before, "cooldown_seconds");
            self.resting.insert(released.number.to_owned(), until);
        }
    }

    fn number_changed(&mut self, before: Option<&Row>, after: &Row, now: u64) {
        let Some(before) = before else { return };
        let number = word(after, "number").to_owned();
        let holder = text(after, "order_id");
        if holder.is_none() || holder == text(before, "order_id") {
            return;
        }
        if !before.contains_key("pool_shard") {
            self.violated(format!("{number} was handed out though it was withdrawn"));
        }
        if now < amount(before, "available_at") {
            self.violated(format!("{number} was handed out before it was available"));
        }
        let resting = self.resting.get(&number).copied().unwrap_or(0);
        if now + LAG < resting {
            self.violated(format!("{number} was handed out {} s too soon", resting - now));
        }
    }

    fn route_changed(&mut self, before: Option<&Row>, after: &Row, now: u64) {
        let Some(before) = before else { return };
        let (from, to) = (word(before, "order_id"), word(after, "order_id"));
        if from != to && now < amount(before, "reusable_at") {
            self.violated(format!("{to} took a route of {from} before it was reusable"));
        }
    }

    /// Checks what must hold at every moment.
    fn check(&mut self, now: u64) {
        let findings = self.rows.examine(now);
        let mut found = findings.contradictions;
        for route in findings.strays {
            let (order_id, number) = (word(route, "order_id"), word(route, "number"));
            let completed = self.completed.get(order_id);
            match completed.filter(|it| connects_through_grace(it, route)) {
                None => {
                    found.push(format!(
                        "a route of {order_id} on {number} connects, and should not"
                    ));
                }
                Some((order, _)) if is_exclusive(order) => {
                    if let Some(other) = findings.holders.get(number) {
                        let what =
                            format!("{number} connects for {order_id} while {other} holds it");
                        found.push(what);
                    }
                }
                Some(_) => {}
            }
        }
        self.violations.extend(found);
    }

    /// Records and checks an announcement.
    pub(crate) fn announced(&mut self, message: &Value) {
        let order_id = message["order_id"].as_str().unwrap_or_default().to_owned();
        if message["type"] != "numbers.unavailable" {
            let sayable = self.sayable.get(&order_id).is_some_and(|it| it.contains(message));
            if !sayable {
                self.violated(format!("{order_id}: no row ever said {message}"));
            }
            if message["reason"] == "expired"
                && self.rows.orders.get(&order_id).is_some_and(|row| {
                    is_live(row, self.clock.unix_seconds())
                        && json!(amount(row, "version")) == message["version"]
                })
            {
                self.violated(format!("{order_id} was announced as expired and is live"));
            }
        }
        self.said.entry(order_id).or_default().push(message.clone());
    }

    /// Starts a call. Returns its id.
    pub(crate) fn call_begins(&mut self, number: &str, phone: &str) -> u64 {
        self.calls.begin(&self.rows, self.clock.unix_seconds(), number, phone)
    }

    /// Ends a call. Its answer must have been right at some moment of the call.
    pub(crate) fn call_ends(&mut self, id: u64, answer: &Value) {
        let problem = self.calls.end(&self.rows, self.clock.unix_seconds(), id, answer);
        self.violations.extend(problem);
    }

    /// Checks what must hold when nothing is left to do. `events` are all events of each order,
    /// `given_up` the orders with a dead letter.
    pub(crate) fn check_at_rest(
        &mut self,
        cloud: &Cloud,
        events: &BTreeMap<String, Vec<Value>>,
        given_up: &BTreeSet<String>,
    ) {
        let now = self.clock.unix_seconds();
        let mut found = Vec::new();
        for table in TABLES {
            let (rows, copy) = (cloud.tables.rows(table), self.rows.rows(table));
            if rows.len() != copy.len() || !copy.iter().all(|row| rows.contains(row)) {
                found.push(format!("{table} is not what was written to it"));
            }
        }
        if !self.rows.numbers.keys().eq(&self.imported) {
            found.push("numbers were lost or invented".to_owned());
        }
        for (order_id, events) in
            events.iter().filter(|(order_id, _)| !given_up.contains(*order_id))
        {
            let problem = self.rows.disagreement(order_id, events, now);
            found.extend(problem.map(|problem| format!("{order_id}: {problem}")));
        }
        for order_id in self.rows.orders.keys() {
            let said = self.said.get(order_id).into_iter().flatten();
            // The row does not show an event that became a dead letter.
            let waits = given_up.contains(order_id);
            found.extend(self.rows.misheard(order_id, said, waits, now));
        }
        self.check(now);
        self.violations.extend(found);
    }

    /// Checks that all numbers are free when all orders have ended.
    pub(crate) fn check_all_free(&mut self) {
        let now = self.clock.unix_seconds();
        let taken = self.rows.numbers.values().filter(|row| now < amount(row, "available_at"));
        let taken = taken.count();
        if 0 < taken {
            self.violated(format!("{taken} numbers are not free though every order is over"));
        }
    }
}

/// Whether a route belongs to a completed order, and ends with its grace at the latest.
fn connects_through_grace((order, completed_at): &(Row, u64), route: &Row) -> bool {
    let end = (completed_at + amount(order, "grace_seconds")).min(amount(order, "expires_at"));
    let key = (word(route, "number"), word(route, "caller"));
    routes_of(order).any(|it| (it.0, it.1) == key) && amount(route, "expires_at") <= end
}

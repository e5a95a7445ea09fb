//! What is true in a world, and what must hold of it: a copy of the tables, kept
//! row by row as writes reach them, and the checks over it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use masking::{CallerKey, Phone};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Item};

/// What is true, and what was found to be wrong.
pub struct Truth {
    now: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The phone of each caller hash.
    phones: BTreeMap<String, String>,
    pub(crate) orders: BTreeMap<String, Item>,
    pub(crate) numbers: BTreeMap<String, Item>,
    pub(crate) routes: BTreeMap<(String, String), Item>,
    /// What rows were before, for reads that may show the past.
    past: HashMap<String, Vec<Option<Item>>>,
    /// The last assigned row of orders that completed, which connect through grace.
    completed: BTreeMap<String, (Item, u64)>,
    /// Until when the cool-down of a number lasts, by what its holders' rows said.
    resting: BTreeMap<String, u64>,
    /// What may be announced of each order: what its rows said.
    sayable: BTreeMap<String, Vec<Value>>,
    /// What was announced of each order.
    said: BTreeMap<String, Vec<Value>>,
    /// Numbers that were imported.
    pub(crate) imported: BTreeSet<String>,
    /// Calls under way: who dials what, and all that was right to answer so far.
    calls: HashMap<u64, Call>,
    next_call: u64,
    /// What was found to be wrong.
    pub(crate) violations: Vec<String>,
    /// Checks made: writes that were looked at.
    pub(crate) checked: u64,
}

struct Call {
    number: String,
    caller: String,
    right: Vec<Option<(String, String)>>,
}

/// What the clock of a function may lag behind the write that it leads to: a
/// request and its retries, and a late one.
const LAG: u64 = 15;

impl std::fmt::Debug for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Truth").field("violations", &self.violations).finish_non_exhaustive()
    }
}

impl Truth {
    /// Empty tables, and people with these phones.
    pub(crate) fn new(now: Arc<dyn Fn() -> u64 + Send + Sync>, phones: &[String]) -> Self {
        let key = json!({"caller_key": "k".repeat(64)}).to_string();
        let key = CallerKey::parse(&key).expect("a key");
        let hash = |phone: &String| {
            let parsed: Phone = phone.parse().expect("a phone");
            (key.caller(&parsed).as_str().to_owned(), phone.clone())
        };
        Self {
            now,
            phones: phones.iter().map(hash).collect(),
            orders: BTreeMap::new(),
            numbers: BTreeMap::new(),
            routes: BTreeMap::new(),
            past: HashMap::new(),
            completed: BTreeMap::new(),
            resting: BTreeMap::new(),
            sayable: BTreeMap::new(),
            said: BTreeMap::new(),
            imported: BTreeSet::new(),
            calls: HashMap::new(),
            next_call: 0,
            violations: Vec::new(),
            checked: 0,
        }
    }

    fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// What a row was at moments of the past, the first of which had none.
    pub(crate) fn past(&self, table: &str, key: &Item) -> &[Option<Item>] {
        self.past.get(&row_id(table, key)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Takes in what a request wrote, and checks all that must always hold.
    pub(crate) fn wrote(&mut self, rows: Vec<(String, Item, Option<Item>)>) {
        let now = (self.now)();
        for (table, key, item) in rows {
            let item = item.expect("rows are never deleted");
            // A repeated request with the token of the first writes nothing.
            if self.row(&table, &key) == Some(&item) {
                continue;
            }
            let before = match table.as_str() {
                "OrdersTable" => {
                    let before =
                        self.orders.insert(text(&key, "order_id").to_owned(), item.clone());
                    self.order_changed(before.as_ref(), &item, now);
                    before
                }
                "NumbersTable" => {
                    let before = self.numbers.insert(text(&key, "number").to_owned(), item.clone());
                    self.number_changed(before.as_ref(), &item, now);
                    before
                }
                _ => {
                    let key = (text(&key, "number").to_owned(), text(&key, "caller").to_owned());
                    let before = self.routes.insert(key, item.clone());
                    self.route_changed(before.as_ref(), &item, now);
                    before
                }
            };
            self.past.entry(row_id(&table, &key)).or_default().push(before);
        }
        self.check(now);
        self.watch_calls();
        self.checked += 1;
    }

    fn row(&self, table: &str, key: &Item) -> Option<&Item> {
        match table {
            "OrdersTable" => self.orders.get(text(key, "order_id")),
            "NumbersTable" => self.numbers.get(text(key, "number")),
            _ => {
                let key = (text(key, "number").to_owned(), text(key, "caller").to_owned());
                self.routes.get(&key)
            }
        }
    }

    fn order_changed(&mut self, before: Option<&Item>, after: &Item, now: u64) {
        let order_id = text(after, "order_id").to_owned();
        if let Some(before) = before {
            if text(before, "state") == "closed" && text(after, "state") != "closed" {
                self.violated(format!("{order_id} was closed and is {}", text(after, "state")));
            }
            if amount(after, "version") < amount(before, "version") {
                self.violated(format!("the version of {order_id} went back"));
            }
            if amount(after, "revision") != amount(before, "revision") + 1 {
                self.violated(format!("the revision of {order_id} did not go up by one"));
            }
        }
        self.rest_what_was_released(before, after, now);
        if let Some(before) = before.filter(|it| text(it, "state") == "assigned")
            && text(after, "last_event") == "completed"
        {
            self.completed.insert(order_id.clone(), (before.clone(), now));
        }
        let said = announcements_of(after);
        self.sayable.entry(order_id).or_default().extend(said);
    }

    /// Notes until when a number rests that an order held and holds no more.
    fn rest_what_was_released(&mut self, before: Option<&Item>, after: &Item, now: u64) {
        let Some(before) = before.filter(|it| holds_numbers(it)) else { return };
        let kept: Vec<&str> = participants(after).map(|held| held.number).collect();
        let grace = match text(after, "last_event") {
            "completed" => amount(before, "grace_seconds"),
            _ => 0,
        };
        let end = (now + grace).min(amount(before, "expires_at"));
        for held in participants(before).filter(|held| !kept.contains(&held.number)) {
            let until = end + amount(before, "cooldown_seconds");
            self.resting.insert(held.number.to_owned(), until);
        }
    }

    fn number_changed(&mut self, before: Option<&Item>, after: &Item, now: u64) {
        let Some(before) = before else { return };
        let holder = |item: &Item| item.get("order_id").map(ToString::to_string);
        let number = text(after, "number").to_owned();
        if holder(after).is_none() || holder(after) == holder(before) {
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

    fn route_changed(&mut self, before: Option<&Item>, after: &Item, now: u64) {
        let Some(before) = before else { return };
        if text(before, "order_id") != text(after, "order_id")
            && now < amount(before, "reusable_at")
        {
            self.violated(format!(
                "{} took a route of {} before it was reusable",
                text(after, "order_id"),
                text(before, "order_id")
            ));
        }
    }

    /// Checks what must hold at every moment, of all rows together.
    fn check(&mut self, now: u64) {
        let mut found = Vec::new();
        let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
        let mut expected: BTreeSet<(&str, &str)> = BTreeSet::new();
        for (order_id, order) in self.orders.iter().filter(|(_, order)| is_live(order, now)) {
            let end = amount(order, "expires_at");
            let cooled = end + amount(order, "cooldown_seconds");
            let numbers: BTreeSet<&str> = participants(order).map(|held| held.number).collect();
            if numbers.len() < participants(order).count() {
                found.push(format!("{order_id} has one number for two people"));
            }
            for held in participants(order).filter(|_| holds_numbers(order)) {
                if let Some(other) = holders.insert(held.number, order_id) {
                    found.push(format!("{other} and {order_id} both hold {}", held.number));
                }
                let row = self.numbers.get(held.number);
                if row.is_none_or(|row| {
                    row.get("order_id").is_none_or(|it| it["S"] != json!(order_id))
                        || amount(row, "available_at") != cooled
                }) {
                    found.push(format!("{order_id} holds {}, whose row disagrees", held.number));
                }
            }
            for (number, caller, callee, shown) in routes_of(order) {
                expected.insert((number, caller));
                let route = self.routes.get(&(number.to_owned(), caller.to_owned()));
                if route.is_none_or(|route| {
                    text(route, "order_id") != order_id
                        || optional(route, "connect_to")
                            != self.phones.get(callee).map(String::as_str)
                        || text(route, "caller_id") != shown
                        || amount(route, "expires_at") != end
                        || amount(route, "reusable_at") != cooled
                }) {
                    found.push(format!("a route of {order_id} on {number} disagrees with its row"));
                }
            }
        }
        for ((number, caller), route) in &self.routes {
            let connects = route.contains_key("connect_to") && now < amount(route, "expires_at");
            if !connects || expected.contains(&(number, caller)) {
                continue;
            }
            let order_id = text(route, "order_id");
            if !self.connects_through_grace(order_id, number, caller, route) {
                found.push(format!("a route of {order_id} on {number} connects, and should not"));
            } else if self.completed.get(order_id).is_some_and(|(order, _)| holds_numbers(order))
                && let Some(other) = holders.get(number.as_str())
            {
                found.push(format!("{number} connects for {order_id} while {other} holds it"));
            }
        }
        self.violations.extend(found);
    }

    fn connects_through_grace(
        &self,
        order_id: &str,
        number: &str,
        caller: &str,
        route: &Item,
    ) -> bool {
        self.completed.get(order_id).is_some_and(|(order, completed_at)| {
            let end =
                (completed_at + amount(order, "grace_seconds")).min(amount(order, "expires_at"));
            routes_of(order).any(|it| (it.0, it.1) == (number, caller))
                && amount(route, "expires_at") <= end
        })
    }

    /// Takes in an announcement.
    pub(crate) fn announced(&mut self, message: &Value) {
        let order_id = message["order_id"].as_str().unwrap_or_default().to_owned();
        if message["type"] != "numbers.unavailable" {
            let sayable = self.sayable.get(&order_id).is_some_and(|it| it.contains(message));
            if !sayable {
                self.violated(format!("{order_id}: no row ever said {message}"));
            }
            if message["reason"] == "expired"
                && self.orders.get(&order_id).is_some_and(|row| {
                    is_live(row, (self.now)())
                        && json!(amount(row, "version")) == message["version"]
                })
            {
                self.violated(format!("{order_id} was announced as expired and is live"));
            }
        }
        self.said.entry(order_id).or_default().push(message.clone());
    }

    /// Begins to watch a call.
    pub(crate) fn call_begins(&mut self, number: &str, phone: &str) -> u64 {
        let caller =
            self.phones.iter().find(|(_, it)| *it == phone).expect("a known phone").0.clone();
        self.next_call += 1;
        let call = Call { number: number.to_owned(), caller, right: Vec::new() };
        self.calls.insert(self.next_call, call);
        self.watch_calls();
        self.next_call
    }

    fn watch_calls(&mut self) {
        let now = (self.now)();
        for call in self.calls.values_mut() {
            let key = (call.number.clone(), call.caller.clone());
            let route = self.routes.get(&key).filter(|it| now < amount(it, "expires_at"));
            let right = route.and_then(|route| {
                let connect_to = optional(route, "connect_to")?.to_owned();
                Some((connect_to, text(route, "caller_id").to_owned()))
            });
            call.right.push(right);
        }
    }

    /// Ends a call: its answer must have been right at some moment of it.
    pub(crate) fn call_ends(&mut self, id: u64, answer: &Value) {
        self.watch_calls();
        let call = self.calls.remove(&id).expect("a call that began");
        if answer["reason"] == "unavailable" {
            return;
        }
        let given = answer["connect_to"].as_str().map(|connect_to| {
            (connect_to.to_owned(), answer["caller_id"].as_str().unwrap_or_default().to_owned())
        });
        if !call.right.contains(&given) {
            let (number, right) = (&call.number, &call.right);
            self.violated(format!("a call to {number} got {given:?}; right was {right:?}"));
        }
    }

    /// Checks what must hold when nothing is left to do. `told` is all that was
    /// told of each order, `given_up` the orders of which something was given up.
    pub(crate) fn check_at_rest(
        &mut self,
        cloud: &Cloud,
        told: &BTreeMap<String, Vec<Value>>,
        given_up: &BTreeSet<String>,
    ) {
        let now = (self.now)();
        let mut found = Vec::new();
        for (table, copy) in [
            ("OrdersTable", self.orders.values().collect::<Vec<_>>()),
            ("NumbersTable", self.numbers.values().collect()),
            ("RoutesTable", self.routes.values().collect()),
        ] {
            let rows = cloud.scan(table);
            if rows.len() != copy.len() || !copy.iter().all(|row| rows.contains(row)) {
                found.push(format!("{table} is not what was written to it"));
            }
        }
        let known: BTreeSet<String> = self.numbers.keys().cloned().collect();
        if known != self.imported {
            found.push("numbers were lost or invented".to_owned());
        }
        for (order_id, events) in told {
            if given_up.contains(order_id) {
                continue;
            }
            let row = self.orders.get(order_id);
            if let Some(problem) = disagrees(row, events, &self.phones) {
                found.push(format!("{order_id}: {problem}"));
            }
        }
        for (order_id, order) in &self.orders {
            let said = self.said.get(order_id).map(Vec::as_slice).unwrap_or_default();
            let waits = order.contains_key("waiting");
            let heard = as_a_reader_keeps(said);
            let sayable = announcements_of(order);
            // Of an event that was given up, no row says anything.
            let waits = waits || given_up.contains(order_id);
            let right = heard.is_some_and(|heard| {
                sayable.contains(heard) || (waits && heard["type"] == "numbers.unavailable")
            });
            if !right {
                found.push(format!("{order_id} is {sayable:?} and was last heard as {heard:?}"));
            }
        }
        self.check(now);
        self.violations.extend(found);
    }

    /// Checks that every number is free that was not withdrawn, when all orders are over.
    pub(crate) fn check_all_free(&mut self) {
        let now = (self.now)();
        let held = self.numbers.values().filter(|row| now < amount(row, "available_at")).count();
        if 0 < held {
            self.violated(format!("{held} numbers are not free though every order is over"));
        }
    }
}

/// What is wrong with an order's row, given all that was told of it.
fn disagrees(
    row: Option<&Item>,
    events: &[Value],
    phones: &BTreeMap<String, String>,
) -> Option<String> {
    let kind = |event: &&Value, kinds: &[&str]| {
        event["type"].as_str().is_some_and(|it| kinds.contains(&it))
    };
    let closes = events.iter().any(|it| kind(&it, &["order.completed", "order.cancelled"]));
    let last = events
        .iter()
        .filter(|it| kind(it, &["order.agent_assigned", "order.agent_unassigned"]))
        .max_by_key(|it| it["version"].as_u64());
    let state = row.map_or("absent", |row| text(row, "state"));
    match last {
        _ if closes => (state != "closed").then(|| format!("was closed and is {state}")),
        None => row.map(|_| "only created, and has a row".to_owned()),
        Some(last) => {
            let Some(row) = row else { return Some("has no row".to_owned()) };
            if json!(amount(row, "version")) != last["version"] {
                return Some(format!("is at version {}", amount(row, "version")));
            }
            if last["type"] == "order.agent_unassigned" || state == "unassigned" {
                return (state != "unassigned").then(|| format!("was unassigned and is {state}"));
            }
            let people: BTreeSet<(&str, &str)> = last["participants"]
                .as_array()
                .expect("participants")
                .iter()
                .filter_map(|it| Some((it["role"].as_str()?, it["phone"].as_str()?)))
                .collect();
            let held: BTreeSet<(&str, &str)> = participants(row)
                .filter_map(|it| Some((it.role, phones.get(it.caller?)?.as_str())))
                .collect();
            (held != people).then(|| "holds numbers for other people than it was told".to_owned())
        }
    }
}

/// The announcement that a reader goes by: the highest version, at equal versions
/// released before assigned before unavailable; an end is final.
fn as_a_reader_keeps(said: &[Value]) -> Option<&Value> {
    said.iter().max_by_key(|it| {
        let is_final = it["reason"] == "completed" || it["reason"] == "cancelled";
        let rank = match it["type"].as_str() {
            Some("numbers.released") => 2,
            Some("numbers.assigned") => 1,
            _ => 0,
        };
        (is_final, it["version"].as_u64(), rank)
    })
}

/// What may be said of an order's row: one thing, or one before its end and one after.
fn announcements_of(order: &Item) -> Vec<Value> {
    let (order_id, version) = (text(order, "order_id"), amount(order, "version"));
    let released = |reason: &str| json!({"type": "numbers.released", "order_id": order_id, "version": version, "reason": reason});
    match (text(order, "state"), text(order, "last_event")) {
        ("assigned", _) => {
            let participants: Vec<Value> = participants(order)
                .map(|held| json!({"role": held.role, "number": held.number}))
                .collect();
            let expires_at = masking::Timestamp::from_seconds(amount(order, "expires_at"));
            let assigned = json!({
                "type": "numbers.assigned", "order_id": order_id, "version": version,
                "pool": text(order, "pool"), "expires_at": expires_at.to_string(),
                "participants": participants,
            });
            vec![assigned, released("expired")]
        }
        ("unassigned", "agent_unassigned") => vec![released("unassigned")],
        ("unassigned", _) => vec![released("expired")],
        (_, reason) => vec![released(reason)],
    }
}

struct Held<'a> {
    role: &'a str,
    number: &'a str,
    caller: Option<&'a str>,
}

fn participants(order: &Item) -> impl Iterator<Item = Held<'_>> {
    let list = order.get("participants").and_then(|it| it["L"].as_array());
    list.into_iter().flatten().map(|it| {
        let fields = it["M"].as_object().expect("a map");
        Held {
            role: text(fields, "role"),
            number: text(fields, "number"),
            caller: optional(fields, "caller"),
        }
    })
}

/// The routes that an order's row implies: number, caller, who is rung, what is shown.
fn routes_of(order: &Item) -> impl Iterator<Item = (&str, &str, &str, &str)> {
    participants(order).flat_map(move |from| {
        participants(order).filter_map(move |to| {
            let (caller, callee) = (from.caller?, to.caller?);
            (from.role != to.role).then_some((to.number, caller, callee, from.number))
        })
    })
}

/// Whether an order is assigned and has its numbers for itself.
fn holds_numbers(order: &Item) -> bool {
    text(order, "state") == "assigned" && text(order, "allocation") == "exclusive"
}

fn is_live(order: &Item, now: u64) -> bool {
    text(order, "state") == "assigned" && now < amount(order, "expires_at")
}

fn row_id(table: &str, key: &Item) -> String {
    format!("{table} {}", Value::Object(key.clone()))
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    optional(item, name).unwrap_or_default()
}

fn optional<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?["S"].as_str()
}

fn amount(item: &Item, name: &str) -> u64 {
    let amount = item.get(name).and_then(|it| it["N"].as_str());
    amount.and_then(|it| it.parse().ok()).unwrap_or(0)
}

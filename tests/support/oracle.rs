//! What must hold of the tables and of the announcements, in whatever order events came and
//! whichever functions died. It is derived from rows and messages as an outsider reads them,
//! without the product's rules.

use std::collections::{BTreeMap, BTreeSet};

use masking::{Phone, PhoneHashKey, Timestamp};
use serde_json::{Value, json};

use crate::rows::{Row, amount, participants, text, word};

/// All rows of the three tables at one moment, and the facts that the checks need.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub orders: BTreeMap<String, Row>,
    pub numbers: BTreeMap<String, Row>,
    /// By number and caller.
    pub routes: BTreeMap<(String, String), Row>,
    /// The phone of each caller (the hash that stands for it in the tables).
    pub phones: BTreeMap<String, String>,
    /// Cool-down and grace of each pool together: the most seconds from the end of an order
    /// until its numbers are free.
    pub rests: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
pub struct Findings<'a> {
    /// Rows that contradict each other, in words.
    pub contradictions: Vec<String>,
    /// Routes that connect without a live order. Only a completed order in its grace may have
    /// them.
    pub strays: Vec<&'a Row>,
    /// The exclusive order that holds each number.
    pub holders: BTreeMap<&'a str, &'a str>,
}

/// A route that a live order must have.
struct ExpectedRoute<'a> {
    order_id: &'a str,
    order: &'a Row,
    callee: &'a str,
    shown: &'a str,
}

impl Snapshot {
    /// Sets a row. Returns the previous one.
    pub fn put(&mut self, table: &str, row: Row) -> Option<Row> {
        let key = |name| word(&row, name).to_owned();
        match table {
            "OrdersTable" => self.orders.insert(key("order_id"), row),
            "NumbersTable" => self.numbers.insert(key("number"), row),
            _ => self.routes.insert((key("number"), key("caller")), row),
        }
    }

    pub fn rows(&self, table: &str) -> Vec<&Row> {
        match table {
            "OrdersTable" => self.orders.values().collect(),
            "NumbersTable" => self.numbers.values().collect(),
            _ => self.routes.values().collect(),
        }
    }

    /// Checks what must hold at every moment.
    pub fn examine(&self, now: u64) -> Findings<'_> {
        let mut findings = Findings::default();
        let mut expected = BTreeMap::new();
        for (order_id, order) in &self.orders {
            if word(order, "state") != "assigned" && participants(order).next().is_some() {
                let state = word(order, "state");
                findings.contradictions.push(format!("{order_id} is {state} and holds numbers"));
            }
            if is_live(order, now) {
                self.examine_order(order_id, order, &mut findings);
                for (number, caller, callee, shown) in routes_of(order) {
                    let route = ExpectedRoute { order_id, order, callee, shown };
                    expected.insert((number, caller), route);
                }
            }
        }
        self.examine_numbers(now, &mut findings);
        self.examine_routes(now, expected, &mut findings);
        findings
    }

    fn examine_order<'a>(&'a self, order_id: &'a str, order: &'a Row, findings: &mut Findings<'a>) {
        let numbers: BTreeSet<&str> = participants(order).map(|it| it.number).collect();
        if numbers.len() < participants(order).count() {
            findings.contradictions.push(format!("{order_id} has one number for two people"));
        }
        // Orders of a shared pool hold routes, and no numbers.
        for number in participants(order).map(|it| it.number).filter(|_| is_exclusive(order)) {
            if let Some(other) = findings.holders.insert(number, order_id) {
                findings.contradictions.push(format!("{other} and {order_id} both hold {number}"));
            }
            if self.numbers.get(number).is_none_or(|row| {
                text(row, "order_id") != Some(order_id)
                    || amount(row, "available_at") != reusable_at(order)
            }) {
                findings
                    .contradictions
                    .push(format!("{order_id} holds {number}, whose row disagrees"));
            }
        }
    }

    fn examine_numbers(&self, now: u64, findings: &mut Findings<'_>) {
        for (number, row) in &self.numbers {
            let rest = self.rests.get(word(row, "pool")).copied().unwrap_or(0);
            if !findings.holders.contains_key(number.as_str())
                && now + rest < amount(row, "available_at")
            {
                findings
                    .contradictions
                    .push(format!("{number} is neither held nor free nor cooling"));
            }
        }
    }

    fn examine_routes<'a>(
        &'a self,
        now: u64,
        mut expected: BTreeMap<(&'a str, &'a str), ExpectedRoute<'a>>,
        findings: &mut Findings<'a>,
    ) {
        for ((number, caller), row) in &self.routes {
            if let Some(route) = expected.remove(&(number, caller)) {
                let ExpectedRoute { order_id, order, callee, shown } = route;
                if word(row, "order_id") != order_id
                    || text(row, "connect_to") != self.phones.get(callee).map(String::as_str)
                    || word(row, "caller_id") != shown
                    || amount(row, "expires_at") != amount(order, "expires_at")
                    || amount(row, "reusable_at") != reusable_at(order)
                {
                    let what = format!("a route of {order_id} on {number} disagrees with its row");
                    findings.contradictions.push(what);
                }
            } else if row.contains_key("connect_to") && now < amount(row, "expires_at") {
                findings.strays.push(row);
            }
        }
        for ((number, _), ExpectedRoute { order_id, .. }) in expected {
            findings.contradictions.push(format!("{order_id} lacks a route on {number}"));
        }
    }

    /// The problem of an order's row, given all events of the order. Neither their order
    /// nor duplicates matter.
    pub fn disagreement(&self, order_id: &str, events: &[Value], now: u64) -> Option<String> {
        let row = self.orders.get(order_id);
        let of = |kinds: &'static [&str]| {
            let kind =
                |event: &&Value| event["type"].as_str().is_some_and(|it| kinds.contains(&it));
            events.iter().filter(kind)
        };
        let version = |event: &&Value| event["version"].as_u64();
        let state = row.map_or("absent", |row| word(row, "state"));
        let last = of(&["order.agent_assigned", "order.agent_unassigned"]).max_by_key(version);
        let mut closes = of(&["order.completed", "order.cancelled"]);
        if let Some(close) = closes.next() {
            if state != "closed" {
                return Some(format!("was closed and is {state}"));
            }
            let is_last =
                closes.next().is_none() && last.is_none_or(|it| version(&it) < version(&close));
            return row.filter(|_| is_last).and_then(|row| other_event(row, close));
        }
        let Some(last) = last else {
            return row.map(|_| "only created, and has a row".to_owned());
        };
        let Some(row) = row else { return Some("has no row".to_owned()) };
        if let Some(problem) = other_event(row, last) {
            return Some(problem);
        }
        // An assignment that has expired when it arrives leaves the order unassigned.
        let is_over = is_over(last, now);
        if last["type"] == "order.agent_unassigned" || (is_over && state == "unassigned") {
            return (state != "unassigned").then(|| format!("was unassigned and is {state}"));
        }
        if state != "assigned" {
            return Some(format!("was assigned and is {state}"));
        }
        let named: BTreeSet<(&str, &str)> = last["participants"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| Some((it["role"].as_str()?, it["phone"].as_str()?)))
            .collect();
        let serves: BTreeSet<(&str, &str)> = participants(row)
            .filter_map(|it| Some((it.role, self.phones.get(it.caller?)?.as_str())))
            .collect();
        (serves != named).then(|| "serves others than it was told".to_owned())
    }

    /// The problem of the announcements of an order. A reader must end with the state of
    /// its row or, while the order waits for numbers, with `numbers.unavailable`.
    pub fn misheard<'a>(
        &self,
        order_id: &str,
        announced: impl Iterator<Item = &'a Value>,
        waits: bool,
        now: u64,
    ) -> Option<String> {
        let row = self.orders.get(order_id)?;
        let waits = waits || row.contains_key("waiting");
        let mut right = announcements(row);
        if is_live(row, now) {
            right.truncate(1);
        }
        let heard = as_a_reader_keeps(announced);
        let is_right = heard.is_some_and(|heard| {
            right.contains(heard) || (waits && heard["type"] == "numbers.unavailable")
        });
        (!is_right).then(|| format!("{order_id} is {right:?} and was last heard as {heard:?}"))
    }
}

/// Phones by their callers, the hashes that stand for them in the tables.
pub fn by_caller(
    key: &PhoneHashKey,
    phones: impl IntoIterator<Item = String>,
) -> BTreeMap<String, String> {
    let hashed = phones.into_iter().filter_map(|text| {
        let phone: Phone = text.parse().ok()?;
        Some((key.hash(&phone).as_str().to_owned(), text))
    });
    hashed.collect()
}

/// The announcement that counts for a reader: a close is final. Otherwise the highest version
/// counts and, at equal versions, released before assigned before unavailable.
pub fn as_a_reader_keeps<'a>(announced: impl Iterator<Item = &'a Value>) -> Option<&'a Value> {
    // A refused event says nothing about what the order holds.
    let announced = announced.filter(|it| it["type"] != "numbers.refused");
    announced.max_by_key(|it| {
        let is_final = it["reason"] == "completed" || it["reason"] == "cancelled";
        let ranks = ["numbers.unavailable", "numbers.assigned", "numbers.released"];
        let rank = ranks.iter().position(|rank| it["type"] == **rank);
        (is_final, it["version"].as_u64(), rank)
    })
}

/// The announcements that an order's row allows. An assignment allows two: one before its
/// end, and one after.
pub fn announcements(order: &Row) -> Vec<Value> {
    let (order_id, version) = (word(order, "order_id"), amount(order, "version"));
    let released = |reason: &str| {
        json!({
            "type": "numbers.released", "order_id": order_id, "version": version, "reason": reason,
        })
    };
    match (word(order, "state"), word(order, "last_event")) {
        ("assigned", _) => {
            let participants: Vec<Value> = participants(order)
                .map(|it| json!({"role": it.role, "number": it.number}))
                .collect();
            let expires_at = Timestamp::from_seconds(amount(order, "expires_at")).to_string();
            let assigned = json!({
                "type": "numbers.assigned", "order_id": order_id, "version": version,
                "pool": word(order, "pool"), "expires_at": expires_at,
                "participants": participants,
            });
            vec![assigned, released("expired")]
        }
        ("unassigned", "agent_unassigned") => vec![released("unassigned")],
        ("unassigned", _) => vec![released("expired")],
        (_, reason) => vec![released(reason)],
    }
}

/// The routes that an order's row asks for: number, caller, callee, shown number.
pub fn routes_of(order: &Row) -> impl Iterator<Item = (&str, &str, &str, &str)> {
    participants(order).flat_map(move |from| {
        participants(order).filter_map(move |to| {
            let (caller, callee) = (from.caller?, to.caller?);
            (from.role != to.role).then_some((to.number, caller, callee, from.number))
        })
    })
}

pub fn is_live(order: &Row, now: u64) -> bool {
    word(order, "state") == "assigned" && now < amount(order, "expires_at")
}

/// Whether no other order may share the numbers of this one.
pub fn is_exclusive(order: &Row) -> bool {
    word(order, "allocation") == "exclusive"
}

/// When the numbers and routes of an order are free again if it is never ended.
fn reusable_at(order: &Row) -> u64 {
    amount(order, "expires_at") + amount(order, "cooldown_seconds")
}

fn is_over(event: &Value, now: u64) -> bool {
    let expires_at = event["expires_at"].as_str().and_then(Timestamp::parse);
    expires_at.is_some_and(|it| it <= Timestamp::from_seconds(now))
}

/// The difference between a row and the event that it should come from.
fn other_event(row: &Row, event: &Value) -> Option<String> {
    let seen = (json!(amount(row, "version")), json!(format!("order.{}", word(row, "last_event"))));
    let given = (event["version"].clone(), event["type"].clone());
    (seen != given).then(|| format!("is at {seen:?} after {given:?}"))
}

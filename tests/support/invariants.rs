//! What must hold of the tables once nothing is under way, whatever was told and
//! whoever died meanwhile. It is worked out from rows and messages as an outsider
//! reads them: none of the product's rules is asked.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use masking::Timestamp;
use serde_json::{Value, json};

use crate::rows::{Row, text};

/// All rows of the three tables, and what it takes to understand them.
#[derive(Debug)]
pub struct Tables {
    /// The moment that it is.
    pub now: u64,
    /// Orders.
    pub orders: Vec<Row>,
    /// Numbers.
    pub numbers: Vec<Row>,
    /// Routes.
    pub routes: Vec<Row>,
    /// The phone of each caller.
    pub phones: BTreeMap<String, String>,
    /// How many seconds the numbers of each pool cool down.
    pub cooldowns: BTreeMap<String, u64>,
}

/// A participant as an order's row has it.
struct Held<'a> {
    role: &'a str,
    number: &'a str,
    caller: &'a str,
}

impl Tables {
    /// What contradicts what: numbers with two holders, numbers that nobody holds
    /// and that do not come free, routes that no order implies.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        for order in self.orders.iter().filter(|it| word(it, "state") != "assigned") {
            if !participants(order).is_empty() {
                let (order_id, state) = (word(order, "order_id"), word(order, "state"));
                found.push(format!("{order_id} is {state} and holds numbers"));
            }
        }
        self.check_numbers(&mut found);
        self.check_routes(&mut found);
        found
    }

    fn check_numbers(&self, found: &mut Vec<String>) {
        let mut holders = BTreeMap::new();
        // Orders of a shared pool hold routes, and no numbers.
        for order in self.live_orders().filter(|it| word(it, "allocation") == "exclusive") {
            let order_id = word(order, "order_id");
            for held in participants(order) {
                if let Some((other, _)) = holders.insert(held.number, (order_id, cooled(order))) {
                    found.push(format!("{other} and {order_id} both hold {}", held.number));
                }
            }
        }
        for row in &self.numbers {
            let (number, available_at) = (word(row, "number"), amount(row, "available_at"));
            if let Some((order_id, cooled)) = holders.remove(number) {
                if (word(row, "order_id"), available_at) != (order_id, cooled) {
                    found.push(format!("{order_id} holds {number}, whose row disagrees"));
                }
            } else {
                let cooldown = self.cooldowns.get(word(row, "pool")).copied().unwrap_or(0);
                if self.now + cooldown < available_at {
                    found.push(format!("{number} is neither held nor free nor cooling"));
                }
            }
        }
        for (number, (order_id, _)) in holders {
            found.push(format!("{order_id} holds {number}, which has no row"));
        }
    }

    fn check_routes(&self, found: &mut Vec<String>) {
        let mut implied = BTreeMap::new();
        for order in self.live_orders() {
            let (order_id, end) = (word(order, "order_id"), amount(order, "expires_at"));
            let held = participants(order);
            for from in &held {
                for to in held.iter().filter(|to| to.role != from.role) {
                    let phone = self.phones.get(to.caller).map_or("", String::as_str);
                    let route = (order_id, Some(phone), from.number, end, cooled(order));
                    implied.insert((to.number, from.caller), route);
                }
            }
        }
        for row in &self.routes {
            let (number, order_id) = (word(row, "number"), word(row, "order_id"));
            let (phone, end) = (text(row, "connect_to"), amount(row, "expires_at"));
            let seen = (order_id, phone, word(row, "caller_id"), end, amount(row, "reusable_at"));
            if let Some(route) = implied.remove(&(number, word(row, "caller"))) {
                if seen != route {
                    let of = route.0;
                    found.push(format!("a route of {of} on {number} is not as the order says"));
                }
            } else if phone.is_some() && self.now < end {
                found.push(format!("a route of {order_id} on {number} connects for no live order"));
            }
        }
        for ((number, _), (order_id, ..)) in implied {
            found.push(format!("{order_id} lacks a route on {number}"));
        }
    }

    fn live_orders(&self) -> impl Iterator<Item = &Row> {
        self.orders
            .iter()
            .filter(|it| word(it, "state") == "assigned" && self.now < amount(it, "expires_at"))
    }

    /// What is wrong with an order, given the events that were told of it, each with
    /// a version of its own and a close the last, and all that was announced.
    pub fn wrong_end(&self, events: &[Value], announced: &[Value]) -> Option<String> {
        let last = events.iter().max_by_key(|event| event["version"].as_u64())?;
        let order_id = last["order_id"].as_str()?;
        let Some(row) = self.orders.iter().find(|row| word(row, "order_id") == order_id) else {
            return Some(format!("{order_id} has no row"));
        };
        let kind = last["type"].as_str()?.trim_start_matches("order.");
        let state = match kind {
            "agent_assigned" => "assigned",
            "agent_unassigned" => "unassigned",
            _ => "closed",
        };
        let seen = (word(row, "state"), json!(amount(row, "version")));
        if seen != (state, last["version"].clone()) {
            return Some(format!("{order_id} is {seen:?} after {kind}, {}", last["version"]));
        }
        let told: BTreeSet<(&str, &str)> = last["participants"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| Some((it["role"].as_str()?, it["phone"].as_str()?)))
            .collect();
        let phone = |held: &Held<'_>| self.phones.get(held.caller).map(String::as_str);
        let held = participants(row);
        let serves: BTreeSet<(&str, &str)> =
            held.iter().map(|it| (it.role, phone(it).unwrap_or_default())).collect();
        if serves != told {
            return Some(format!("{order_id} serves others than it was told"));
        }
        let of_this = |route: &&Row| word(route, "order_id") == order_id;
        let phones = self.routes.iter().filter(of_this).filter(|it| it.contains_key("connect_to"));
        if state != "assigned" && phones.count() != 0 {
            return Some(format!("{order_id} is {state} and its routes still have phones"));
        }
        let expected = announcement_of(row, kind);
        let heard = as_a_reader_keeps(order_id, announced);
        (heard != Some(&expected))
            .then(|| format!("{order_id} says {expected} and was last heard as {heard:?}"))
    }
}

/// What is to be announced of an order's row.
fn announcement_of(row: &Row, last_event: &str) -> Value {
    let (order_id, version) = (word(row, "order_id"), amount(row, "version"));
    if last_event != "agent_assigned" {
        let reason = last_event.trim_start_matches("agent_");
        return json!({
            "type": "numbers.released", "order_id": order_id, "version": version, "reason": reason,
        });
    }
    let people: Vec<Value> = participants(row)
        .iter()
        .map(|held| json!({"role": held.role, "number": held.number}))
        .collect();
    let expires_at = Timestamp::from_seconds(amount(row, "expires_at")).to_string();
    json!({
        "type": "numbers.assigned", "order_id": order_id, "version": version,
        "pool": word(row, "pool"), "expires_at": expires_at, "participants": people,
    })
}

/// The announcement that a reader goes by: the highest version, at equal versions
/// released before assigned before unavailable; a close is final.
fn as_a_reader_keeps<'a>(order_id: &str, announced: &'a [Value]) -> Option<&'a Value> {
    announced.iter().filter(|it| it["order_id"] == order_id).max_by_key(|it| {
        let is_final = it["reason"] == "completed" || it["reason"] == "cancelled";
        let ranks = ["numbers.unavailable", "numbers.assigned", "numbers.released"];
        let rank = ranks.iter().position(|rank| it["type"] == **rank);
        (is_final, it["version"].as_u64(), rank)
    })
}

/// When what an order holds is free again, if nobody tells its end.
fn cooled(order: &Row) -> u64 {
    amount(order, "expires_at") + amount(order, "cooldown_seconds")
}

fn participants(order: &Row) -> Vec<Held<'_>> {
    let Some(AttributeValue::L(list)) = order.get("participants") else { return Vec::new() };
    let maps = list.iter().filter_map(|it| it.as_m().ok());
    maps.map(|it| Held {
        role: word(it, "role"),
        number: word(it, "number"),
        caller: word(it, "caller"),
    })
    .collect()
}

/// A text that is empty where there is none, so that it is like no other.
fn word<'a>(row: &'a Row, name: &str) -> &'a str {
    text(row, name).unwrap_or_default()
}

fn amount(row: &Row, name: &str) -> u64 {
    word(row, name).parse().unwrap_or(0)
}

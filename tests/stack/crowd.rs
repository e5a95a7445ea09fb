//! Many orders at once.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use serde_json::Value;
use support::deployed::{PATIENCE, Result, check, check_json, eventually};
use support::rows::text;
use support::story::{assigned, event, numbers_in};

use crate::{Scene, numbers};

const ORDERS: usize = 100;

/// In a shared pool they share numbers, but none for anybody who is on several of them.
pub(crate) async fn a_hundred_orders_at_once_share_no_number_and_give_all_back(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let count = if scene.shared { 20 } else { 300 };
    let all: BTreeSet<String> = numbers(7, 0..count).into_iter().collect();
    stack.import("crowd", &numbers(7, 0..count)).await?;
    let agents: Vec<String> = (0..ORDERS / 5).map(|_| stack.phone()).collect();

    let order_ids: Vec<String> = (0..ORDERS).map(|order| format!("crowd-{order}")).collect();
    let assignments: Vec<Value> = order_ids
        .iter()
        .enumerate()
        .map(|(order, order_id)| {
            let (customer, agent) = (stack.phone(), &agents[order % agents.len()]);
            let mut event = assigned(order_id, 1, &[("customer", &customer), ("agent", agent)]);
            event["pool"] = "crowd".into();
            event
        })
        .collect();
    stack.tell_all(&assignments).await?;
    let announcements: Vec<Value> =
        try_join_all(order_ids.iter().map(|it| stack.announced(it, "assigned", 1))).await?;

    let held: Vec<String> =
        announcements.iter().flat_map(|it| numbers_in(it).into_values()).collect();
    let different: BTreeSet<String> = held.iter().cloned().collect();
    check("numbers of all orders", &held.len(), &(2 * ORDERS))?;
    check("numbers of another pool", &different.difference(&all).count(), &0)?;
    if scene.shared {
        let routes = stack.rows("RoutesTable").await?;
        let mut dialled = BTreeMap::new();
        for route in
            routes.iter().filter(|it| text(it, "number").is_some_and(|it| all.contains(it)))
        {
            *dialled.entry(text(route, "order_id")).or_insert(0) += 1;
        }
        let complete = dialled.values().filter(|routes| **routes == 2).count();
        check("orders whose two people reach each other", &complete, &ORDERS)?;
    } else {
        check("numbers that no other order has", &different.len(), &held.len())?;
        let free: BTreeSet<String> = all.difference(&different).cloned().collect();
        check("the numbers that are left", &stack.free_numbers("crowd").await?, &free)?;
    }

    let completions: Vec<Value> = order_ids.iter().map(|it| event("completed", it, 2)).collect();
    stack.tell_all(&completions).await?;
    for announcement in
        try_join_all(order_ids.iter().map(|it| stack.announced(it, "released", 2))).await?
    {
        check_json("reason", &announcement["reason"], &"completed".into())?;
    }
    eventually("all numbers are free again", PATIENCE, async || {
        check("free numbers", &stack.free_numbers("crowd").await?.len(), &all.len())
    })
    .await
}

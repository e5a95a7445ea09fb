//! Orders through their lives: events in, announcements and calls out.

use serde_json::Value;
use support::deployed::{PATIENCE, Result, Stack, check, check_json, eventually, in_seconds};
use support::rows::{Row, text};
use support::story::{assigned, event, numbers_in, released};

use crate::{Scene, numbers};

/// Assigns an order of the pool `calm`, and returns the announcement.
async fn assign(
    stack: &Stack,
    order_id: &str,
    version: u64,
    people: &[(&str, &str)],
) -> Result<Value> {
    let mut event = assigned(order_id, version, people);
    event["pool"] = "calm".into();
    stack.tell(&event).await?;
    stack.announced(order_id, "assigned", version).await
}

async fn check_decision(stack: &Stack, caller: &str, called: &str, expected: &str) -> Result {
    let (status, answer) = stack.resolve(caller, called).await?;
    check("status", &status, &200)?;
    let connect_to = answer["connect_to"].as_str();
    let seen = connect_to.or(answer["reason"].as_str()).unwrap_or_default();
    check("whom the call reaches", &seen, &expected)
}

async fn rows_of(stack: &Stack, table: &str, order_id: &str) -> Result<Vec<Row>> {
    let rows = stack.rows(table).await?;
    Ok(rows.into_iter().filter(|row| text(row, "order_id") == Some(order_id)).collect())
}

pub(crate) async fn an_order_goes_through_its_whole_life(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let order_id = "life-1";
    let (customer, agent) = (stack.phone(), stack.phone());
    stack.tell(&event("created", order_id, 1)).await?;

    // The first assignment has no `expires_at`; the amendment has one.
    let two = [("customer", customer.as_str()), ("agent", &agent)];
    let first = assign(stack, order_id, 2, &two).await?;
    let had = numbers_in(&first);
    check_json("pool", &first["pool"], &"calm".into())?;
    check_decision(stack, &customer, &had["agent"], &agent).await?;

    let expires_at = in_seconds(1800);
    let mut amendment = assigned(order_id, 3, &two);
    amendment["expires_at"] = expires_at.as_str().into();
    stack.tell(&amendment).await?;
    let second = stack.announced(order_id, "assigned", 3).await?;
    let has = numbers_in(&second);
    check_json("end", &second["expires_at"], &expires_at.into())?;
    check("the numbers", &has, &had)?;

    let rows = rows_of(stack, "OrdersTable", order_id).await?;
    let public =
        rows.first().map(|row| [text(row, "state"), text(row, "version"), text(row, "pool")]);
    check("the row", &public, &Some([Some("assigned"), Some("3"), Some("calm")]))?;

    stack.tell(&event("agent_unassigned", order_id, 4)).await?;
    let announcement = stack.announced(order_id, "released", 4).await?;
    check_json("unassigned", &announcement, &released(order_id, 4, "unassigned"))?;
    check_decision(stack, &customer, &has["agent"], "ended").await?;

    let third = assign(stack, order_id, 5, &two).await?;
    check_decision(stack, &customer, &numbers_in(&third)["agent"], &agent).await?;

    stack.tell(&event("cancelled", order_id, 6)).await?;
    let announcement = stack.announced(order_id, "released", 6).await?;
    check_json("cancelled", &announcement, &released(order_id, 6, "cancelled"))?;
    check_decision(stack, &customer, &numbers_in(&third)["agent"], "ended").await?;
    let routes = rows_of(stack, "RoutesTable", order_id).await?;
    let phones = routes.iter().filter(|row| row.contains_key("connect_to")).count();
    check("routes of a closed order that still hold a phone", &phones, &0)
}

pub(crate) async fn an_order_whose_end_is_never_told_ends_by_itself(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let order_id = "silent-1";
    let all = numbers(2, 0..2);
    stack.import("brief", &all).await?;
    let (customer, agent) = (stack.phone(), stack.phone());
    let mut assignment = assigned(order_id, 1, &[("customer", &customer), ("agent", &agent)]);
    assignment["pool"] = "brief".into();
    assignment["expires_at"] = in_seconds(15).into();
    stack.tell(&assignment).await?;
    let has = numbers_in(&stack.announced(order_id, "assigned", 1).await?);
    check_decision(stack, &customer, &has["agent"], &agent).await?;
    let free = if scene.shared { all.len() } else { 0 };
    check("free numbers meanwhile", &stack.free_numbers("brief").await?.len(), &free)?;
    eventually("the order ends", PATIENCE, async || {
        check_decision(stack, &customer, &has["agent"], "ended").await
    })
    .await?;
    eventually("its numbers are free again", PATIENCE, async || {
        check("free numbers", &stack.free_numbers("brief").await?.len(), &all.len())
    })
    .await?;
    // A route rests as long as its number does.
    eventually("the cool-down is over", PATIENCE, async || {
        check_decision(stack, &customer, &has["agent"], "no_route").await
    })
    .await
}

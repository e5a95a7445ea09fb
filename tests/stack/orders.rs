//! Orders through their lives: events in, announcements and calls out.

use std::collections::BTreeSet;

use serde_json::Value;
use support::deployed::{PATIENCE, Result, Stack, check, check_json, eventually, in_seconds};
use support::rows::{Row, text};
use support::story::{assigned, event, numbers_in, released};

use crate::{Scene, numbers};

/// Tells who is on an order of a pool, and returns what is announced.
async fn assign(
    stack: &Stack,
    pool: &str,
    order_id: &str,
    version: u64,
    people: &[(&str, &str)],
) -> Result<Value> {
    let mut event = assigned(order_id, version, people);
    event["pool"] = pool.into();
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
    let (customer, agent, merchant) = (stack.phone(), stack.phone(), stack.phone());
    stack.tell(&event("created", order_id, 1)).await?;

    // An end without an instant of its own, and one that is given.
    let two = [("customer", customer.as_str()), ("agent", &agent)];
    let first = assign(stack, "calm", order_id, 2, &two).await?;
    let had = numbers_in(&first);
    check_json("pool", &first["pool"], &"calm".into())?;
    check_decision(stack, &customer, &had["agent"], &agent).await?;

    let expires_at = in_seconds(1800);
    let three = [two[0], two[1], ("merchant", merchant.as_str())];
    let mut amendment = assigned(order_id, 3, &three);
    amendment["expires_at"] = expires_at.as_str().into();
    stack.tell(&amendment).await?;
    let second = stack.announced(order_id, "assigned", 3).await?;
    let has = numbers_in(&second);
    check_json("end", &second["expires_at"], &expires_at.into())?;
    check(
        "the numbers of who stays",
        &(&has["customer"], &has["agent"]),
        &(&had["customer"], &had["agent"]),
    )?;
    check_decision(stack, &merchant, &has["agent"], &agent).await?;
    check_decision(stack, &agent, &has["merchant"], &merchant).await?;

    let rows = rows_of(stack, "OrdersTable", order_id).await?;
    let public =
        rows.first().map(|row| [text(row, "state"), text(row, "version"), text(row, "pool")]);
    check("the row", &public, &Some([Some("assigned"), Some("3"), Some("calm")]))?;

    stack.tell(&event("agent_unassigned", order_id, 4)).await?;
    let announcement = stack.announced(order_id, "released", 4).await?;
    check_json("unassigned", &announcement, &released(order_id, 4, "unassigned"))?;
    check_decision(stack, &customer, &has["agent"], "ended").await?;

    let third = assign(stack, "calm", order_id, 5, &two).await?;
    check_decision(stack, &customer, &numbers_in(&third)["agent"], &agent).await?;

    stack.tell(&event("cancelled", order_id, 6)).await?;
    let announcement = stack.announced(order_id, "released", 6).await?;
    check_json("cancelled", &announcement, &released(order_id, 6, "cancelled"))?;
    check_decision(stack, &customer, &numbers_in(&third)["agent"], "ended").await?;
    let routes = rows_of(stack, "RoutesTable", order_id).await?;
    let phones = routes.iter().filter(|row| row.contains_key("connect_to")).count();
    check("routes of a closed order that still hold a phone", &phones, &0)
}

pub(crate) async fn whoever_is_replaced_gets_nowhere_at_once(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let order_id = "replaced-1";
    let (customer, old, new) = (stack.phone(), stack.phone(), stack.phone());
    let before = [("customer", customer.as_str()), ("agent", &old)];
    let had = numbers_in(&assign(stack, "calm", order_id, 1, &before).await?);
    let after = [before[0], ("agent", &new)];
    let has = numbers_in(&assign(stack, "calm", order_id, 2, &after).await?);
    check("the numbers", &has, &had)?;
    check_decision(stack, &customer, &has["agent"], &new).await?;
    check_decision(stack, &new, &has["customer"], &customer).await?;
    check_decision(stack, &old, &has["customer"], "ended").await
}

pub(crate) async fn each_of_five_people_reaches_each_other_one(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let roles = ["customer", "agent", "merchant", "support", "guard_2"];
    let phones = roles.map(|_| stack.phone());
    let people: Vec<(&str, &str)> =
        roles.iter().zip(&phones).map(|(role, phone)| (*role, phone.as_str())).collect();
    let has = numbers_in(&assign(stack, "calm", "five-1", 1, &people).await?);
    check("different numbers", &has.values().collect::<BTreeSet<_>>().len(), &5)?;
    for (role, phone) in &people {
        for (other, other_phone) in people.iter().filter(|(other, _)| other != role) {
            let (_, answer) = stack.resolve(phone, &has[*other]).await?;
            let seen = (answer["connect_to"].as_str(), answer["caller_id"].as_str());
            let expected = (Some(*other_phone), Some(has[*role].as_str()));
            check(&format!("{role} calls {other}"), &seen, &expected)?;
        }
    }
    Ok(())
}

pub(crate) async fn an_event_delivered_twice_is_announced_twice_and_changes_nothing(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let order_id = "twice-1";
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    // Both in one batch, so that they also meet each other half way.
    let assignment = assigned(order_id, 1, &people);
    stack.tell_all(&[assignment.clone(), assignment]).await?;
    let twice = async |kind: &str| {
        eventually("two announcements", PATIENCE, async || {
            let of_this: Vec<String> = stack
                .announcements()
                .into_iter()
                .filter(|it| it.contains(&format!("\"{order_id}\"")) && it.contains(kind))
                .collect();
            check("announcements", &of_this.len(), &2)?;
            check("the second one", &of_this[1], &of_this[0])
        })
        .await
    };
    twice("numbers.assigned").await?;
    let routes = rows_of(stack, "RoutesTable", order_id).await?.len();
    check("routes of the order", &routes, &2)?;
    let held = rows_of(stack, "NumbersTable", order_id).await?.len();
    check("numbers that no other order may have", &held, &if scene.shared { 0 } else { 2 })?;

    let completion = event("completed", order_id, 2);
    stack.tell_all(&[completion.clone(), completion]).await?;
    twice("numbers.released").await
}

pub(crate) async fn a_late_assignment_finds_its_order_closed(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let order_id = "late-1";
    stack.tell(&event("completed", order_id, 9)).await?;
    let announcement = stack.announced(order_id, "released", 9).await?;
    check_json("a close of an unknown order", &announcement, &released(order_id, 9, "completed"))?;
    let (customer, agent) = (stack.phone(), stack.phone());
    stack.tell(&assigned(order_id, 8, &[("customer", &customer), ("agent", &agent)])).await?;
    stack.logged(&["\"outcome\":\"closed_before\"", "\"order_id\":\"late-1\""]).await?;
    let row = rows_of(stack, "OrdersTable", order_id).await?;
    let row = row.first().map(|row| [text(row, "state"), text(row, "version")]);
    check("the row", &row, &Some([Some("closed"), Some("9")]))?;
    check("numbers", &rows_of(stack, "NumbersTable", order_id).await?.len(), &0)
}

pub(crate) async fn a_completed_order_connects_for_its_grace(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let order_id = "grace-1";
    stack.import("graceful", &numbers(3, 0..2)).await?;
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    let has = numbers_in(&assign(stack, "graceful", order_id, 1, &people).await?);
    stack.tell(&event("completed", order_id, 2)).await?;
    stack.announced(order_id, "released", 2).await?;
    check_decision(stack, &customer, &has["agent"], &agent).await?;
    eventually("the grace ends", PATIENCE, async || {
        check_decision(stack, &customer, &has["agent"], "ended").await
    })
    .await
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

pub(crate) async fn an_assignment_that_is_over_when_it_comes_holds_nothing(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let order_id = "over-1";
    let (customer, agent) = (stack.phone(), stack.phone());
    let mut assignment = assigned(order_id, 1, &[("customer", &customer), ("agent", &agent)]);
    assignment["expires_at"] = "2020-01-01T00:00:00Z".into();
    stack.tell(&assignment).await?;
    let announcement = stack.announced(order_id, "released", 1).await?;
    check_json("the announcement", &announcement, &released(order_id, 1, "expired"))?;
    check("numbers", &rows_of(stack, "NumbersTable", order_id).await?.len(), &0)
}

//! Numbers in and out of pools: by hand, and from the provider.

use lambda_support::clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::deployed::{
    PATIENCE, Result, Stack, Surprise, check, check_json, eventually, in_seconds,
};
use support::provider::{Call, FakeProvider};
use support::rows::text;
use support::story::{assigned, event, numbers_in, unavailable};
use tokio::time::Instant;

use crate::{Scene, numbers};

/// Sends an assignment of two people to a pool.
async fn ask(stack: &Stack, pool: &str, order_id: &str) -> Result {
    let (customer, agent) = (stack.phone(), stack.phone());
    let mut event = assigned(order_id, 1, &[("customer", &customer), ("agent", &agent)]);
    event["pool"] = pool.into();
    event["expires_at"] = in_seconds(3600).into();
    stack.tell(&event).await
}

pub(crate) async fn a_dry_pool_is_announced_and_its_order_is_served_after_an_import(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    ask(stack, "dry", "dry-1").await?;
    let announcement = stack.announced("dry-1", "unavailable", 1).await?;
    let expected = unavailable("dry-1", 1, "dry");
    check_json("the announcement", &announcement, &expected)?;
    stack.logged(&["assign-numbers", "pool is dry", "\"pool\":\"dry\""]).await?;

    let two = numbers(4, 0..2);
    let import = json!({"type": "pool.import", "pool": "dry", "numbers": two});
    stack.tell_pool("dry", &import).await?;
    let has = numbers_in(&stack.announced("dry-1", "assigned", 1).await?);
    check("the numbers", &has.into_values().collect::<BTreeSet<_>>(), &two.into_iter().collect())
}

pub(crate) async fn a_withdrawn_number_serves_no_new_order_until_it_is_imported_again(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let pool = "by-hand";
    let two = numbers(5, 0..2);
    stack.import(pool, &two).await?;
    let (customer, agent) = (stack.phone(), stack.phone());
    let mut assignment = assigned("by-hand-1", 1, &[("customer", &customer), ("agent", &agent)]);
    assignment["pool"] = pool.into();
    stack.tell(&assignment).await?;
    let has = numbers_in(&stack.announced("by-hand-1", "assigned", 1).await?);

    stack.tell_pool(pool, &json!({"type": "pool.withdraw", "pool": pool, "numbers": two})).await?;
    stack
        .logged(&["refill-pool", "pool.withdraw", "\"pool\":\"by-hand\"", "\"NumbersChanged\":2"])
        .await?;
    let (_, answer) = stack.resolve(&customer, &has["agent"]).await?;
    check_json("a live order goes on", &answer["connect_to"], &agent.into())?;

    stack.tell(&event("completed", "by-hand-1", 2)).await?;
    stack.announced("by-hand-1", "released", 2).await?;
    // Not even when they have rested.
    eventually("the numbers have rested", PATIENCE, async || {
        let rows = stack.rows("NumbersTable").await?;
        let available_at = |number: &String| {
            let row = rows.iter().find(|row| text(row, "number") == Some(number))?;
            text(row, "available_at")?.parse::<u64>().ok()
        };
        let now = clock::unix_seconds();
        let rested = two.iter().filter_map(available_at).filter(|at| *at <= now).count();
        check("rested numbers", &rested, &2)
    })
    .await?;
    let waits = waits_at_last(scene, pool).await?;
    let import = json!({"type": "pool.import", "pool": pool, "numbers": two});
    stack.tell_pool(pool, &import).await?;
    let has = numbers_in(&stack.announced(&waits, "assigned", 1).await?);
    check("the numbers", &has.into_values().collect::<BTreeSet<_>>(), &two.into_iter().collect())
}

/// Sends orders to a pool whose numbers were withdrawn until one has to wait for them,
/// and returns that one. The first has to, but for a shared pool, whose numbers
/// functions keep a list of for some seconds.
async fn waits_at_last(scene: &Scene, pool: &str) -> Result<String> {
    let began = Instant::now();
    loop {
        let order_id = format!("{pool}-{:08x}", fastrand::u32(..));
        ask(&scene.stack, pool, &order_id).await?;
        let of_it = |body: &String| body.contains(&order_id);
        let answer = eventually("an announcement", PATIENCE, async || {
            let said = scene.stack.announcements().into_iter().find(of_it);
            said.ok_or_else(|| Surprise::new(format!("{order_id}: nothing")))
        })
        .await?;
        if answer.contains("numbers.unavailable") {
            return Ok(order_id);
        }
        let may_be_served = scene.shared && began.elapsed() < PATIENCE;
        check("a withdrawn number may serve", &may_be_served, &true)?;
    }
}

pub(crate) async fn a_pool_that_runs_low_is_checked(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    stack.import("low", &numbers(6, 0..5)).await?;
    let mut created = event("created", "low-1", 1);
    created["pool"] = "low".into();
    stack.tell(&created).await?;
    stack.logged(&["assign-numbers", "asked for a refill", "\"pool\":\"low\""]).await?;
    stack
        .logged(&["refill-pool", "\"line\":\"check\"", "\"pool\":\"low\"", "\"NumbersFree\":5"])
        .await?;
    let orders = stack.rows("OrdersTable").await?;
    let written = orders.iter().any(|row| format!("{row:?}").contains("\"low-1\""));
    check("order.created wrote a row", &written, &false)
}

pub(crate) async fn a_check_without_a_pool_reaches_every_pool(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    stack.tell_pool("all", &json!({"type": "pool.check"})).await?;
    let pools: Value = serde_json::from_str(include_str!("pools.json")).unwrap_or_default();
    for pool in pools.as_array().into_iter().flatten() {
        let pool = format!("\"pool\":{}", pool["id"]);
        stack.logged(&["refill-pool", "\"line\":\"check\"", &pool]).await?;
    }
    Ok(())
}

pub(crate) async fn a_rented_pool_is_filled_at_twilio_up_to_its_target(
    scene: &'static Scene,
) -> Result {
    let for_sale = ["+14155550001", "+14155550002", "+14155550003", "+14155550004"];
    fill(scene, &scene.twilio, "at-twilio", &for_sale, 3).await?;
    let webhook = format!("{}/calls/twilio", scene.stack.api_url()?);
    for number in scene.twilio.owned() {
        check("webhook", &number.voice_url, &webhook)?;
        check("fallback", &number.fallback_url, &webhook)?;
    }
    Ok(())
}

pub(crate) async fn a_rented_pool_is_filled_at_exotel_up_to_its_target(
    scene: &'static Scene,
) -> Result {
    let for_sale = ["+918047100001", "+918047100002", "+918047100003"];
    fill(scene, &scene.exotel, "at-exotel", &for_sale, 2).await
}

/// Has a pool checked: numbers are bought up to the target, once, and a listing that lacks
/// a young number neither withdraws nor replaces it.
async fn fill(
    scene: &Scene,
    provider: &FakeProvider,
    pool: &str,
    for_sale: &[&str],
    target: usize,
) -> Result {
    let stack = &scene.stack;
    provider.given_available(for_sale);
    let check_pool = json!({"type": "pool.check", "pool": pool});
    stack.tell_pool(pool, &check_pool).await?;
    eventually(&format!("numbers of {pool}"), PATIENCE, async || {
        check("how many are free", &stack.free_numbers(pool).await?.len(), &target)
    })
    .await?;
    let bought = provider.purchases();
    let expected: BTreeSet<String> = bought.iter().cloned().collect();
    check("free numbers", &stack.free_numbers(pool).await?, &expected)?;
    for number in provider.owned() {
        check(&number.tag, &number.tag.ends_with(&format!("/{pool}")), &true)?;
    }

    let listed = provider.calls(Call::List).len();
    stack.tell_pool(pool, &check_pool).await?;
    eventually("the second check", PATIENCE, async || {
        check("it asked", &(listed < provider.calls(Call::List).len()), &true)
    })
    .await?;
    let listed = provider.calls(Call::List).len();
    provider.given_lost(&bought[0]);
    stack.tell_pool(pool, &check_pool).await?;
    eventually("the third check", PATIENCE, async || {
        check("it asked", &(listed < provider.calls(Call::List).len()), &true)
    })
    .await?;
    check("free numbers", &stack.free_numbers(pool).await?, &expected)?;
    check("purchases", &provider.purchases().len(), &target)
}

//! Numbers in and out of pools: by hand, and from the provider.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::deployed::{PATIENCE, Result, check, check_json, eventually};
use support::provider::FakeProvider;
use support::story::{assigned, event, numbers_in, unavailable};

use crate::{Scene, numbers};

pub(crate) async fn a_dry_pool_is_announced_and_its_order_is_served_after_an_import(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let (customer, agent) = (stack.phone(), stack.phone());
    let mut event = assigned("dry-1", 1, &[("customer", &customer), ("agent", &agent)]);
    event["pool"] = "dry".into();
    stack.tell(&event).await?;
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

pub(crate) async fn a_withdrawn_number_is_free_again_when_it_is_imported_again(
    scene: &'static Scene,
) -> Result {
    let (stack, pool, two) = (&scene.stack, "by-hand", numbers(5, 0..2));
    stack.import(pool, &two).await?;
    stack.tell_pool(pool, &json!({"type": "pool.withdraw", "pool": pool, "numbers": two})).await?;
    stack
        .logged(&["refill-pool", "withdrew numbers", "\"pool\":\"by-hand\"", "\"withdrawn\":2"])
        .await?;
    check("free numbers", &stack.free_numbers(pool).await?.len(), &0)?;
    let import = json!({"type": "pool.import", "pool": pool, "numbers": two});
    stack.tell_pool(pool, &import).await?;
    eventually("the numbers are back", PATIENCE, async || {
        check("free numbers", &stack.free_numbers(pool).await?, &two.iter().cloned().collect())
    })
    .await
}

pub(crate) async fn a_pool_that_runs_low_is_checked(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    stack.import("low", &numbers(6, 0..5)).await?;
    let mut created = event("created", "low-1", 1);
    created["pool"] = "low".into();
    stack.tell(&created).await?;
    stack.logged(&["assign-numbers", "asked for a refill", "\"pool\":\"low\""]).await?;
    stack.logged(&["refill-pool", "checked a pool", "\"pool\":\"low\"", "\"free\":5"]).await?;
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
        stack.logged(&["refill-pool", "checked a pool", &pool]).await?;
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

/// Has a pool checked, which buys numbers up to the target.
async fn fill(
    scene: &Scene,
    provider: &FakeProvider,
    pool: &str,
    for_sale: &[&str],
    target: usize,
) -> Result {
    let stack = &scene.stack;
    provider.given_available(for_sale);
    stack.tell_pool(pool, &json!({"type": "pool.check", "pool": pool})).await?;
    let expected: BTreeSet<String> =
        for_sale.iter().take(target).map(ToString::to_string).collect();
    eventually(&format!("numbers of {pool}"), PATIENCE, async || {
        check("free numbers", &stack.free_numbers(pool).await?, &expected)
    })
    .await?;
    check("purchases", &provider.purchases().into_iter().collect(), &expected)?;
    for number in provider.owned() {
        check(&number.tag, &number.tag.ends_with(&format!("/{pool}")), &true)?;
    }
    Ok(())
}

//! Orders that wait for numbers.

use std::collections::BTreeSet;
use std::env::args;
use std::time::Duration;

use serde_json::Value;
use support::deployed::{Result, Stack, Surprise, check, eventually};
use support::story::{assigned, event};
use tokio::time::Instant;

use crate::{Scene, numbers};

const MINUTE: Duration = Duration::from_mins(1);

/// Tries are at most 15 s apart, so that numbers change hands several times in a minute.
pub(crate) async fn sixty_numbers_serve_two_hundred_orders_within_a_minute(
    scene: &'static Scene,
) -> Result {
    const ORDERS: usize = 200;
    let stack = &scene.stack;
    stack.import("rush", &numbers(9, 0..60)).await?;
    let orders = (0..ORDERS).map(|order| {
        let (customer, agent) = (stack.phone(), stack.phone());
        let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
        of_pool("rush", &format!("rush-{order}"), &people)
    });
    let orders: Vec<Value> = orders.collect();
    let mut seen = stack.announcements().len();
    let began = Instant::now();
    stack.tell_all(&orders).await?;

    // Each order ends as soon as it is announced.
    let mut served = BTreeSet::new();
    while served.len() < ORDERS && began.elapsed() < MINUTE {
        let news = stack.announcements_after(seen).await?;
        seen += news.len();
        let assigned = news.iter().filter_map(|body| assigned_order(body, "rush-"));
        let new: Vec<String> =
            assigned.filter(|order_id| served.insert(order_id.clone())).collect();
        let ends: Vec<Value> = new.iter().map(|it| event("completed", it, 2)).collect();
        stack.tell_all(&ends).await?;
    }
    println!("60 numbers served {} orders in {:.1} s", served.len(), began.elapsed().as_secs_f64());
    check("orders that were served within a minute", &served.len(), &ORDERS)
}

/// How many orders wait for a pool that stays dry, unless `--waiting=N` says otherwise. The
/// emulator takes six minutes for 5,000.
const WAITING: usize = 300;
/// How many orders of the other pool are timed.
const TIMED: usize = 40;

pub(crate) async fn orders_that_wait_for_one_pool_do_not_slow_another(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    stack.import("lively", &numbers(10, 0..100)).await?;
    let alone = time_of_an_order(stack, "alone").await?;

    // In a dry pool, the same two people may wait on all orders.
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    let waits = waiting();
    let order_ids: Vec<String> = (0..waits).map(|order| format!("parched-{order}")).collect();
    let orders: Vec<Value> = order_ids.iter().map(|it| of_pool("parched", it, &people)).collect();
    let mut seen = stack.announcements().len();
    stack.tell_all(&orders).await?;
    let mut waiting = BTreeSet::new();
    while waiting.len() < waits {
        let news = stack.announcements_after(seen).await?;
        seen += news.len();
        let is_new = |it: &&String| it.contains("numbers.unavailable") && it.contains("\"parched-");
        waiting.extend(news.iter().filter(is_new).cloned());
    }

    let beside = time_of_an_order(stack, "beside").await?;
    println!(
        "an order is announced after {alone:.1?}, and beside {waits} that wait after {beside:.1?}"
    );
    let ends: Vec<Value> = order_ids.iter().map(|it| event("cancelled", it, 2)).collect();
    stack.tell_all(&ends).await?;
    eventually("nothing waits any more", 10 * MINUTE, async || stack.check_at_rest().await).await?;
    // Emulator and functions share this machine's processors with what waits.
    let bound = 10 * alone + Duration::from_secs(5);
    check(&format!("{beside:?} is longer than {bound:?}"), &(bound < beside), &false)
}

fn waiting() -> usize {
    let given = args().find_map(|word| word.strip_prefix("--waiting=")?.parse().ok());
    given.unwrap_or(WAITING)
}

/// The median time from an event to its announcement, of orders one after the other.
async fn time_of_an_order(stack: &Stack, name: &str) -> Result<Duration> {
    let mut times = Vec::new();
    for order in 0..TIMED {
        let (customer, agent) = (stack.phone(), stack.phone());
        let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
        let order_id = format!("lively-{name}-{order}");
        let began = Instant::now();
        stack.tell(&of_pool("lively", &order_id, &people)).await?;
        stack.announced(&order_id, "assigned", 1).await?;
        times.push(began.elapsed());
        stack.tell(&event("completed", &order_id, 2)).await?;
    }
    times.sort_unstable();
    times.get(TIMED / 2).copied().ok_or_else(|| Surprise::new("no order was timed"))
}

fn of_pool(pool: &str, order_id: &str, people: &[(&str, &str)]) -> Value {
    let mut event = assigned(order_id, 1, people);
    event["pool"] = pool.into();
    event
}

/// The order of an announcement, if it is one of these and was assigned.
fn assigned_order(body: &str, prefix: &str) -> Option<String> {
    let announcement: Value = serde_json::from_str(body).ok()?;
    let order_id = announcement["order_id"].as_str().filter(|it| it.starts_with(prefix))?;
    (announcement["type"] == "numbers.assigned").then(|| order_id.to_owned())
}

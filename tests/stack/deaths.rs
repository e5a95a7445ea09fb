//! Functions that die at work.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use lambda_support::clock;
use masking::{Pool, Pools};
use serde_json::Value;
use support::deployed::{PATIENCE, Processes, Result, Stack, Surprise, check, eventually};
use support::events::Queue;
use support::oracle::Snapshot;
use support::rows::{Row, word};
use support::story::{assigned, event};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use crate::{Scene, numbers};

const POOL: &str = "mortal";
const ORDERS: usize = 60;
/// How many processes of each function are to die while they handle a batch, and how
/// many are killed for that at most: some have just finished.
const DEATHS: usize = 10;
const MOST: usize = 5 * DEATHS;
/// After so many seconds the batch of a function that died is handed out again. As
/// deployed it is 90, which is too long to wait for.
const COMES_AGAIN: &str = "3";
/// How long functions have time to die of a burst before the next one.
pub(crate) const BURST: Duration = Duration::from_secs(2);

pub(crate) async fn functions_killed_at_work_lose_and_double_nothing(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let all = numbers(8, 0..300);
    stack.import(POOL, &all).await?;
    let lives: Vec<Vec<Value>> = (0..ORDERS).map(|order| life(stack, order)).collect();

    let queues = [Queue::Assign, Queue::Release];
    let deployed =
        try_join_all(queues.map(|it| stack.set_visibility_timeout(it, COMES_AGAIN))).await?;
    let end = burst(stack, &lives).await;
    for (queue, seconds) in queues.into_iter().zip(&deployed) {
        stack.set_visibility_timeout(queue, seconds).await?;
    }
    end?;

    check_ends(stack, &lives).await?;
    let rows = stack.rows("NumbersTable").await?;
    let of_pool = rows.iter().filter(|row| word(row, "pool") == POOL);
    let known: BTreeSet<&str> = of_pool.map(|row| word(row, "number")).collect();
    check("the pool's numbers", &known, &all.iter().map(String::as_str).collect())
}

/// Checks that each order is where its events, which were told in any order, demand.
pub(crate) async fn check_ends(stack: &Stack, lives: &[Vec<Value>]) -> Result {
    let now = clock::unix_seconds();
    let tables = snapshot(stack).await?;
    let found = tables.examine(now);
    check("what the tables say", &found.contradictions, &Vec::new())?;
    check("routes that connect for no live order", &found.strays, &Vec::new())?;
    let announced = stack.announcements();
    let announced: Vec<Value> =
        announced.iter().filter_map(|body| serde_json::from_str(body).ok()).collect();
    let wrong: Vec<String> =
        lives.iter().filter_map(|events| wrong_end(&tables, events, &announced, now)).collect();
    check("how the orders ended", &wrong, &Vec::new())
}

/// The tables as they are.
async fn snapshot(stack: &Stack) -> Result<Snapshot> {
    let pools = Pools::parse(include_str!("pools.json"))
        .map_err(|error| Surprise::new(format!("the pools: {error}")))?;
    let rest =
        |pool: &Pool| (pool.id.as_str().to_owned(), pool.cooldown_seconds + pool.grace_seconds);
    let (phones, rests) = (stack.callers().await?, pools.iter().map(rest).collect());
    let mut tables = Snapshot { phones, rests, ..Snapshot::default() };
    for table in ["OrdersTable", "NumbersTable", "RoutesTable"] {
        for row in stack.rows(table).await? {
            tables.put(table, row);
        }
    }
    Ok(tables)
}

/// What is wrong with an order, given the events that were told of it and all that was
/// announced.
fn wrong_end(tables: &Snapshot, events: &[Value], announced: &[Value], now: u64) -> Option<String> {
    let order_id = events.first()?["order_id"].as_str()?;
    let of_order = |row: &&Row| word(row, "order_id") == order_id;
    let ends = events.last()?["type"] != "order.agent_assigned";
    let phones = tables.routes.values().filter(of_order).filter(|it| it.contains_key("connect_to"));
    if let Some(problem) = tables.disagreement(order_id, events, now) {
        Some(format!("{order_id}: {problem}"))
    } else if ends && phones.count() != 0 {
        Some(format!("{order_id} is over and its routes still have phones"))
    } else {
        let heard = announced.iter().filter(|it| it["order_id"] == order_id);
        tables.misheard(order_id, heard, false, now)
    }
}

/// What is told of an order, by versions from 1 on.
fn life(stack: &Stack, order: usize) -> Vec<Value> {
    let order_id = format!("{POOL}-{order}");
    let (customer, agent, other, merchant) =
        (stack.phone(), stack.phone(), stack.phone(), stack.phone());
    let assign = |version, people: &[(&str, &str)]| {
        let mut event = assigned(&order_id, version, people);
        event["pool"] = POOL.into();
        event
    };
    let first = assign(1, &[("customer", &customer), ("agent", &agent)]);
    let replace = |version| {
        assign(version, &[("customer", &customer), ("agent", &other), ("merchant", &merchant)])
    };
    let end = |kind, version| event(kind, &order_id, version);
    match order % 6 {
        0 => vec![first],
        1 => vec![first, replace(2)],
        2 => vec![first, end("completed", 2)],
        3 => vec![first, replace(2), end("cancelled", 3)],
        4 => vec![first, end("agent_unassigned", 2)],
        _ => vec![first, end("agent_unassigned", 2), replace(3)],
    }
}

/// Tells everything twice and in any order, and that again, while functions are
/// killed, until enough have died and all that was told is done with.
async fn burst(stack: &Stack, lives: &[Vec<Value>]) -> Result {
    let mut twice = [lives.concat(), lives.concat()].concat();
    let (assigns, releases) = (stack.processes(Queue::Assign)?, stack.processes(Queue::Release)?);
    let both = try_join(kill_at_work(assigns, DEATHS), kill_at_work(releases, DEATHS));
    let mut killing = spawn_local(both);
    loop {
        fastrand::shuffle(&mut twice);
        for events in twice.chunks(20) {
            stack.tell_all(events).await?;
        }
        // Most of it is soon done with. If too few have died by then, it is told once more.
        if let Ok(end) = timeout(BURST, &mut killing).await {
            end.map_err(|panic| Surprise::new(panic.to_string()))??;
            break;
        }
    }
    eventually("all is done with", PATIENCE, async || stack.check_at_rest().await).await
}

/// Kills processes, each at some moment of its work, until so many have died of it.
pub(crate) async fn kill_at_work(mut processes: Processes, wanted: usize) -> Result {
    let began = Instant::now();
    let before = processes.deaths_at_work()?;
    let mut killed = 0;
    loop {
        let deaths = processes.deaths_at_work()? - before;
        if wanted <= deaths {
            return Ok(());
        }
        if MOST <= killed || PATIENCE < began.elapsed() {
            return check(&format!("deaths at work of {killed} processes"), &deaths, &wanted);
        }
        sleep(Duration::from_millis(fastrand::u64(1..20))).await;
        killed += usize::from(processes.kill_one_at_work().await?);
    }
}

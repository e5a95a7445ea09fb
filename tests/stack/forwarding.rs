//! Order events that come on a topic, while all that carries them fails in turn.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::deployed::{PATIENCE, Record, Result, Stack, Surprise, check, eventually};
use support::events::Queue;
use support::story::{assigned, event};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use crate::deaths::{BURST, check_ends, kill_at_work};
use crate::{Scene, numbers};

const POOL: &str = "forwarded";
const ORDERS: usize = 1000;
/// How many events come twice.
const DOUBLES: usize = 500;
/// How many records of each bad kind there are.
const BAD: usize = 10;
/// How many processes of forward-events are to die at work.
const DEATHS: usize = 5;
/// How many batches are to fail while a queue takes nothing.
const REFUSED: usize = 3;

/// The phones of all orders. Each person is on several orders at a time.
struct People {
    customers: Vec<String>,
    agents: Vec<String>,
    merchants: Vec<String>,
}

pub(crate) async fn five_thousand_events_arrive_whatever_fails(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    stack.import(POOL, &numbers(11, 0..300)).await?;
    let phones = |count| (0..count).map(|_| stack.phone()).collect();
    let people = People { customers: phones(200), agents: phones(100), merchants: phones(40) };
    let lives: Vec<Vec<Value>> = (0..ORDERS).map(|order| life(&people, order)).collect();
    let mut events = lives.concat();
    let doubles: Vec<Value> =
        (0..DOUBLES).filter_map(|_| fastrand::choice(&events).cloned()).collect();
    events.extend(doubles);
    let mut records: Vec<(Record, Option<&str>)> =
        events.iter().map(|it| (Record::of(&it.to_string()), None)).collect();
    records.extend(bad(&people).into_iter().map(|(record, reason)| (record, Some(reason))));
    records.extend((0..BAD).map(|index| (unknown(index), None)));
    fastrand::shuffle(&mut records);
    let part = records.len().div_ceil(3);
    let parts: Vec<_> = records.chunks(part).collect();

    let (began, failed_before) = (Instant::now(), stack.failed_batches()?);
    let mut refused = produce(stack, parts[0]).await?;
    functions_die(stack, &events[..part]).await?;
    refused.extend(produce(stack, parts[1]).await?);
    a_queue_takes_nothing(stack).await?;
    stack.kill_broker().await?;
    refused.extend(produce(stack, parts[2]).await?);

    eventually("all is read", 5 * PATIENCE, async || {
        check("records that nobody has read", &stack.unread().await?, &0)
    })
    .await?;
    let forwarded = began.elapsed();
    eventually("all is done with", 5 * PATIENCE, async || stack.check_at_rest().await).await?;
    println!(
        "{} events of {ORDERS} orders and {} bad records were forwarded in {:.1} s and done with in \
         {:.1} s, while {} batches failed",
        events.len(),
        refused.len(),
        forwarded.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        stack.failed_batches()? - failed_before,
    );
    check_ends(stack, &lives).await?;
    check_dead_letters(stack, &refused).await
}

/// What is told of an order, by versions from 1 on.
fn life(people: &People, order: usize) -> Vec<Value> {
    let order_id = format!("{POOL}-{order}");
    let one_of = |phones: &[String], offset: usize| phones[(order + offset) % phones.len()].clone();
    let customer = one_of(&people.customers, 0);
    let (agent, other) = (one_of(&people.agents, 0), one_of(&people.agents, 1));
    let merchant = one_of(&people.merchants, 0);
    let assign = |version, people: &[(&str, &str)]| {
        let mut event = assigned(&order_id, version, people);
        event["pool"] = POOL.into();
        event
    };
    let two = [("customer", customer.as_str()), ("agent", &agent)];
    let three = [two[0], ("agent", &other), ("merchant", &merchant)];
    let end = |kind| event(kind, &order_id, 5);
    vec![
        assign(1, &two),
        assign(2, &three),
        event("agent_unassigned", &order_id, 3),
        assign(4, &two),
        match order % 4 {
            0 => end("completed"),
            1 => end("cancelled"),
            2 => end("agent_unassigned"),
            _ => assign(5, &three),
        },
    ]
}

/// Records that no queue can carry, each with the reason.
fn bad(people: &People) -> Vec<(Record, &'static str)> {
    let mut records = Vec::new();
    for phone in people.customers.iter().take(BAD) {
        let with_phone = |before: &[u8]| Some([before, phone.as_bytes()].concat());
        for (value, reason) in [
            (None, "value: is missing, as in a tombstone"),
            (Some(Vec::new()), "value: is empty"),
            (with_phone(b"\xff\xfe"), "value: must be UTF-8"),
            (with_phone(b"\x01"), "value: has a control character that SQS does not allow"),
        ] {
            records.push((Record { key: phone.clone(), value }, reason));
        }
    }
    let large = vec![b'x'; (1 << 20) + 1];
    let large = Record { key: "large".to_owned(), value: Some(large) };
    records.push((large, "value: is larger than 1 MiB"));
    records
}

/// A record that a queue carries, and its function refuses.
fn unknown(index: usize) -> Record {
    Record::of(
        &json!({"type": "order.paid", "order_id": unknown_id(index), "version": 1}).to_string(),
    )
}

fn unknown_id(index: usize) -> String {
    format!("unknown-{index}")
}

/// Puts records on the topic. Returns the positions of bad ones, each with its reason.
async fn produce<'a>(
    stack: &Stack,
    records: &[(Record, Option<&'a str>)],
) -> Result<BTreeMap<String, &'a str>> {
    let sent: Vec<Record> = records.iter().map(|(record, _)| record.clone()).collect();
    let positions = stack.produce(&sent).await?;
    let with_reason = positions.into_iter().zip(records);
    Ok(with_reason.filter_map(|(position, (_, reason))| Some((position, (*reason)?))).collect())
}

/// Kills processes of the function until enough have died, and produces the same events again
/// while too few have.
async fn functions_die(stack: &Stack, events: &[Value]) -> Result {
    let mut killing = spawn_local(kill_at_work(stack.forwarding_processes()?, DEATHS));
    loop {
        if let Ok(end) = timeout(BURST, &mut killing).await {
            return end.map_err(|panic| Surprise::new(panic.to_string()))?;
        }
        if stack.unread().await? == 0 {
            stack.tell_all(events).await?;
        }
    }
}

/// Has the assign queue refuse all messages until some batches have failed for that.
async fn a_queue_takes_nothing(stack: &Stack) -> Result {
    let before = stack.failed_batches()?;
    stack.set_sending(Queue::Assign, false).await?;
    let end = eventually("batches fail", PATIENCE, async || {
        let failed = stack.failed_batches()? - before;
        check("enough batches failed", &(REFUSED <= failed), &true)
    })
    .await;
    stack.set_sending(Queue::Assign, true).await?;
    end
}

/// Checks that the dead letters are these records, and those of an unknown type.
async fn check_dead_letters(stack: &Stack, refused: &BTreeMap<String, &str>) -> Result {
    let expected: BTreeMap<String, String> =
        refused.iter().map(|(position, reason)| (position.clone(), (*reason).to_owned())).collect();
    check("bad records", &expected.len(), &(4 * BAD + 1))?;
    eventually("the topic's dead letters", PATIENCE, async || {
        // A batch that comes again doubles its dead letters.
        let letters = stack.forward_dead_letters().into_iter();
        let seen = letters.filter_map(|it| Some((it.position?, it.reason?))).collect();
        check("positions and reasons", &seen, &expected)
    })
    .await?;
    for index in 0..BAD {
        let part = format!("\"{}\"", unknown_id(index));
        let reason = stack.dead_letter(Queue::Assign, &part).await?;
        check(&part, &reason.as_str(), &"type: is not a known type of event")?;
    }
    Ok(())
}

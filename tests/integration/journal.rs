//! The journal: what the functions write of their decisions, and that the docs list all of it.

use std::collections::BTreeSet;
use std::time::Duration;

use journal::{Batch, Call, Check, Event, Message, ProviderRequest, Refusal, Report, Stock};
use serde_json::{Value, json};
use support::World;
use support::alarms::{alarms, dashboard};
use support::events::records;
use support::logs::{Logs, journal};
use support::provider::{Call as Made, FakeProvider, Fault};
use support::world::{assigned, event, number};

use crate::assign_numbers::world_with_numbers;
use crate::people::{AGENT, CUSTOMER, MERCHANT, OTHER_AGENT, PAIR, STRANGER};

/// The lines of a kind in a log.
fn lines(log: &str, kind: &str) -> Vec<Value> {
    let all = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["line"] == kind).collect()
}

/// The outcomes of the order events in a world's log.
fn outcomes(world: &World) -> Vec<String> {
    let events = lines(&world.log(), "event");
    events.iter().map(|line| line["outcome"].as_str().unwrap().to_owned()).collect()
}

fn last(world: &World, kind: &str) -> Value {
    lines(&world.log(), kind).pop().unwrap()
}

// ---------------------------------------------------------------- Docs

/// One line of each kind, with every field.
fn one_of_each() -> Vec<Value> {
    let (logs, journal) = (Logs::listen(), journal());
    let (text, time) = (|| Some("x".to_owned()), Duration::from_secs(1));
    let mut call = Call::new("r", "reject", "ended", time);
    (call.call_id, call.order_id, call.called) = (text(), text(), text());
    journal.write(call);
    journal.write(Refusal::new("r", "off"));
    let mut report = Report::new("r", "completed");
    (report.call_id, report.order_id, report.talk_time) = (text(), text(), Some(time));
    journal.write(report);
    let mut event = Event::new("order.completed", "closed", time);
    (event.order_id, event.field) = (text(), text());
    (event.version, event.stored_version) = (Some(1), Some(2));
    (event.to_numbers, event.free) = (Some(time), Some(time));
    journal.write(event);
    let mut check = Check::new("p", "twilio");
    check.stopped = Some("table");
    check.stock = Some(Stock { free: 1, held: 1, cooling: 1, min_free: 1, paid: 1 });
    journal.write(check);
    journal.write(Message::new("p", "pool.import"));
    journal.write(ProviderRequest::new("twilio", "ok", Some(200), time));
    let mut batch = Batch::new("forwarded");
    batch.on_topic = Some(time);
    journal.write(batch);
    logs.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of the first table of a page, without marks of code.
fn table(page: &str) -> impl Iterator<Item = Vec<String>> {
    let rows = page.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect())
}

/// The name, unit and dimensions of every metric.
fn metrics() -> BTreeSet<[String; 3]> {
    let mut written = BTreeSet::new();
    for line in one_of_each() {
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        let dimensions = metrics["Dimensions"][0].as_array().unwrap();
        let dimensions: Vec<&str> = dimensions.iter().map(|it| it.as_str().unwrap()).collect();
        for metric in metrics["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name} in {line}");
            let unit = metric["Unit"].as_str().unwrap_or("none");
            written.insert([name.to_owned(), unit.to_owned(), dimensions.join(", ")]);
        }
        assert!(dimensions.iter().all(|name| line[name].is_string()), "{line}");
    }
    written
}

#[test]
fn the_docs_list_every_metric_with_its_unit_and_its_dimensions() {
    let page = include_str!("../../docs/metrics.md");
    let listed = table(page).map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]);
    assert_eq!(metrics(), listed.collect());
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist_by_the_dimensions_that_they_have() {
    let written: BTreeSet<[String; 2]> =
        metrics().into_iter().map(|[name, _, dimensions]| [name, dimensions]).collect();
    let dashboard = dashboard();
    let mut asked = BTreeSet::new();
    // SEARCH('{"namespace",dimension,dimension} MetricName="name" …
    for search in dashboard.split("SEARCH('{\"${AWS::StackName}\",").skip(1) {
        let (dimensions, rest) = search.split_once('}').unwrap();
        let metric = rest.split('"').nth(1).unwrap();
        let dimensions: Vec<&str> = dimensions.split(',').collect();
        asked.insert([metric.to_owned(), dimensions.join(", ")]);
    }
    let unknown: Vec<_> = asked.difference(&written).collect();
    assert!(10 < asked.len() && unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_alarm_stands_on_the_dashboard() {
    let dashboard = dashboard();
    let missing =
        alarms().into_iter().filter(|it| !dashboard.contains(&format!("${{{}.Arn}}", it.name)));
    assert_eq!(missing.map(|alarm| alarm.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_docs_list_every_kind_of_line_with_its_fields() {
    let mut written = BTreeSet::new();
    for line in one_of_each() {
        let is_field = |name: &&String| {
            *name != "line" && *name != "_aws" && !name.starts_with(char::is_uppercase)
        };
        let fields = line.as_object().unwrap().keys().filter(is_field).cloned();
        let kind = line["line"].as_str().unwrap().to_owned();
        written.insert((kind, fields.collect::<BTreeSet<String>>()));
    }
    let page = include_str!("../../docs/logs.md");
    let listed = table(page).map(|row| {
        (row[1].clone(), row[4].split(", ").map(str::to_owned).collect::<BTreeSet<String>>())
    });
    assert_eq!(written, listed.collect());
}

// ---------------------------------------------------------------- Order events

#[tokio::test]
async fn each_delivery_of_an_event_is_a_line_that_says_what_became_of_it() {
    let world = world_with_numbers(4).await;
    world.when_told(&event("created", "o-1", 1)).await;
    world.when_told(&assigned("o-1", 2, &PAIR)).await;
    world.when_told(&assigned("o-1", 2, &PAIR)).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    world.when_told(&assigned("o-1", 3, &[("customer", CUSTOMER), ("agent", OTHER_AGENT)])).await;
    world.when_told(&event("agent_unassigned", "o-1", 4)).await;
    world.when_told(&assigned("o-1", 4, &PAIR)).await;
    world.when_told(&event("completed", "o-1", 5)).await;
    world.when_told(&assigned("o-1", 6, &PAIR)).await;
    let mut over = assigned("o-2", 1, &PAIR);
    over["expires_at"] = world.in_seconds(0).into();
    world.when_told(&over).await;
    world.when_told(&assigned("o-3", 1, &[("customer", "12"), ("agent", AGENT)])).await;
    let expected = [
        "noted",
        "assigned",
        "duplicate",
        "stale",
        "amended",
        "released",
        "same_version",
        "closed",
        "closed_before",
        "expired",
        "refused",
    ];
    assert_eq!(outcomes(&world), expected);
    let lines = lines(&world.log(), "event");
    let figures = |line: &Value| json!(["event", "pool", "Tries", "Conflicts"].map(|it| &line[it]));
    for (index, expected) in [
        (0, json!(["order.created", "unknown", 0, 0])),
        (1, json!(["order.agent_assigned", "id-jkt", 1, 0])),
        (2, json!(["order.agent_assigned", "id-jkt", 1, 1])),
        (4, json!(["order.agent_assigned", "id-jkt", 2, 1])),
        (5, json!(["order.agent_unassigned", "id-jkt", 1, 0])),
        (7, json!(["order.completed", "id-jkt", 1, 0])),
    ] {
        assert_eq!(figures(&lines[index]), expected, "{}", lines[index]);
    }
    let refused = last(&world, "event");
    assert_eq!(
        (&refused["field"], &refused["pool"]),
        (&json!("participants[0].phone"), &json!("unknown"))
    );
}

#[tokio::test]
async fn a_line_of_an_assignment_has_its_numbers_and_its_effort() {
    let world = world_with_numbers(2).await;
    world.seconds_pass(30);
    let announced = world.when_told(&assigned("o-1", 7, &PAIR)).await.announced;
    let line = last(&world, "event");
    let numbers = |of: &Value| of["participants"].as_array().unwrap().clone();
    let told: Vec<Value> = numbers(&announced[0]).iter().map(|it| it["number"].clone()).collect();
    assert_eq!((&line["numbers"], &line["roles"]), (&json!(told), &json!(["customer", "agent"])));
    let figures = ["Events", "Tries", "Conflicts", "SecondsToNumbers", "SecondsFree"];
    assert_eq!(json!(figures.map(|it| &line[it])), json!([1, 1, 0, 0, 30]));
    assert_eq!((&line["version"], &line["pool"]), (&json!(7), &json!("id-jkt")));
    world.when_told(&assigned("o-1", 7, &PAIR)).await;
    let again = last(&world, "event");
    assert!(again["SecondsToNumbers"].is_null(), "it got them before: {again}");
}

#[tokio::test]
async fn the_wait_for_a_dry_pool_counts_towards_the_time_to_the_numbers() {
    let world = World::new();
    let waiting = world.when_told(&assigned("o-1", 1, &PAIR)).await.waiting;
    world.seconds_pass(600);
    let delay = waiting[0].delay;
    let still = world.when_waited(&waiting).await.waiting;
    let line = last(&world, "event");
    assert_eq!((&line["outcome"], &line["pool"]), (&json!("waiting"), &json!("id-jkt")));
    world.given_numbers("id-jkt", 0..2).await;
    let delay = delay + still[0].delay;
    world.when_waited(&still).await;
    let line = last(&world, "event");
    assert_eq!(line["outcome"], "assigned");
    assert_eq!(
        line["SecondsToNumbers"].as_f64(),
        Some(f64::from(600 + u32::try_from(delay).unwrap()))
    );
    assert_eq!(
        line["SecondsFree"].as_f64(),
        Some(f64::from(u32::try_from(still[0].delay).unwrap()))
    );

    let waiting = world
        .when_told(&assigned("o-2", 1, &[("customer", MERCHANT), ("agent", STRANGER)]))
        .await
        .waiting;
    world.seconds_pass(3600);
    world.when_waiting_receives(&waiting, support::world::FIRST).await;
    assert_eq!(last(&world, "event")["outcome"], "given_up");
}

#[tokio::test]
async fn a_claim_that_lost_counts_as_a_conflict() {
    let pools = json!([{"id": "id-jkt", "allocation": "shared", "min_free": 0}]);
    let world = World::with_pools(&pools);
    world.given_numbers("id-jkt", 0..2).await;
    // The two numbers can stand for the pair in two ways.
    for order in ["o-1", "o-2", "o-3"] {
        world.when_told(&assigned(order, 1, &PAIR)).await;
    }
    let line = last(&world, "event");
    assert_eq!(line["outcome"], "waiting", "{line}");
    assert!(1 <= line["Conflicts"].as_u64().unwrap(), "{line}");
    world.when_told(&event("cancelled", "o-4", 1)).await;
    assert_eq!(last(&world, "event")["event"], "order.cancelled");
}

#[tokio::test]
async fn an_event_that_can_not_be_handled_now_is_a_line_too() {
    let world = World::without_tables();
    world.when_told(&event("completed", "o-1", 1)).await;
    let line = last(&world, "event");
    assert_eq!((&line["outcome"], &line["order_id"]), (&json!("retried"), &json!("o-1")));
}

// ---------------------------------------------------------------- Pools, topics

#[tokio::test]
async fn a_check_is_a_line_and_so_is_each_request_to_the_provider() {
    let world = World::with_pools(&json!([{
        "id": "us", "provider": "twilio", "country": "US", "min_free": 1, "target_free": 1,
        "max_numbers": 2,
    }]));
    let provider = FakeProvider::start().await;
    world.given_rental_secret(&json!({"twilio": provider.twilio_part()}));
    provider.given_available(&["+14155550100"]);
    world.when_pool_told(&json!({"type": "pool.check", "pool": "us"})).await;
    let line = last(&world, "check");
    let figures = ["NumbersFree", "NumbersPaid", "NumbersBought", "NumbersLost"];
    assert_eq!(json!(figures.map(|it| &line[it])), json!([1, 1, 1, 0]), "{line}");
    let requests = lines(&world.log(), "provider_request");
    assert!(world.log().contains("the rental secret leaves these off"), "Exotel's part is empty");
    let made = [Made::List, Made::Search, Made::Buy].map(|call| provider.calls(call).len());
    assert!(made.iter().sum::<usize>() <= requests.len(), "{requests:?}");
    assert!(requests.iter().all(|it| it["outcome"] == "ok"), "{requests:?}");

    provider.fail_next(Made::List, Fault::Status(403, 20003));
    world.when_pool_told(&json!({"type": "pool.check", "pool": "us"})).await;
    let request = last(&world, "provider_request");
    assert_eq!((&request["outcome"], &request["status"]), (&json!("refused"), &json!("403")));
    assert_eq!(last(&world, "check")["stopped"], "provider");
}

#[tokio::test]
async fn what_an_operator_does_to_a_pool_is_a_line() {
    let world = World::new();
    world.given_numbers("id-jkt", 0..2).await;
    for kind in ["pool.import", "pool.withdraw", "pool.retire"] {
        let numbers = [number(1), number(7)];
        world.when_pool_told(&json!({"type": kind, "pool": "id-jkt", "numbers": numbers})).await;
        let line = last(&world, "message");
        let figures = ["NumbersChanged", "NumbersUnchanged", "NumbersElsewhere"];
        let expected = if kind == "pool.import" { json!([1, 1, 0]) } else { json!([2, 0, 0]) };
        assert_eq!(
            (&line["message"], json!(figures.map(|it| &line[it]))),
            (&json!(kind), expected)
        );
    }
}

#[tokio::test]
async fn a_batch_of_a_topic_is_a_line_with_the_age_of_its_oldest_record() {
    let world = World::new();
    let good = event("completed", "o-1", 1).to_string();
    let mut batch = records([Some(good.as_bytes()), None]);
    for (age, record) in
        [90, 5].iter().zip(batch["records"]["order-events-0"].as_array_mut().unwrap())
    {
        record["timestamp"] = ((world.now() - age) * 1000).into();
    }
    world.when_topic_has(&batch).await.unwrap();
    let line = last(&world, "batch");
    let figures = ["RecordsForwarded", "RecordsRefused", "SecondsOnTopic"];
    assert_eq!(json!(figures.map(|it| &line[it])), json!([1, 1, 90]), "{line}");
}

//! How assign-numbers handles events, in any order and with duplicates.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use support::World;
use support::events::Queue;
use support::functions::{NUMBER_EVENTS, REFILL, dead_letters};
use support::rows::text;
use support::story::released;
use support::world::{Delivery, FIRST, assigned, event, numbers_in};

use crate::people::{AGENT, CUSTOMER, MERCHANT, OTHER_AGENT, PAIR};

pub(crate) async fn world_with_numbers(count: u32) -> World {
    let world = World::new();
    world.given_numbers("id-jkt", 0..count).await;
    world
}

#[tokio::test]
async fn two_people_are_connected_through_numbers_of_their_own() {
    let world = world_with_numbers(4).await;
    let handled = world.when_told(&assigned("o-1", 2, &PAIR)).await;

    let [announcement] = handled.announced.as_slice() else { panic!("{handled:?}") };
    let numbers = numbers_in(announcement);
    let expires_at = world.in_seconds(86_400);
    assert_eq!(
        announcement,
        &json!({
            "type": "numbers.assigned", "order_id": "o-1", "version": 2, "pool": "id-jkt",
            "expires_at": expires_at,
            "participants": [
                {"role": "customer", "number": numbers["customer"]},
                {"role": "agent", "number": numbers["agent"]},
            ],
        })
    );
    assert_ne!(numbers["customer"], numbers["agent"]);
    for (caller, dialled, rung, shown) in [
        (CUSTOMER, &numbers["agent"], AGENT, &numbers["customer"]),
        (AGENT, &numbers["customer"], CUSTOMER, &numbers["agent"]),
    ] {
        let (status, answer) = world.when_called(caller, dialled).await;
        assert_eq!(status, 200);
        assert_eq!(
            answer,
            json!({
                "decision": "connect", "connect_to": rung, "caller_id": shown,
                "order_id": "o-1", "expires_at": expires_at,
            })
        );
    }
}

#[tokio::test]
async fn five_people_reach_each_other_pair_by_pair() {
    let world = world_with_numbers(5).await;
    let people: Vec<(String, String)> =
        (0..5).map(|n| (format!("role_{n}"), format!("+62812000000{n}"))).collect();
    let people: Vec<(&str, &str)> = people.iter().map(|(r, p)| (r.as_str(), p.as_str())).collect();
    let handled = world.when_told(&assigned("o-1", 1, &people)).await;

    let numbers = numbers_in(&handled.announced[0]);
    assert_eq!(numbers.values().collect::<HashSet<_>>().len(), 5);
    for (from, caller) in &people {
        for (to, rung) in people.iter().filter(|(to, _)| to != from) {
            let (_, answer) = world.when_called(caller, &numbers[*to]).await;
            assert_eq!(answer["connect_to"], *rung);
            assert_eq!(answer["caller_id"], numbers[*from].as_str());
        }
        assert_eq!(
            world.decision(caller, &numbers[*from]).await,
            "no_route",
            "one's own number reaches nobody"
        );
    }
}

#[tokio::test]
async fn an_order_that_was_created_takes_no_number_and_writes_nothing() {
    let world = world_with_numbers(4).await;
    let handled = world.when_told(&event("created", "o-1", 1)).await;
    assert_eq!((handled.announced.len(), handled.refused.len(), handled.again), (0, 0, 0));
    assert!(world.order("o-1").await.is_null());
    assert_eq!(world.free_numbers().await.len(), 4);
}

#[tokio::test]
async fn an_order_that_was_created_asks_for_a_refill_of_a_pool_that_runs_low() {
    let pools = json!([{"id": "id-jkt", "min_free": 6, "shards": 1}]);
    for (numbers, signals) in [(5, 1), (6, 0)] {
        let world = World::with_pools(&pools);
        world.given_numbers("id-jkt", 0..numbers).await;
        world.when_told(&event("created", "o-1", 1)).await;
        world.when_told(&event("created", "o-2", 1)).await;
        let sent = world.take_signals();
        assert_eq!(sent.len(), signals, "{sent:?}");
        if let [signal] = sent.as_slice() {
            assert_eq!(signal.body, r#"{"pool":"id-jkt","type":"pool.check"}"#);
            assert_eq!(signal.group.as_deref(), Some("id-jkt"));
            assert!(signal.deduplication_id.as_ref().unwrap().starts_with("id-jkt-"));
        }
    }
}

#[tokio::test]
async fn a_pool_that_stays_low_is_signalled_again_after_ten_seconds() {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 6, "shards": 1}]));
    for (seconds, signals) in [(0, 1), (4, 0), (6, 1)] {
        world.caches_age(Duration::from_secs(seconds)).await;
        world.when_told(&event("created", "o-1", 1)).await;
        assert_eq!(world.take_signals().len(), signals, "{seconds} s later");
    }
}

#[tokio::test]
async fn a_claim_that_had_to_change_shard_asks_for_a_refill() {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 16}]));
    world.given_numbers("id-jkt", 0..2).await;
    let handled = world.when_told(&assigned("o-1", 1, &PAIR)).await;
    assert_eq!(handled.announced[0]["type"], "numbers.assigned");
    assert_eq!(world.take_signals().len(), 1);
}

#[tokio::test]
async fn a_signal_that_fails_fails_nothing() {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 50, "shards": 1}]));
    world.given_numbers("id-jkt", 0..2).await;
    world.cloud.queues.given_refuses(REFILL, true);
    let handled = world.when_told(&assigned("o-1", 1, &PAIR)).await;
    assert_eq!((handled.announced.len(), handled.again), (1, 0));
}

#[tokio::test]
async fn a_duplicate_is_announced_again_with_the_same_numbers() {
    let world = world_with_numbers(8).await;
    let first = world.when_told(&assigned("o-1", 2, &PAIR)).await;
    let second = world.when_told(&assigned("o-1", 2, &PAIR)).await;
    assert_eq!(first.announced, second.announced);
    assert_eq!(world.free_numbers().await.len(), 6);
}

#[tokio::test]
async fn a_duplicate_that_comes_after_the_end_is_announced_as_expired() {
    let world = world_with_numbers(4).await;
    let mut assignment = assigned("o-1", 2, &PAIR);
    assignment["expires_at"] = world.in_seconds(60).into();
    world.when_told(&assignment).await;
    world.seconds_pass(60);
    let handled = world.when_told(&assignment).await;
    assert_eq!(handled.announced, [released("o-1", 2, "expired")]);
}

#[tokio::test]
async fn a_stale_assignment_is_ignored_and_logged() {
    let world = world_with_numbers(8).await;
    world.when_told(&assigned("o-1", 5, &PAIR)).await;
    let stale = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];
    let handled = world.when_told(&assigned("o-1", 4, &stale)).await;
    assert_eq!((handled.announced.len(), handled.refused.len(), handled.again), (0, 0, 0));
    assert_eq!(world.order("o-1").await["version"], "5");
    let log = world.log();
    assert!(log.contains(r#""version":4,"stored_version":5"#), "{log}");
    assert!(log.contains(r#""outcome":"stale""#), "{log}");
}

#[tokio::test]
async fn an_assignment_of_the_version_of_another_event_is_ignored() {
    let world = world_with_numbers(4).await;
    world.when_told(&event("agent_unassigned", "o-1", 3)).await;
    let handled = world.when_told(&assigned("o-1", 3, &PAIR)).await;
    assert_eq!(handled.announced.len(), 0);
    assert_eq!(world.order("o-1").await["state"], "unassigned");
    assert!(world.log().contains(r#""outcome":"same_version""#));
}

#[tokio::test]
async fn a_closed_order_never_gets_numbers_again() {
    for close in ["completed", "cancelled"] {
        let world = world_with_numbers(4).await;
        world.when_told(&event(close, "o-1", 3)).await;
        let handled = world.when_told(&assigned("o-1", 9, &PAIR)).await;
        assert_eq!((handled.announced.len(), handled.again), (0, 0));
        assert_eq!(world.free_numbers().await.len(), 4);
        assert!(world.log().contains(r#""outcome":"closed_before""#));
    }
}

#[tokio::test]
async fn an_order_that_was_unassigned_gets_numbers_again() {
    let world = world_with_numbers(4).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    world.when_told(&event("agent_unassigned", "o-1", 2)).await;
    let handled = world.when_told(&assigned("o-1", 3, &PAIR)).await;
    let numbers = numbers_in(&handled.announced[0]);
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, AGENT);
}

#[tokio::test]
async fn an_order_that_expired_gets_other_numbers() {
    let world = world_with_numbers(4).await;
    let mut assignment = assigned("o-1", 1, &PAIR);
    assignment["expires_at"] = world.in_seconds(60).into();
    let before = numbers_in(&world.when_told(&assignment).await.announced[0]);
    world.seconds_pass(61);
    let after = numbers_in(&world.when_told(&assigned("o-1", 2, &PAIR)).await.announced[0]);
    assert!(before.values().all(|number| !after.values().any(|other| other == number)));

    let (_, answer) = world.when_called(CUSTOMER, &after["agent"]).await;
    assert_eq!(answer["decision"], "connect");
    assert_eq!(world.decision(CUSTOMER, &before["agent"]).await, "ended");
}

#[tokio::test]
async fn a_new_agent_is_reached_on_the_same_number_and_the_old_one_nowhere() {
    let world = world_with_numbers(4).await;
    let before = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    let replaced = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];
    let after = numbers_in(&world.when_told(&assigned("o-1", 2, &replaced)).await.announced[0]);
    assert_eq!(before, after);

    assert_eq!(world.decision(CUSTOMER, &after["agent"]).await, OTHER_AGENT);
    assert_eq!(world.decision(OTHER_AGENT, &after["customer"]).await, CUSTOMER);
    let (_, answer) = world.when_called(AGENT, &after["customer"]).await;
    assert_eq!(answer, json!({"decision": "reject", "reason": "ended"}));
}

#[tokio::test]
async fn an_agent_who_comes_back_within_the_cool_down_is_connected_again() {
    let world = world_with_numbers(4).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let replaced = [("customer", CUSTOMER), ("agent", OTHER_AGENT)];
    world.when_told(&assigned("o-1", 2, &replaced)).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 3, &PAIR)).await.announced[0]);
    assert_eq!(world.decision(AGENT, &numbers["customer"]).await, CUSTOMER);
    assert_eq!(world.decision(OTHER_AGENT, &numbers["customer"]).await, "ended");
}

#[tokio::test]
async fn two_people_who_swap_phones_in_a_dry_pool_are_reached_on_their_roles_numbers() {
    let world = world_with_numbers(2).await;
    let before = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    let swapped = [("customer", AGENT), ("agent", CUSTOMER)];
    let after = numbers_in(&world.when_told(&assigned("o-1", 2, &swapped)).await.announced[0]);
    assert_eq!(before, after);
    assert_eq!(world.decision(AGENT, &after["agent"]).await, CUSTOMER);
    assert_eq!(world.decision(AGENT, &after["customer"]).await, "ended");
}

#[tokio::test]
async fn a_role_that_is_added_gets_a_number_and_one_that_is_dropped_gives_its_back() {
    let world = world_with_numbers(3).await;
    let three = [PAIR[0], PAIR[1], ("merchant", MERCHANT)];
    let pair = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    let trio = numbers_in(&world.when_told(&assigned("o-1", 2, &three)).await.announced[0]);
    assert_eq!((&trio["customer"], &trio["agent"]), (&pair["customer"], &pair["agent"]));
    for caller in [CUSTOMER, AGENT] {
        assert_eq!(world.decision(caller, &trio["merchant"]).await, MERCHANT);
    }

    let handled = world.when_told(&assigned("o-1", 3, &PAIR)).await;
    assert_eq!(numbers_in(&handled.announced[0]), pair);
    assert_eq!(world.decision(CUSTOMER, &trio["merchant"]).await, "ended");
    assert_eq!(world.decision(MERCHANT, &trio["agent"]).await, "ended");
    assert!(world.free_numbers().await.is_empty(), "it cools down first");
    world.seconds_pass(600);
    assert_eq!(world.free_numbers().await, [trio["merchant"].as_str()]);
}

#[tokio::test]
async fn an_amendment_moves_the_end() {
    let world = world_with_numbers(2).await;
    let mut assignment = assigned("o-1", 1, &PAIR);
    assignment["expires_at"] = world.in_seconds(60).into();
    let numbers = numbers_in(&world.when_told(&assignment).await.announced[0]);
    assignment["version"] = 2.into();
    assignment["expires_at"] = world.in_seconds(120).into();
    let handled = world.when_told(&assignment).await;
    assert_eq!(handled.announced[0]["expires_at"], assignment["expires_at"]);

    world.seconds_pass(119);
    assert_eq!(world.when_called(CUSTOMER, &numbers["agent"]).await.1["decision"], "connect");
    world.seconds_pass(1);
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, "ended");
    world.seconds_pass(599);
    assert!(world.free_numbers().await.is_empty());
    world.seconds_pass(1);
    assert_eq!(world.free_numbers().await.len(), 2, "the numbers free themselves");
}

#[tokio::test]
async fn no_order_holds_numbers_longer_than_its_pool_allows() {
    let pools = json!([{"id": "id-jkt", "min_free": 0, "max_order_seconds": 3600}]);
    let world = World::with_pools(&pools);
    world.given_numbers("id-jkt", 0..4).await;
    let mut assignment = assigned("o-1", 1, &PAIR);
    assignment["expires_at"] = world.in_seconds(7200).into();
    for (order_id, assignment) in [("o-1", assignment), ("o-2", assigned("o-2", 1, &PAIR))] {
        let handled = world.when_told(&assignment).await;
        assert_eq!(handled.announced[0]["expires_at"], world.in_seconds(3600), "{order_id}");
    }
}

#[tokio::test]
async fn an_assignment_that_has_expired_when_it_comes_releases_the_numbers() {
    let world = world_with_numbers(4).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    let mut over = assigned("o-1", 2, &PAIR);
    over["expires_at"] = world.in_seconds(0).into();
    let expired = released("o-1", 2, "expired");
    assert_eq!(world.when_told(&over).await.announced, std::slice::from_ref(&expired));
    assert_eq!(world.decision(CUSTOMER, &numbers["agent"]).await, "ended");
    assert_eq!(world.order("o-1").await["state"], "unassigned");
    assert_eq!(world.when_told(&over).await.announced, [expired], "a duplicate says the same");

    over["order_id"] = "o-2".into();
    let handled = world.when_told(&over).await;
    assert_eq!(handled.announced[0]["reason"], "expired", "also of an order that held nothing");
}

#[tokio::test]
async fn an_assignment_of_another_pool_than_the_orders_is_refused() {
    let pools = json!([{"id": "a", "default": true, "min_free": 0}, {"id": "b", "min_free": 0}]);
    let world = World::with_pools(&pools);
    world.given_numbers("a", 0..2).await;
    world.given_numbers("b", 10..12).await;
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    let mut moved = assigned("o-1", 2, &PAIR);
    moved["pool"] = "b".into();
    let refusal = "pool: must be the pool of the order's earlier assignments";
    assert_eq!(world.when_told(&moved).await.refused, [refusal]);

    world.when_told(&event("agent_unassigned", "o-1", 3)).await;
    moved["version"] = 4.into();
    assert_eq!(world.when_told(&moved).await.refused, [refusal]);
}

#[tokio::test]
async fn a_bad_record_is_refused_by_its_field_and_the_rest_of_the_batch_is_served() {
    let world = world_with_numbers(10).await;
    let good = assigned("o-good", 1, &PAIR);
    let changed = |field: &str, value: serde_json::Value| {
        let mut event = good.clone();
        event[field] = value;
        event
    };
    let participants = |people: &[(&str, &str)]| assigned("o-1", 1, people)["participants"].take();
    let [customer, agent] = PAIR;
    let six: Vec<String> = (0..6).map(|n| format!("+62812000000{n}")).collect();
    let six: Vec<(&str, &str)> =
        ["a", "b", "c", "d", "e", "f"].into_iter().zip(six.iter().map(String::as_str)).collect();
    let bad = [
        ("type", json!("order.lost"), "type: is not a known type of event"),
        ("type", json!("order.completed"), "type: belongs on the release queue"),
        ("version", json!(null), "version: is missing"),
        ("version", json!(-1), "version: must be an unsigned 64-bit whole number"),
        ("participants", participants(&[customer]), "participants: must be 2 to 5"),
        ("participants", participants(&six), "participants: must be 2 to 5"),
        (
            "participants",
            participants(&[customer, ("agent", CUSTOMER)]),
            "participants[1].phone: must differ from the others'",
        ),
        (
            "participants",
            participants(&[("agent", CUSTOMER), agent]),
            "participants[1].role: must differ from the others'",
        ),
        ("pool", json!("elsewhere"), "pool: must be the id of a pool of this stack"),
    ];
    let mut bodies: Vec<String> =
        bad.iter().map(|(field, value, _)| changed(field, value.clone()).to_string()).collect();
    bodies.push("no JSON".to_owned());
    bodies.insert(5, good.to_string());
    let handled = world.when_assign_receives(&bodies, FIRST).await;

    let mut refused = handled.refused.clone();
    let mut reasons: Vec<_> = bad.iter().map(|(.., reason)| *reason).collect();
    reasons.push("body: must be JSON");
    refused.sort_unstable();
    reasons.sort_unstable();
    assert_eq!(refused, reasons);
    let of_type = |name| handled.announced.iter().filter(|it| it["type"] == name).count();
    // Without a version, or no JSON at all: nobody can be told.
    assert_eq!((of_type("numbers.assigned"), of_type("numbers.refused")), (1, bad.len() - 2));
    assert_eq!(handled.again, 0);
    assert!(world.log().contains(r#""field":"participants[1].phone","reason":"must differ"#));
}

#[tokio::test]
async fn a_message_that_the_dead_letter_queue_does_not_take_is_redelivered() {
    let world = World::new();
    world.cloud.queues.given_refuses(dead_letters(Queue::Assign), true);
    let handled = world.when_assign_receives(&["no JSON".to_owned()], FIRST).await;
    assert_eq!((handled.refused.len(), handled.again, handled.waits), (0, 1, vec![5]));
}

#[tokio::test]
async fn a_refused_message_keeps_its_group_on_a_fifo_queue_alone() {
    let world = World::new();
    for (queue, kept) in
        [(Queue::Assign, None), (Queue::Release, None), (Queue::Refill, Some("id-jkt"))]
    {
        let handled = world.when_group_receives(queue, "id-jkt", "no JSON").await;
        assert_eq!(handled.refused, ["body: must be JSON"]);
        assert_eq!(handled.groups, [kept.map(str::to_owned)], "{queue:?}");
    }
}

#[tokio::test]
async fn an_announcement_that_can_not_be_sent_is_sent_with_the_next_delivery() {
    let world = world_with_numbers(4).await;
    world.cloud.queues.given_refuses(NUMBER_EVENTS, true);
    let handled = world.when_told(&assigned("o-1", 1, &PAIR)).await;
    assert_eq!((handled.announced.len(), handled.again), (0, 1));
    world.cloud.queues.given_refuses(NUMBER_EVENTS, false);
    let handled =
        world.when_told_again(&assigned("o-1", 1, &PAIR), Delivery { count: 2, age: 5 }).await;
    assert_eq!((numbers_in(&handled.announced[0]).len(), handled.again), (2, 0));
    assert_eq!(world.free_numbers().await.len(), 2);
}

#[tokio::test]
async fn an_event_is_redelivered_while_the_tables_do_not_answer() {
    let world = World::without_tables();
    let handled = world.when_told(&assigned("o-1", 1, &PAIR)).await;
    assert_eq!(
        (handled.announced.len(), handled.refused.len(), handled.again, handled.waits),
        (0, 0, 1, vec![5])
    );
}

#[tokio::test]
async fn an_event_is_redelivered_while_the_service_secret_is_unusable() {
    for secret in [None, Some(""), Some("{}"), Some(r#"{"caller_key":"short"}"#)] {
        let world = world_with_numbers(4).await;
        world.given_service_secret(secret);
        let handled = world.when_told(&assigned("o-1", 1, &PAIR)).await;
        assert_eq!((handled.announced.len(), handled.again), (0, 1), "{secret:?}");
        assert!(world.log().contains("caller_key"), "{secret:?}");
    }
}

#[tokio::test]
async fn a_withdrawn_number_is_never_handed_out_and_its_order_finishes_on_it() {
    let world = world_with_numbers(2).await;
    let numbers = numbers_in(&world.when_told(&assigned("o-1", 1, &PAIR)).await.announced[0]);
    world
        .when_pool_told(&json!({
            "type": "pool.withdraw", "pool": "id-jkt", "numbers": [numbers["agent"]],
        }))
        .await;
    assert_eq!(world.when_called(CUSTOMER, &numbers["agent"]).await.1["decision"], "connect");
    world.when_told(&event("completed", "o-1", 2)).await;
    world.seconds_pass(600);
    let handled = world.when_told(&assigned("o-2", 1, &PAIR)).await;
    assert_eq!(handled.announced[0]["type"], "numbers.unavailable");
}

/// The assignments of a batch, whose people are on no other order.
fn orders(batch: u32, size: u32) -> Vec<String> {
    let order = |n| {
        let (a, b) = (format!("+6281{batch}0000{n}0"), format!("+6281{batch}0000{n}1"));
        let people = [("customer", a.as_str()), ("agent", b.as_str())];
        assigned(&format!("o-{batch}-{n}"), 1, &people).to_string()
    };
    (0..size).map(order).collect()
}

#[tokio::test]
async fn orders_that_are_assigned_at_the_same_time_never_share_a_number() {
    let world = world_with_numbers(60).await;
    let batches: Vec<Vec<String>> = (0..6).map(|batch| orders(batch, 5)).collect();
    let handled = join_all(batches.iter().map(|it| world.when_assign_receives(it, FIRST))).await;

    let again: usize = handled.iter().map(|handled| handled.again).sum();
    let mut announced: Vec<_> = handled.into_iter().flat_map(|handled| handled.announced).collect();
    if 0 < again {
        // Orders that found too few numbers left on the shards are redelivered.
        for bodies in &batches {
            let handled = world.when_assign_receives(bodies, Delivery { count: 2, age: 5 }).await;
            assert_eq!(handled.again, 0);
            announced.extend(handled.announced);
        }
    }
    let assigned: std::collections::BTreeMap<_, _> = announced
        .iter()
        .filter(|it| it["type"] == "numbers.assigned")
        .map(|it| (it["order_id"].as_str().unwrap(), numbers_in(it)))
        .collect();
    let numbers: Vec<&String> = assigned.values().flat_map(|it| it.values()).collect();
    assert_eq!((assigned.len(), numbers.len()), (30, 60));
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 60);
}

#[tokio::test]
async fn an_order_that_two_functions_assign_at_once_gets_one_set_of_numbers() {
    let world = world_with_numbers(20).await;
    let body = [assigned("o-1", 1, &PAIR).to_string()];
    let handled = join_all((0..5).map(|_| world.when_assign_receives(&body, FIRST))).await;
    let announced: HashSet<String> =
        handled.iter().flat_map(|handled| &handled.announced).map(ToString::to_string).collect();
    assert_eq!(announced.len(), 1, "{announced:?}");
    assert_eq!(world.free_numbers().await.len(), 18);
}

#[tokio::test]
async fn concurrent_batches_on_one_shard_are_served_without_a_redelivery() {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 1}]));
    world.given_numbers("id-jkt", 0..200).await;
    let batches: Vec<Vec<String>> = (0..8).map(|batch| orders(batch, 10)).collect();
    let handled = join_all(batches.iter().map(|it| world.when_assign_receives(it, FIRST))).await;
    assert_eq!(handled.iter().map(|handled| handled.again).sum::<usize>(), 0, "{}", world.log());
}

#[tokio::test]
async fn a_created_order_asks_for_a_refill_if_the_pools_free_numbers_are_few() {
    let pools = json!([{"id": "id-jkt", "min_free": 2, "shards": 1}]);
    for (busy, signals) in [(false, 0), (true, 1)] {
        let world = World::with_pools(&pools);
        world.given_numbers("id-jkt", 0..2).await;
        if busy {
            world.when_told(&assigned("o-1", 1, &PAIR)).await;
            world.take_signals();
            world.caches_age(Duration::from_secs(11)).await;
        }
        world.when_told(&event("created", "o-2", 1)).await;
        assert_eq!(world.take_signals().len(), signals, "held: {busy}");
    }
}

#[tokio::test]
async fn a_claim_that_needs_a_second_shard_asks_for_a_refill() {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 0, "shards": 2}]));
    world.given_numbers("id-jkt", 0..16).await;
    // Leaves one number in each shard.
    let rows = world.rows("NumbersTable").await;
    let in_shard = |shard: &str| {
        let of_shard = rows.iter().filter(|row| text(row, "pool_shard") == Some(shard));
        of_shard.map(|row| text(row, "number").unwrap().to_owned()).collect::<Vec<_>>()
    };
    let too_many: Vec<String> =
        ["id-jkt#0", "id-jkt#1"].iter().flat_map(|shard| in_shard(shard).split_off(1)).collect();
    let withdraw = json!({"type": "pool.withdraw", "pool": "id-jkt", "numbers": too_many});
    world.when_pool_told(&withdraw).await;
    let announced = world.when_told(&assigned("o-1", 1, &PAIR)).await.announced;
    assert_eq!(numbers_in(&announced[0]).len(), 2);
    assert_eq!(world.take_signals().len(), 1);
}

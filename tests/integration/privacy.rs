//! The places where a real phone may be, and those where it may not.

use serde_json::{Value, json};
use support::World;
use support::cloud::TABLES;
use support::events::switch_report;
use support::world::{Delivery, EXOTEL_TOKEN, FIRST, assigned, event, numbers_in};

use crate::people::{AGENT, CUSTOMER, MERCHANT, OTHER_AGENT, STRANGER};

const PEOPLE: [&str; 5] = [CUSTOMER, AGENT, OTHER_AGENT, MERCHANT, STRANGER];

/// Fails if the text holds a phone of the stories, with or without its `+62` or `0`.
#[track_caller]
fn assert_no_phone(what: &str, text: &str) {
    for phone in PEOPLE {
        let digits = phone.strip_prefix("+62").unwrap();
        assert!(!text.contains(digits), "{what} holds {phone}: {text}");
    }
}

#[tokio::test]
async fn only_live_routes_hold_a_phone_and_no_log_or_announcement_does() {
    let world = World::new();
    world.given_numbers("id-jkt", 0..6).await;
    let pair = [("customer", CUSTOMER), ("agent", AGENT)];
    let announced = std::cell::RefCell::new(Vec::new());
    let tell = async |event: &Value| {
        let handled = world.when_told(event).await;
        announced.borrow_mut().extend(handled.announced.clone());
        handled
    };
    let numbers = numbers_in(&tell(&assigned("o-1", 1, &pair)).await.announced[0]);
    tell(&assigned("o-1", 1, &pair)).await;
    let trio = [("customer", CUSTOMER), ("agent", OTHER_AGENT), ("merchant", MERCHANT)];
    tell(&assigned("o-1", 2, &trio)).await;
    tell(&assigned("o-2", 1, &[("customer", STRANGER), ("agent", AGENT)])).await;
    tell(&event("agent_unassigned", "o-2", 2)).await;
    for people in [CUSTOMER, STRANGER] {
        let digits = people.strip_prefix('+').unwrap();
        let form = [("From", people), ("To", numbers["agent"].as_str()), ("CallSid", digits)];
        world.when_twilio_calls(&form).await;
        let query = [("CallFrom", people), ("CallTo", &numbers["agent"]), ("CallSid", people)];
        world.when_exotel_calls(EXOTEL_TOKEN, &query).await;
        for call_id in [people.to_owned(), digits.to_owned(), format!("sip-{digits}@host")] {
            let body = json!({"caller": people, "called": numbers["agent"], "call_id": call_id});
            let authorization = format!("Bearer {}", support::world::SWITCH_TOKEN);
            world.when_switch_asks(&body.to_string(), &authorization).await;
            let mut report = body.clone();
            (report["outcome"], report["talk_seconds"]) = (json!("completed"), json!(7));
            world.when_reported(&switch_report(&authorization, &report.to_string())).await;
        }
        world.when_called(people, people).await;
    }

    assert_no_phone("an announcement", &json!(*announced.borrow()).to_string());
    for table in TABLES {
        for mut row in world.rows(table).await {
            if table == "RoutesTable" {
                row.remove("connect_to");
            }
            assert_no_phone(table, &format!("{row:?}"));
        }
    }
    tell(&event("completed", "o-1", 3)).await;
    for row in world.rows("RoutesTable").await {
        assert_no_phone("an ended route", &format!("{row:?}"));
    }
    let told = world.take_call_events();
    assert!(!told.is_empty());
    assert_no_phone("what is told of calls", &json!(told).to_string());
    let log = world.log();
    assert!(log.contains(r#""decision":"connect""#), "the log is listened to");
    assert_no_phone("the log", &log);
}

#[tokio::test]
async fn a_phone_in_a_wrong_field_reaches_no_log_and_no_reason() {
    let world = World::new();
    let mut bodies = Vec::new();
    for phone in [STRANGER, STRANGER.strip_prefix('+').unwrap()] {
        for field in ["type", "order_id", "version", "pool", "expires_at", "participants"] {
            // The refusal may name another field than the one with the phone.
            for break_too in [None, Some("version"), Some("participants")] {
                let mut event = assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
                event[field] = phone.into();
                if let Some(other) = break_too {
                    event[other] = json!({"phone": phone});
                }
                bodies.push(event.to_string());
            }
        }
        for field in ["role", "phone"] {
            let mut event = assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
            event["participants"][1][field] = format!("{phone}x").into();
            bodies.push(event.to_string());
        }
        bodies.push(format!("{{\"order_id\": {phone}"));
        bodies.push(phone.to_owned());
    }
    let mut reasons = Vec::new();
    for delivery in [FIRST, Delivery { count: 2, age: 5 }] {
        let handled = world.when_assign_receives(&bodies, delivery).await;
        reasons.extend(handled.refused);
        let handled = world.when_release_receives(&bodies, delivery).await;
        reasons.extend(handled.refused);
    }
    for body in &bodies {
        reasons.extend(world.when_refill_receives(body).await.refused);
    }
    let import = json!({"type": "pool.import", "pool": STRANGER, "numbers": [CUSTOMER]});
    reasons.extend(world.when_pool_told(&import).await.refused);
    assert!(bodies.len() < reasons.len());
    assert_no_phone("a reason", &reasons.join("\n"));
    let log = world.log();
    assert!(log.contains("refused a message"), "the log is listened to");
    assert_no_phone("the log", &log);
}

//! Refused messages: their dead letters, their reasons, and the messages beside them.

use serde_json::{Value, json};
use support::deployed::{Result, check};
use support::events::Queue;
use support::story::{assigned, event};

use crate::{Scene, numbers};

pub(crate) async fn a_bad_record_is_refused_with_its_reason_and_the_rest_is_served(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    let changed = |pointer: &str, value: Value| {
        let mut event = assigned("refused", 1, &people);
        if let Some(place) = event.pointer_mut(pointer) {
            *place = value;
        }
        event.to_string()
    };
    let bad = [
        ("m-text", "\"m-text\" is no JSON object".to_owned(), "body: must be JSON"),
        ("m-type", changed("/type", "m-type".into()), "type: is not a known type of event"),
        (
            "M-Role",
            changed("/participants/0/role", "M-Role".into()),
            "participants[0].role: must begin with a-z and go on with up to 31 of a-z, 0-9 and _",
        ),
    ];
    let mut bodies: Vec<String> = bad.iter().map(|(_, body, _)| body.clone()).collect();
    bodies.insert(1, assigned("served-1", 1, &people).to_string());
    stack.send(Queue::Assign, &bodies).await?;

    stack.announced("served-1", "assigned", 1).await?;
    for (mark, _, reason) in &bad {
        let letter = stack.dead_letter(Queue::Assign, &format!("\"{mark}\"")).await?;
        check(mark, &letter.as_str(), reason)?;
        let field = reason.split_once(": ").map_or(*reason, |(field, _)| field);
        stack.logged(&["refused a", &format!("\"field\":\"{field}\"")]).await?;
    }
    let of_refused = |it: &String| it.contains("\"refused\"");
    check("announced all the same", &stack.announcements().iter().any(of_refused), &false)
}

pub(crate) async fn an_event_on_the_other_queue_is_refused(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    for (queue, kind, reason) in [
        (Queue::Assign, "completed", "type: belongs on the release queue"),
        (Queue::Release, "created", "type: belongs on the assign queue"),
    ] {
        let order_id = format!("strayed-{kind}");
        stack.send(queue, &[event(kind, &order_id, 1).to_string()]).await?;
        check(kind, &stack.dead_letter(queue, &order_id).await?.as_str(), &reason)?;
    }
    let written = format!("{:?}", stack.rows("OrdersTable").await?).contains("strayed-");
    check("a row was written", &written, &false)
}

pub(crate) async fn a_bad_pool_message_is_refused_and_the_next_one_is_served(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let three = numbers(1, 110..113);
    let mut import = json!({"type": "pool.import", "pool": "calm", "numbers": three});
    import["numbers"][2] = "912201000112x".into();
    stack.tell_pool("calm", &import).await?;
    stack.import("calm", &three[..1]).await?;
    let reason = stack.dead_letter(Queue::Refill, "912201000112x").await?;
    let expected = "numbers[2]: must be a phone number in E.164 form: `+`, then 8 to 15 digits";
    check("reason", &reason.as_str(), &expected)?;
    // The list is checked whole before any is added.
    let added = format!("{:?}", stack.rows("NumbersTable").await?).contains(&three[1]);
    check("a part of the bad list was added", &added, &false)
}

/// The search at the end of all stories finds the phones that these messages leave in a log.
pub(crate) async fn a_phone_in_a_wrong_field_is_in_no_reason(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    for queue in [Queue::Assign, Queue::Release] {
        for field in ["type", "pool", "expires_at", "participants"] {
            let (wrong, customer, agent) = (stack.phone(), stack.phone(), stack.phone());
            let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
            let mut event = assigned("wrong-field", 1, &people);
            event[field] = wrong.as_str().into();
            stack.send(queue, &[event.to_string()]).await?;
            let digits = wrong.trim_start_matches('+');
            let reason = stack.dead_letter(queue, digits).await?;
            check(&reason, &reason.contains(digits), &false)?;
        }
    }
    let phone = stack.phone();
    stack.tell_pool("calm", &json!({"type": "pool.check", "pool": phone})).await?;
    let digits = phone.trim_start_matches('+');
    let reason = stack.dead_letter(Queue::Refill, digits).await?;
    check(&reason, &reason.contains(digits), &false)
}

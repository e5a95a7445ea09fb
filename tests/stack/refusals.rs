//! What is refused: where it goes, what is said about it, and what goes on.

use serde_json::{Value, json};
use support::deployed::{Result, check};
use support::events::Queue;
use support::story::{assigned, event};

use crate::{Scene, numbers};

/// Changes an event by a closure, and returns it as the body of a message.
fn with(mut event: Value, change: impl FnOnce(&mut Value)) -> String {
    change(&mut event);
    event.to_string()
}

pub(crate) async fn a_bad_record_is_refused_with_its_reason_and_the_rest_is_served(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    let base = |mark: &str| {
        let mut event = assigned("refused", 1, &people);
        event["mark"] = mark.into();
        event
    };
    let six: Vec<Value> = (0..6)
        .map(|index| json!({"role": format!("role_{index}"), "phone": stack.phone()}))
        .collect();
    let bad = [
        ("m-text", "\"m-text\" is no JSON object".to_owned(), "body: must be JSON"),
        ("m-list", "[\"m-list\"]".to_owned(), "body: must be a JSON object"),
        (
            "m-type",
            with(base("m-type"), |it| it["type"] = "order.paid".into()),
            "type: is not a known type of event",
        ),
        ("m-id", with(base("m-id"), |it| it["order_id"] = Value::Null), "order_id: is missing"),
        (
            "m-version",
            with(base("m-version"), |it| it["version"] = "1".into()),
            "version: must be an unsigned 64-bit whole number",
        ),
        (
            "m-one",
            with(base("m-one"), |it| it["participants"] = json!([it["participants"][0]])),
            "participants: must be 2 to 5",
        ),
        (
            "m-six",
            with(base("m-six"), |it| it["participants"] = six.into()),
            "participants: must be 2 to 5",
        ),
        (
            "m-phones",
            with(base("m-phones"), |it| it["participants"][1]["phone"] = customer.clone().into()),
            "participants[1].phone: must differ from the others'",
        ),
        (
            "m-roles",
            with(base("m-roles"), |it| it["participants"][1]["role"] = "customer".into()),
            "participants[1].role: must differ from the others'",
        ),
        (
            "m-phone",
            with(base("m-phone"), |it| it["participants"][0]["phone"] = "0812".into()),
            "participants[0].phone: must be a phone number in E.164 form: `+`, then 8 to 15 digits",
        ),
        (
            "m-role",
            with(base("m-role"), |it| it["participants"][0]["role"] = "The Boss".into()),
            "participants[0].role: must begin with a-z and go on with up to 31 of a-z, 0-9 and _",
        ),
        (
            "m-pool",
            with(base("m-pool"), |it| it["pool"] = "nowhere".into()),
            "pool: must be the id of a pool of this stack",
        ),
        (
            "m-end",
            with(base("m-end"), |it| it["expires_at"] = "tomorrow".into()),
            "expires_at: must be an RFC 3339 date and time with its offset",
        ),
    ];
    // Good ones stand between the bad ones of both batches.
    let mut bodies: Vec<String> = bad.iter().map(|(_, body, _)| body.clone()).collect();
    bodies.insert(3, assigned("served-1", 1, &people).to_string());
    bodies.push(assigned("served-2", 1, &people).to_string());
    stack.tell_texts(&bodies).await?;

    stack.announced("served-1", "assigned", 1).await?;
    stack.announced("served-2", "assigned", 1).await?;
    for (mark, _, reason) in &bad {
        let letter = stack.dead_letter(Queue::Assign, &format!("\"{mark}\"")).await?;
        check(mark, &letter.as_str(), reason)?;
        let field = reason.split_once(": ").map_or(*reason, |(field, _)| field);
        stack.logged(&["refused a", &format!("\"field\":\"{field}\"")]).await?;
    }
    stack.announced("refused", "refused", 1).await?;
    let announced = stack.announcements();
    let mut of_refused = announced.iter().filter(|it| it.contains("\"order_id\":\"refused\""));
    let all_refused = of_refused.all(|it| it.contains("numbers.refused"));
    check("only their refusals are announced", &all_refused, &true)
}

pub(crate) async fn an_event_on_the_other_queue_is_refused(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    for kind in ["agent_unassigned", "completed", "cancelled"] {
        let order_id = format!("strayed-{kind}");
        stack.send(Queue::Assign, &[event(kind, &order_id, 1).to_string()]).await?;
        let reason = stack.dead_letter(Queue::Assign, &order_id).await?;
        check(kind, &reason.as_str(), &"type: belongs on the release queue")?;
    }
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    for stray in [event("created", "strayed-1", 1), assigned("strayed-2", 1, &people)] {
        let order_id = stray["order_id"].as_str().unwrap_or_default();
        stack.send(Queue::Release, &[stray.to_string()]).await?;
        let reason = stack.dead_letter(Queue::Release, order_id).await?;
        check(order_id, &reason.as_str(), &"type: belongs on the assign queue")?;
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

pub(crate) async fn a_phone_in_a_wrong_field_reaches_no_log(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let mut sent = Vec::new();
    for field in ["type", "order_id", "version", "pool", "expires_at", "participants", "role"] {
        // As text, as text without the plus, and as a number.
        for form in 0..3 {
            let (wrong, customer, agent) = (stack.phone(), stack.phone(), stack.phone());
            let digits = wrong.trim_start_matches('+');
            let value = match form {
                0 => wrong.as_str().into(),
                1 => digits.into(),
                _ => digits.parse::<u64>().map_or(Value::Null, Value::from),
            };
            let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
            let mut event = assigned("wrong-field", 1, &people);
            match field {
                "role" => event["participants"][0]["role"] = value,
                field => event[field] = value,
            }
            // Digits alone would do as an order's id, and as a version: the event is served, or
            // its refusal is announced with them.
            match field {
                "order_id" => event["version"] = Value::Null,
                "version" => event["order_id"] = Value::Null,
                _ => {}
            }
            sent.push((digits.to_owned(), event.to_string()));
        }
    }
    let bodies: Vec<String> = sent.iter().map(|(_, body)| body.clone()).collect();
    for queue in [Queue::Assign, Queue::Release] {
        stack.send(queue, &bodies).await?;
    }
    let phone = stack.phone();
    stack.tell_pool("calm", &json!({"type": phone, "pool": phone, "numbers": [phone]})).await?;
    stack.tell_pool("calm", &json!({"type": "pool.check", "pool": phone})).await?;

    let mut messages = Vec::new();
    for (digits, _) in &sent {
        for queue in [Queue::Assign, Queue::Release] {
            messages.push((digits.as_str(), stack.dead_letter(queue, digits).await?));
        }
    }
    let digits = phone.trim_start_matches('+');
    messages.push((digits, stack.dead_letter(Queue::Refill, digits).await?));
    for (digits, reason) in &messages {
        check(reason, &reason.contains(*digits), &false)?;
    }
    // What is logged shows when the invocation is over; the search at the end sees it all.
    for field in ["type", "order_id", "pool", "expires_at", "participants[0].role"] {
        stack.logged(&["refused a", &format!("\"field\":\"{field}\"")]).await?;
    }
    let logs = stack.logs().await?;
    let found = messages.iter().filter(|(digits, _)| logs.contains(digits)).count();
    check("phones in the log", &found, &0)
}

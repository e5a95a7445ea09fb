//! Calls on the three routes, with the providers' own signatures and forms.

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use support::deployed::{
    Answer, CallResult, PATIENCE, Result, Stack, check, check_json, eventually,
};
use support::events::{exotel_query, twilio_form};
use support::story::{EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN, assigned, numbers_in};

use crate::Scene;

/// An order with its people's phones and the numbers that stand for them.
struct Order {
    customer: String,
    agent: String,
    customer_number: String,
    agent_number: String,
    expires_at: Value,
}

/// Gives an order its numbers.
async fn given_order(stack: &Stack, order_id: &str) -> Result<Order> {
    let (customer, agent) = (stack.phone(), stack.phone());
    stack.tell(&assigned(order_id, 1, &[("customer", &customer), ("agent", &agent)])).await?;
    let announcement = stack.announced(order_id, "assigned", 1).await?;
    let mut numbers = numbers_in(&announcement);
    Ok(Order {
        customer,
        agent,
        customer_number: numbers.remove("customer").unwrap_or_default(),
        agent_number: numbers.remove("agent").unwrap_or_default(),
        expires_at: announcement["expires_at"].clone(),
    })
}

fn rings(phone: &str, shown: &str) -> CallResult {
    CallResult::Rings { phone: phone.to_owned(), shown: shown.to_owned() }
}

fn rejected(reason: &str) -> (u16, Value) {
    (200, json!({"decision": "reject", "reason": reason}))
}

/// What somebody hears who gets nowhere at Twilio.
fn neutral() -> CallResult {
    CallResult::Sentence("This number can not be reached from your phone.".to_owned())
}

pub(crate) async fn customer_and_agent_reach_each_other_on_every_route(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let order = given_order(stack, "calls-1").await?;
    let to_agent = (&order.customer, &order.agent_number, &order.agent, &order.customer_number);
    let to_customer = (&order.agent, &order.customer_number, &order.customer, &order.agent_number);
    for (caller, dialled, phone, shown) in [to_agent, to_customer] {
        let heard = stack.twilio_call(caller, dialled).await?;
        check("through Twilio", &heard, &rings(phone, shown))?;
        let heard = stack.exotel_call(caller, dialled).await?;
        check("through Exotel", &heard, &rings(phone, shown))?;
        let expected = json!({
            "decision": "connect", "connect_to": phone, "caller_id": shown,
            "order_id": "calls-1", "expires_at": order.expires_at,
        });
        check("through a switch", &stack.resolve(caller, dialled).await?, &(200, expected))?;
    }
    Ok(())
}

pub(crate) async fn what_became_of_a_call_is_told_by_every_provider(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let order = given_order(stack, "calls-ended-1").await?;
    let told = async |call_id: &str, outcome: &str, talk_seconds: u64| {
        let told = stack.told_of_call(call_id).await?;
        let expected = json!({
            "type": "call.ended", "order_id": "calls-ended-1", "call_id": call_id,
            "from": "customer", "to": "agent", "outcome": outcome, "talk_seconds": talk_seconds,
            "at": told["at"],
        });
        check_json("what is told", &told, &expected)
    };

    let body = json!({
        "caller": order.customer, "called": order.agent_number, "call_id": "ended-switch",
        "outcome": "completed", "talk_seconds": 73,
    });
    let forged = stack.switch_reports("Bearer another-token-of-16", &body).await?;
    check("a forged report", &forged.status, &403)?;
    let reported = stack.switch_reports(&format!("Bearer {SWITCH_TOKEN}"), &body).await?;
    check("a report", &reported.status, &200)?;
    told("ended-switch", "completed", 73).await?;

    let form = [
        ("CallSid", "ended-leg"),
        ("ParentCallSid", "ended-twilio"),
        ("From", order.customer_number.as_str()),
        ("To", order.agent.as_str()),
        ("CallStatus", "completed"),
        ("CallDuration", "41"),
    ];
    let forged = stack.twilio_reports("another-token", "calls-ended-1", &form).await?;
    check("a forged report", &forged.status, &403)?;
    let reported = stack.twilio_reports(TWILIO_TOKEN, "calls-ended-1", &form).await?;
    check("a report", &reported.status, &200)?;
    told("ended-twilio", "completed", 41).await?;

    let query = exotel_query("+91", &order.customer, &order.agent_number);
    let mut query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    query.push(("DialCallStatus", "no-answer"));
    let reported = stack.exotel_reports(EXOTEL_TOKEN, &query).await?;
    check("a report", &reported.status, &200)?;
    told("9953aa22bb33cc44dd55ee66ff778899", "no_answer", 0).await
}

pub(crate) async fn a_stranger_and_a_withheld_caller_get_nowhere_on_any_route(
    scene: &'static Scene,
) -> Result {
    let stack = &scene.stack;
    let order = given_order(stack, "calls-2").await?;
    let (stranger, dialled) = (stack.phone(), &order.agent_number);
    check("a stranger", &stack.twilio_call(&stranger, dialled).await?, &neutral())?;
    check("a stranger", &stack.exotel_call(&stranger, dialled).await?, &CallResult::Nobody)?;
    check("a stranger", &stack.resolve(&stranger, dialled).await?, &rejected("no_route"))?;
    for withheld in ["", "anonymous", "+266696687"] {
        check(withheld, &stack.twilio_call(withheld, dialled).await?, &neutral())?;
        check(withheld, &stack.exotel_call(withheld, dialled).await?, &CallResult::Nobody)?;
        let hidden = rejected("caller_hidden");
        check(withheld, &stack.resolve(withheld, dialled).await?, &hidden)?;
    }
    Ok(())
}

pub(crate) async fn a_number_that_is_not_ours_is_not_told_apart(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let (caller, dialled) = (stack.phone(), "+912299999999");
    check("Twilio", &stack.twilio_call(&caller, dialled).await?, &neutral())?;
    check("Exotel", &stack.exotel_call(&caller, dialled).await?, &CallResult::Nobody)?;
    check("a switch", &stack.resolve(&caller, dialled).await?, &rejected("no_route"))
}

pub(crate) async fn a_missing_or_malformed_number_is_named(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let (phone, authorization) = (stack.phone(), format!("Bearer {SWITCH_TOKEN}"));
    for (body, field) in [
        (json!({"caller": "+1", "called": "+912299999999"}), "caller"),
        (json!({"called": "+912299999999"}), "caller"),
        (json!({"caller": phone, "called": "0221"}), "called"),
        (json!({"caller": phone}), "called"),
    ] {
        let answer = stack.ask(Some(&authorization), &body.to_string()).await?;
        check("status", &answer.status, &400)?;
        let prefix = format!("{{\"error\":\"{field}: ");
        check(&answer.body, &answer.body.starts_with(&prefix), &true)?;
    }
    let answer = stack.ask(Some(&authorization), "caller=1&called=2").await?;
    check("an unreadable body", &answer.status, &400)?;
    // Telephone providers can say nothing to that but a sentence.
    check("Twilio", &stack.twilio_call(&phone, "0221").await?, &neutral())?;
    check("Exotel", &stack.exotel_call("12345678901234567", "0221").await?, &CallResult::Nobody)
}

fn check_forbidden(what: &str, answer: &Answer) -> Result {
    check(what, &answer.status, &403)?;
    check(what, &answer.content_type.as_str(), &"application/json")?;
    check(what, &answer.body.as_str(), &"{\"error\":\"forbidden\"}")
}

pub(crate) async fn a_wrong_or_missing_signature_is_forbidden(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let order = given_order(stack, "calls-3").await?;
    let form = twilio_form(&order.customer, &order.agent_number);
    let good = stack.sign(TWILIO_TOKEN, &form).await?;
    check("a right signature", &stack.post_twilio(&form, Some(&good)).await?.status, &200)?;

    let of_another = stack.sign("auth-token-of-another", &form).await?;
    for signature in [Some(of_another.as_str()), Some(""), Some("no base64"), None] {
        let what = format!("signature {signature:?}");
        check_forbidden(&what, &stack.post_twilio(&form, signature).await?)?;
    }
    let other_form = twilio_form(&order.agent, &order.customer_number);
    let answer = stack.post_twilio(&other_form, Some(&good)).await?;
    check_forbidden("the signature of another form", &answer)
}

pub(crate) async fn a_wrong_or_missing_token_is_forbidden(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let order = given_order(stack, "calls-4").await?;
    let body = json!({"caller": order.customer, "called": order.agent_number}).to_string();
    for authorization in [None, Some("Bearer wrong"), Some("Bearer "), Some(SWITCH_TOKEN)] {
        let what = format!("authorization {authorization:?}");
        check_forbidden(&what, &stack.ask(authorization, &body).await?)?;
    }
    let query = exotel_query("+91", &order.customer, &order.agent_number);
    let query: Vec<(&str, &str)> = query.iter().map(|(name, it)| (*name, it.as_str())).collect();
    for token in ["wrong", SWITCH_TOKEN, &format!("{EXOTEL_TOKEN}x")] {
        check_forbidden(token, &stack.get_exotel(token, &query).await?)?;
    }
    check("the right token", &stack.get_exotel(EXOTEL_TOKEN, &query).await?.status, &200)
}

pub(crate) async fn a_new_token_is_taken_without_a_deployment(scene: &'static Scene) -> Result {
    let stack = &scene.stack;
    let body = json!({"caller": stack.phone(), "called": "+912299999999"}).to_string();
    // Whoever answers this has read the secret as it was.
    let answer = stack.ask(Some("Bearer the-next-token-of-a-switch"), &body).await?;
    check_forbidden("before it is in the secret", &answer)?;
    let mut secret = scene.secret.clone();
    secret["resolve"]["tokens"] = json!([SWITCH_TOKEN, "the-next-token-of-a-switch"]);
    stack.given_provider_secret(&secret).await?;
    eventually("the new token", PATIENCE, async || {
        // At the same time, so that more than one environment of the function is asked.
        let asks = (0..10).map(|_| stack.ask(Some("Bearer the-next-token-of-a-switch"), &body));
        let answers = try_join_all(asks).await?;
        let taken = answers.iter().filter(|answer| answer.status == 200).count();
        check("answers to the new token", &taken, &answers.len())
    })
    .await?;
    let answer = stack.ask(Some(&format!("Bearer {SWITCH_TOKEN}")), &body).await?;
    check("status with the old token", &answer.status, &200)
}

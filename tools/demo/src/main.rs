//! Plays one story on a deployed stack, through its public interfaces alone:
//! messages in, announcements out, calls asked about as telephone providers ask. It
//! stops at the first step that is not as the contract says.

mod stage;

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::{Value, json};
use support::deployed::{Heard, Result, Stack, Surprise, check, check_json, in_seconds};
use support::story::{assigned, event, numbers_in, provider_secret_in, released, unavailable};

use self::stage::{Person, Stage, say, spaced};

const ASHA: Person = Person { name: "Asha", what: "a customer", phone: "+919820010001" };
const RAVI: Person = Person { name: "Ravi", what: "her agent", phone: "+919820020002" };
const MEERA: Person = Person { name: "Meera", what: "the agent after him", phone: "+919820030003" };
const KIRAN: Person = Person { name: "Kiran", what: "another customer", phone: "+919820040004" };
const LEELA: Person = Person { name: "Leela", what: "a customer later on", phone: "+919820050005" };
const STRANGER: Person = Person { name: "Dev", what: "a stranger", phone: "+919820060006" };
const PEOPLE: [Person; 6] = [ASHA, RAVI, MEERA, KIRAN, LEELA, STRANGER];

/// The pool of `tools/demo/pools.json`.
const POOL: &str = "in-mumbai";
const NUMBERS: [&str; 4] = ["+912240000001", "+912240000002", "+912240000003", "+912240000004"];

/// What the words of Exotel's own flow are told as.
const EXOTELS_WORDS: &str = "“…” (what the operator put into Exotel's flow)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut stage = Stage::new();
    let stack = match Stack::connect(&provider_secret_in("IN")).await {
        Ok(stack) => stack,
        Err(surprise) => {
            stage.fail(&surprise.to_string(), &[]);
            return ExitCode::FAILURE;
        }
    };
    match play(&stack, &mut stage).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(surprise) => {
            stage.fail(&surprise.to_string(), &stack.problems().await);
            ExitCode::FAILURE
        }
    }
}

/// The numbers of one order: what stands for the customer, and what for the agent.
struct Shown {
    customer: String,
    agent: String,
}

impl Shown {
    fn in_announcement(announcement: &Value) -> Result<Self> {
        let mut numbers = numbers_in(announcement);
        match (numbers.remove("customer"), numbers.remove("agent"), numbers.is_empty()) {
            (Some(customer), Some(agent), true) => Ok(Self { customer, agent }),
            _ => Err(Surprise::new(format!("not a number for each of the two: {announcement}"))),
        }
    }

    fn set(&self) -> BTreeSet<&str> {
        BTreeSet::from([self.customer.as_str(), self.agent.as_str()])
    }
}

async fn play(stack: &Stack, stage: &mut Stage) -> Result {
    stage.introduce(&PEOPLE);
    numbers_are_imported(stack, stage).await?;
    let first = an_order_gets_its_numbers(stack, stage).await?;
    let second = a_second_order_gets_others(stack, stage, &first).await?;
    the_two_call_each_other(stack, stage, &first, &second).await?;
    others_get_nowhere(stack, stage, &first).await?;
    the_agent_is_replaced(stack, stage, &first).await?;
    the_order_ends(stack, stage, &first).await?;
    the_numbers_rest_and_serve_again(stack, stage, &first).await?;

    let announcements = stack.announcements();
    for person in PEOPLE {
        let digits = person.phone.trim_start_matches('+');
        let leaks = announcements.iter().filter(|it| it.contains(digits)).count();
        check(&format!("announcements with the real phone of {}", person.name), &leaks, &0)?;
    }
    stage.conclude(announcements.len());
    Ok(())
}

async fn numbers_are_imported(stack: &Stack, stage: &mut Stage) -> Result {
    stage.begin("The operator imports four numbers into the pool");
    stack.import(POOL, &NUMBERS.map(str::to_owned)).await?;
    let free = stack.free_numbers(POOL).await?;
    check("the free numbers", &free, &NUMBERS.map(str::to_owned).into())?;
    stage.done();
    stage.messages(&format!("pool.import {POOL}"), "four free numbers");
    say(&NUMBERS.map(spaced).join("   "));
    Ok(())
}

async fn an_order_gets_its_numbers(stack: &Stack, stage: &mut Stage) -> Result<Shown> {
    stage.begin("Asha orders, and Ravi is to bring it");
    let shown = assign(stack, "order-1", 1, &ASHA, &RAVI).await?;
    stage.done();
    stage.messages("order.agent_assigned order-1", "numbers.assigned order-1");
    stage.apps((&ASHA, "your agent", &shown.agent), (&RAVI, "your customer", &shown.customer));
    Ok(shown)
}

async fn a_second_order_gets_others(
    stack: &Stack,
    stage: &mut Stage,
    first: &Shown,
) -> Result<Shown> {
    stage.begin("Ravi takes on a second order, from Kiran: it gets other numbers");
    let shown = assign(stack, "order-2", 1, &KIRAN, &RAVI).await?;
    let both: BTreeSet<&str> = first.set().union(&shown.set()).copied().collect();
    check("different numbers in the two orders", &both.len(), &4)?;
    stage.done();
    stage.messages("order.agent_assigned order-2", "numbers.assigned order-2");
    stage.apps((&KIRAN, "your agent", &shown.agent), (&RAVI, "your customer", &shown.customer));
    Ok(shown)
}

async fn the_two_call_each_other(
    stack: &Stack,
    stage: &mut Stage,
    first: &Shown,
    second: &Shown,
) -> Result {
    stage.begin("Asha calls Ravi");
    let heard = stack.twilio_call(ASHA.phone, &first.agent).await?;
    check("what becomes of the call", &heard, &rings(&RAVI, &first.customer))?;
    stage.done();
    stage.rings("Twilio", &ASHA, &first.agent, &RAVI, &first.customer);

    stage.begin("Ravi calls Asha back");
    let heard = stack.exotel_call(RAVI.phone, &first.customer).await?;
    check("what becomes of the call", &heard, &rings(&ASHA, &first.agent))?;
    stage.done();
    stage.rings("Exotel", &RAVI, &first.customer, &ASHA, &first.agent);

    stage.begin("Ravi calls Kiran: each of his orders has numbers of its own");
    let heard = stack.exotel_call(RAVI.phone, &second.customer).await?;
    check("what becomes of the call", &heard, &rings(&KIRAN, &second.agent))?;
    stage.done();
    stage.rings("Exotel", &RAVI, &second.customer, &KIRAN, &second.agent);
    Ok(())
}

async fn others_get_nowhere(stack: &Stack, stage: &mut Stage, first: &Shown) -> Result {
    stage.begin("A stranger has got hold of Ravi's number");
    let words = sentence(stack.twilio_call(STRANGER.phone, &first.agent).await?)?;
    stage.done();
    stage.nowhere(STRANGER.name, &first.agent, &words);

    stage.begin("Somebody calls with the number withheld");
    let words = sentence(stack.twilio_call("anonymous", &first.agent).await?)?;
    stage.done();
    stage.nowhere("anonymous", &first.agent, &words);
    Ok(())
}

async fn the_agent_is_replaced(stack: &Stack, stage: &mut Stage, first: &Shown) -> Result {
    stage.begin("Meera takes over from Ravi: Asha's app shows what it showed before");
    let shown = assign(stack, "order-1", 2, &ASHA, &MEERA).await?;
    check("the agent's number", &shown.agent, &first.agent)?;
    check("the customer's number", &shown.customer, &first.customer)?;
    stage.done();
    stage.messages("order.agent_assigned order-1", "numbers.assigned order-1");
    stage.apps((&ASHA, "your agent", &shown.agent), (&MEERA, "your customer", &shown.customer));

    stage.begin("Asha dials the number she knows, and Meera answers");
    let heard = stack.twilio_call(ASHA.phone, &first.agent).await?;
    check("what becomes of the call", &heard, &rings(&MEERA, &first.customer))?;
    stage.done();
    stage.rings("Twilio", &ASHA, &first.agent, &MEERA, &first.customer);

    stage.begin("Ravi dials Asha's number once more");
    let heard = stack.exotel_call(RAVI.phone, &first.customer).await?;
    check("what becomes of the call", &heard, &Heard::Nobody)?;
    stage.done();
    stage.nowhere(RAVI.name, &first.customer, EXOTELS_WORDS);
    Ok(())
}

async fn the_order_ends(stack: &Stack, stage: &mut Stage, first: &Shown) -> Result {
    stage.begin("The order is completed");
    stack.tell(&event("completed", "order-1", 3)).await?;
    let announcement = stack.announced("order-1", "released", 3).await?;
    check_json("the announcement", &announcement, &released("order-1", 3, "completed"))?;
    stage.done();
    stage.messages("order.completed order-1", "numbers.released order-1");

    stage.begin("Asha dials as before");
    let words = sentence(stack.twilio_call(ASHA.phone, &first.agent).await?)?;
    let (status, answer) = stack.resolve(ASHA.phone, &first.agent).await?;
    let ended = json!({"decision": "reject", "reason": "ended"});
    check_json("the answer to any other switch", &answer, &ended)?;
    check("its status", &status, &200)?;
    stage.done();
    stage.nowhere(ASHA.name, &first.agent, &words);
    Ok(())
}

async fn the_numbers_rest_and_serve_again(
    stack: &Stack,
    stage: &mut Stage,
    first: &Shown,
) -> Result {
    stage.begin("Leela orders; two numbers are at work, and the two others have to rest");
    stack.tell(&assignment("order-3", 1, &LEELA, &MEERA, &in_seconds(3600))).await?;
    let announcement = stack.announced("order-3", "unavailable", 1).await?;
    check_json("the announcement", &announcement, &unavailable("order-3", 1, POOL))?;
    stage.done();
    stage.messages("order.agent_assigned order-3", "numbers.unavailable order-3");
    say("Her order waits. Nobody who still dials an old number must reach a new person.");

    stage.begin("The numbers have rested, and serve her order");
    let announcement = stack.announced("order-3", "assigned", 1).await?;
    let shown = Shown::in_announcement(&announcement)?;
    check("the numbers", &shown.set(), &first.set())?;
    stage.done();
    stage.messages("(the event comes again by itself)", "numbers.assigned order-3");
    stage.apps((&LEELA, "your agent", &shown.agent), (&MEERA, "your customer", &shown.customer));

    stage.begin("Leela calls Meera, on a number that Asha's order had");
    let heard = stack.twilio_call(LEELA.phone, &shown.agent).await?;
    check("what becomes of the call", &heard, &rings(&MEERA, &shown.customer))?;
    stage.done();
    stage.rings("Twilio", &LEELA, &shown.agent, &MEERA, &shown.customer);

    stage.begin("Asha dials the number that is still in her call list");
    let words = sentence(stack.twilio_call(ASHA.phone, &first.agent).await?)?;
    stage.done();
    stage.nowhere(ASHA.name, &first.agent, &words);
    Ok(())
}

/// Tells who is on an order, and waits for its numbers.
async fn assign(
    stack: &Stack,
    order_id: &str,
    version: u64,
    customer: &Person,
    agent: &Person,
) -> Result<Shown> {
    let expires_at = in_seconds(3600);
    stack.tell(&assignment(order_id, version, customer, agent, &expires_at)).await?;
    let announcement = stack.announced(order_id, "assigned", version).await?;
    let shown = Shown::in_announcement(&announcement)?;
    let participants = [("customer", &shown.customer), ("agent", &shown.agent)]
        .map(|(role, number)| json!({"role": role, "number": number}));
    let expected = json!({
        "type": "numbers.assigned", "order_id": order_id, "version": version, "pool": POOL,
        "expires_at": expires_at, "participants": participants,
    });
    check_json("the announcement", &announcement, &expected)?;
    let strange = shown.set().iter().filter(|number| !NUMBERS.contains(number)).count();
    check("announced numbers that are not of the pool", &strange, &0)?;
    check("different numbers", &shown.set().len(), &2)?;
    Ok(shown)
}

fn assignment(
    order_id: &str,
    version: u64,
    customer: &Person,
    agent: &Person,
    expires_at: &str,
) -> Value {
    let people = [("customer", customer.phone), ("agent", agent.phone)];
    let mut event = assigned(order_id, version, &people);
    if let Value::Object(fields) = &mut event {
        fields.insert("pool".to_owned(), POOL.into());
        fields.insert("expires_at".to_owned(), expires_at.into());
    }
    event
}

fn rings(person: &Person, shown: &str) -> Heard {
    Heard::Rings { phone: person.phone.to_owned(), shown: shown.to_owned() }
}

/// What the caller hears who gets nowhere.
fn sentence(heard: Heard) -> Result<String> {
    match heard {
        Heard::Sentence(words) => Ok(format!("“{words}”")),
        Heard::Rings { .. } | Heard::Nobody => Err(Surprise::new(format!(
            "expected: a sentence, and nobody rung\n    seen: {heard:?}"
        ))),
    }
}

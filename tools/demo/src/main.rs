//! Plays one story on a deployed stack through its public interfaces alone: it sends messages,
//! receives announcements and asks about calls as telephone providers do. It stops at the first
//! step that is not as the contract says.

mod stage;

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::{Value, json};
use support::deployed::{
    CallResult, Record, Result, Stack, Surprise, check, check_json, in_seconds,
};
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

/// Shown in place of the words in Exotel's flow.
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
    let mut demo = Demo { stack: &stack, stage: &mut stage };
    match demo.play().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(surprise) => {
            stage.fail(&surprise.to_string(), &stack.problems().await);
            ExitCode::FAILURE
        }
    }
}

/// The numbers of one order: those that stand for the customer and for the agent.
struct OrderNumbers {
    customer: String,
    agent: String,
}

impl OrderNumbers {
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

/// A provider that asks about a call.
#[derive(Clone, Copy, Debug)]
enum Provider {
    Twilio,
    Exotel,
}

/// How an order event comes to the stack.
#[derive(Clone, Copy)]
enum Way {
    Queue,
    KafkaTopic,
}

/// The story: what happens on the stack, and what the stage shows of it.
struct Demo<'a> {
    stack: &'a Stack,
    stage: &'a mut Stage,
}

impl Demo<'_> {
    async fn play(&mut self) -> Result {
        self.stage.introduce(&PEOPLE);
        self.numbers_are_imported().await?;
        let first = self.an_order_gets_its_numbers().await?;
        let second = self.a_second_order_gets_others(&first).await?;
        self.the_two_call_each_other(&first, &second).await?;
        self.others_get_nowhere(&first).await?;
        self.the_agent_is_replaced(&first).await?;
        self.the_order_ends(&first).await?;
        self.the_numbers_rest_and_serve_again(&first).await?;

        let announcements = self.stack.announcements();
        for person in PEOPLE {
            let digits = person.phone.trim_start_matches('+');
            let leaks = announcements.iter().filter(|it| it.contains(digits)).count();
            check(&format!("announcements with the real phone of {}", person.name), &leaks, &0)?;
        }
        self.stage.conclude(announcements.len());
        Ok(())
    }

    async fn numbers_are_imported(&mut self) -> Result {
        self.stage.begin("The operator imports four numbers into the pool");
        self.stack.import(POOL, &NUMBERS.map(str::to_owned)).await?;
        let free = self.stack.free_numbers(POOL).await?;
        check("the free numbers", &free, &NUMBERS.map(str::to_owned).into())?;
        self.stage.done();
        self.stage.messages(&format!("pool.import {POOL}"), "four free numbers");
        say(&NUMBERS.map(spaced).join("   "));
        Ok(())
    }

    async fn an_order_gets_its_numbers(&mut self) -> Result<OrderNumbers> {
        self.stage.begin("Asha orders, and Ravi is to bring it");
        let numbers = self.assign(Way::Queue, "order-1", 1, (&ASHA, &RAVI)).await?;
        self.stage.done();
        self.shows_assignment("order-1", (&ASHA, &RAVI), &numbers);
        Ok(numbers)
    }

    async fn a_second_order_gets_others(&mut self, first: &OrderNumbers) -> Result<OrderNumbers> {
        self.stage.begin("Ravi takes on a second order, which comes on a Kafka topic");
        let numbers = self.assign(Way::KafkaTopic, "order-2", 1, (&KIRAN, &RAVI)).await?;
        let both: BTreeSet<&str> = first.set().union(&numbers.set()).copied().collect();
        check("different numbers in the two orders", &both.len(), &4)?;
        self.stage.done();
        self.shows_assignment("order-2", (&KIRAN, &RAVI), &numbers);
        Ok(numbers)
    }

    async fn the_two_call_each_other(
        &mut self,
        first: &OrderNumbers,
        second: &OrderNumbers,
    ) -> Result {
        use Provider::{Exotel, Twilio};
        self.stage.begin("Asha calls Ravi");
        self.rings(Twilio, (&ASHA, &first.agent), (&RAVI, &first.customer)).await?;
        self.stage.begin("Ravi calls Asha back");
        self.rings(Exotel, (&RAVI, &first.customer), (&ASHA, &first.agent)).await?;
        self.stage.begin("Ravi calls Kiran: each of his orders has numbers of its own");
        self.rings(Exotel, (&RAVI, &second.customer), (&KIRAN, &second.agent)).await
    }

    async fn others_get_nowhere(&mut self, first: &OrderNumbers) -> Result {
        self.stage.begin("A stranger has got hold of Ravi's number");
        self.gets_nowhere((STRANGER.name, STRANGER.phone), &first.agent).await?;
        self.stage.begin("Somebody calls with the number withheld");
        self.gets_nowhere(("anonymous", "anonymous"), &first.agent).await
    }

    async fn the_agent_is_replaced(&mut self, first: &OrderNumbers) -> Result {
        self.stage.begin("Meera takes over from Ravi: Asha's app shows what it showed before");
        let numbers = self.assign(Way::Queue, "order-1", 2, (&ASHA, &MEERA)).await?;
        check("the agent's number", &numbers.agent, &first.agent)?;
        check("the customer's number", &numbers.customer, &first.customer)?;
        self.stage.done();
        self.shows_assignment("order-1", (&ASHA, &MEERA), &numbers);

        self.stage.begin("Asha dials the number she knows, and Meera answers");
        self.rings(Provider::Twilio, (&ASHA, &first.agent), (&MEERA, &first.customer)).await?;

        self.stage.begin("Ravi dials Asha's number once more");
        let result = self.stack.exotel_call(RAVI.phone, &first.customer).await?;
        check("what becomes of the call", &result, &CallResult::Nobody)?;
        self.stage.done();
        self.stage.nowhere(RAVI.name, &first.customer, EXOTELS_WORDS);
        Ok(())
    }

    async fn the_order_ends(&mut self, first: &OrderNumbers) -> Result {
        self.stage.begin("The order is completed");
        self.stack.tell_queues(&[event("completed", "order-1", 3)]).await?;
        let announcement = self.stack.announced("order-1", "released", 3).await?;
        check_json("the announcement", &announcement, &released("order-1", 3, "completed"))?;
        self.stage.done();
        self.stage.messages("order.completed order-1", "numbers.released order-1");

        self.stage.begin("Asha dials as before");
        let (status, answer) = self.stack.resolve(ASHA.phone, &first.agent).await?;
        let ended = json!({"decision": "reject", "reason": "ended"});
        check_json("the answer to any other switch", &answer, &ended)?;
        check("its status", &status, &200)?;
        self.gets_nowhere((ASHA.name, ASHA.phone), &first.agent).await
    }

    async fn the_numbers_rest_and_serve_again(&mut self, first: &OrderNumbers) -> Result {
        self.stage.begin("Leela orders; two numbers are at work, and the two others have to rest");
        let assignment = assignment("order-3", 1, &LEELA, &MEERA, &in_seconds(3600));
        self.stack.tell_queues(&[assignment]).await?;
        let announcement = self.stack.announced("order-3", "unavailable", 1).await?;
        check_json("the announcement", &announcement, &unavailable("order-3", 1, POOL))?;
        self.stage.done();
        self.stage.messages("order.agent_assigned order-3", "numbers.unavailable order-3");
        say("Her order waits. Nobody who still dials an old number must reach a new person.");

        self.stage.begin("The numbers have rested, and serve her order");
        let announcement = self.stack.announced("order-3", "assigned", 1).await?;
        let numbers = OrderNumbers::in_announcement(&announcement)?;
        check("the numbers", &numbers.set(), &first.set())?;
        self.stage.done();
        self.stage.messages("(the event comes again by itself)", "numbers.assigned order-3");
        self.stage.apps((&LEELA, &MEERA), (&numbers.agent, &numbers.customer));

        self.stage.begin("Leela calls Meera, on a number that Asha's order had");
        let (caller, callee) = ((&LEELA, &*numbers.agent), (&MEERA, &*numbers.customer));
        self.rings(Provider::Twilio, caller, callee).await?;

        self.stage.begin("Asha dials the number that is still in her call list");
        self.gets_nowhere((ASHA.name, ASHA.phone), &first.agent).await
    }

    /// Sends an assignment, and waits for the numbers.
    async fn assign(
        &self,
        way: Way,
        order_id: &str,
        version: u64,
        (customer, agent): (&Person, &Person),
    ) -> Result<OrderNumbers> {
        let expires_at = in_seconds(3600);
        let event = assignment(order_id, version, customer, agent, &expires_at);
        match way {
            Way::Queue => self.stack.tell_queues(&[event]).await?,
            Way::KafkaTopic => {
                self.stack.produce(&[Record::of(&event.to_string())]).await?;
            }
        }
        let announcement = self.stack.announced(order_id, "assigned", version).await?;
        let numbers = OrderNumbers::in_announcement(&announcement)?;
        let participants = [("customer", &numbers.customer), ("agent", &numbers.agent)]
            .map(|(role, number)| json!({"role": role, "number": number}));
        let expected = json!({
            "type": "numbers.assigned", "order_id": order_id, "version": version, "pool": POOL,
            "expires_at": expires_at, "participants": participants,
        });
        check_json("the announcement", &announcement, &expected)?;
        let strange = numbers.set().iter().filter(|number| !NUMBERS.contains(number)).count();
        check("announced numbers that are not of the pool", &strange, &0)?;
        check("different numbers", &numbers.set().len(), &2)?;
        Ok(numbers)
    }

    fn shows_assignment(&self, order_id: &str, people: (&Person, &Person), it: &OrderNumbers) {
        let (sent, came) = ("order.agent_assigned", "numbers.assigned");
        self.stage.messages(&format!("{sent} {order_id}"), &format!("{came} {order_id}"));
        self.stage.apps(people, (&it.agent, &it.customer));
    }

    /// Has somebody dial a number. The callee must be rung, and see the shown number.
    async fn rings(
        &mut self,
        provider: Provider,
        (caller, dialled): (&Person, &str),
        (callee, shown): (&Person, &str),
    ) -> Result {
        let result = match provider {
            Provider::Twilio => self.stack.twilio_call(caller.phone, dialled).await?,
            Provider::Exotel => self.stack.exotel_call(caller.phone, dialled).await?,
        };
        let phone = callee.phone.to_owned();
        let expected = CallResult::Rings { phone, shown: shown.to_owned() };
        check("what becomes of the call", &result, &expected)?;
        self.stage.done();
        self.stage.rings(&format!("{provider:?}"), caller, dialled, callee, shown);
        Ok(())
    }

    /// Has somebody dial a number through Twilio. Nobody must be rung.
    async fn gets_nowhere(&mut self, (name, phone): (&str, &str), dialled: &str) -> Result {
        let words = match self.stack.twilio_call(phone, dialled).await? {
            CallResult::Sentence(words) => format!("“{words}”"),
            result => {
                return Err(Surprise::new(format!(
                    "expected: a sentence, and nobody rung\n    seen: {result:?}"
                )));
            }
        };
        self.stage.done();
        self.stage.nowhere(name, dialled, &words);
        Ok(())
    }
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

//! The lines, and with them every metric. A figure is a metric of the line's dimension sets.
//! `docs/metrics.md` lists the metrics, `docs/logs.md` the lines; a test compares both with
//! what is here.

use std::time::Duration;

use metrique::emf::flags::NoMetric;
use metrique::unit::{Millisecond, Second};
use metrique::unit_of_work::metrics;
use metrique::writer::BoxEntrySink;

use crate::Line;

/// A call that was decided. Written by resolve-call.
#[metrics(emf::dimension_sets = [["route", "decision", "reason"]])]
#[derive(Debug)]
pub struct Call {
    line: &'static str,
    /// The API route that the provider asked on, such as `/calls/twilio`.
    pub route: &'static str,
    /// `connect` or `reject`.
    pub decision: &'static str,
    /// Why nobody is connected; `live` if somebody is.
    pub reason: &'static str,
    /// The provider's id of the call, or a hash of it if it may be a phone.
    pub call_id: Option<String>,
    /// The order, if one was found.
    pub order_id: Option<String>,
    /// The virtual number that was dialled, if one was read.
    pub called: Option<String>,
    /// Calls that were decided: always 1.
    #[metrics(name = "Calls")]
    calls: u64,
    /// The time from the request to the answer.
    #[metrics(name = "ResolveTime", unit = Millisecond)]
    pub resolve_time: Duration,
}

impl Call {
    /// A call that was decided in this time.
    pub fn new(
        route: &'static str,
        decision: &'static str,
        reason: &'static str,
        resolve_time: Duration,
    ) -> Self {
        let (call_id, order_id, called) = (None, None, None);
        let line = "call";
        Self { line, route, decision, reason, call_id, order_id, called, calls: 1, resolve_time }
    }
}

/// A request of the HTTP API that got no answer about a call.
#[metrics(emf::dimension_sets = [["route", "kind"]])]
#[derive(Debug)]
pub struct Refusal {
    line: &'static str,
    /// The API route, `unknown` if there is none.
    pub route: &'static str,
    /// Why it was refused, such as `mismatch`.
    pub kind: &'static str,
    /// Requests that were refused: always 1.
    #[metrics(name = "Refusals")]
    refusals: u64,
}

impl Refusal {
    /// A request that was refused.
    pub fn new(route: &'static str, kind: &'static str) -> Self {
        Self { line: "refusal", route, kind, refusals: 1 }
    }
}

/// A call that ended. Written by report-call.
#[metrics(emf::dimension_sets = [["route", "outcome"]])]
#[derive(Debug)]
pub struct Report {
    line: &'static str,
    /// The API route that the provider reported on.
    pub route: &'static str,
    /// What became of the call, such as `completed`; `unknown_call` if no order has it.
    pub outcome: &'static str,
    /// The provider's id of the call, or a hash of it if it may be a phone.
    pub call_id: Option<String>,
    /// The order, if one was found.
    pub order_id: Option<String>,
    /// Calls that ended: always 1.
    #[metrics(name = "CallsEnded")]
    calls: u64,
    /// How long the two talked.
    #[metrics(name = "TalkTime", unit = Second)]
    pub talk_time: Option<Duration>,
}

impl Report {
    /// A report of a call that ended.
    pub fn new(route: &'static str, outcome: &'static str) -> Self {
        let (call_id, order_id, talk_time) = (None, None, None);
        Self { line: "report", route, outcome, call_id, order_id, calls: 1, talk_time }
    }
}

/// An order event that was decided. Written by assign-numbers and release-numbers.
#[metrics(emf::dimension_sets = [["pool", "outcome"]])]
#[derive(Debug)]
pub struct Event {
    line: &'static str,
    /// The order, unless its id may be a phone.
    pub order_id: Option<String>,
    /// The type of the event, such as `order.completed`.
    pub event: &'static str,
    /// The version of the event.
    #[metrics(flags(NoMetric))]
    pub version: Option<u64>,
    /// The version of the order's row, if the event was ignored because of it.
    #[metrics(flags(NoMetric))]
    pub stored_version: Option<u64>,
    /// The order's pool, as far as it is known.
    pub pool: String,
    /// What became of the event, such as `assigned`.
    pub outcome: &'static str,
    /// The field that is wrong, if the event was refused.
    pub field: Option<String>,
    /// The roles that have a number now.
    pub roles: Vec<String>,
    /// Their numbers, in the same order.
    pub numbers: Vec<String>,
    /// Events that were decided: always 1.
    #[metrics(name = "Events")]
    events: u64,
    /// How many times the event was written, or tried to be.
    #[metrics(name = "Tries")]
    pub tries: u64,
    /// How many of these failed because of writes of others.
    #[metrics(name = "Conflicts")]
    pub conflicts: u64,
    /// The time from the event's delivery to its decision.
    #[metrics(name = "EventTime", unit = Millisecond)]
    pub event_time: Duration,
    /// The time from the event's sending to its numbers, if it got any. The wait for a dry
    /// pool counts.
    #[metrics(name = "SecondsToNumbers", unit = Second)]
    pub to_numbers: Option<Duration>,
    /// The longest time that one of the numbers had been free, in an exclusive pool.
    #[metrics(name = "SecondsFree", unit = Second)]
    pub free: Option<Duration>,
}

impl Event {
    /// An event of this type that was decided so.
    pub fn new(event: &'static str, outcome: &'static str, event_time: Duration) -> Self {
        Self {
            line: "event",
            order_id: None,
            event,
            version: None,
            stored_version: None,
            pool: crate::UNKNOWN.to_owned(),
            outcome,
            field: None,
            roles: Vec::new(),
            numbers: Vec::new(),
            events: 1,
            tries: 0,
            conflicts: 0,
            event_time,
            to_numbers: None,
            free: None,
        }
    }
}

/// A check of a pool. Written by refill-pool.
#[metrics(emf::dimension_sets = [["pool"]])]
#[derive(Debug)]
pub struct Check {
    line: &'static str,
    /// The pool.
    pub pool: String,
    /// Where its numbers are rented.
    pub provider: &'static str,
    /// Why the check ended early, if it did.
    pub stopped: Option<&'static str>,
    /// What the pool has. Absent if its table did not answer.
    #[metrics(flatten)]
    pub stock: Option<Stock>,
    /// Numbers that this check bought.
    #[metrics(name = "NumbersBought")]
    pub bought: u64,
    /// Numbers that this check gave back to the provider.
    #[metrics(name = "NumbersGivenBack")]
    pub given_back: u64,
    /// Numbers that this check withdrew, since the account lacks them.
    #[metrics(name = "NumbersLost")]
    pub lost: u64,
    /// Numbers of the account that this check put into the pool.
    #[metrics(name = "NumbersAdopted")]
    pub adopted: u64,
}

/// What a pool has.
#[metrics(subfield)]
#[derive(Debug)]
pub struct Stock {
    /// Numbers that may serve an order now.
    #[metrics(name = "NumbersFree")]
    pub free: u64,
    /// Numbers that orders hold; 0 in a shared pool, whose numbers are always free.
    #[metrics(name = "NumbersHeld")]
    pub held: u64,
    /// Numbers that rest after an order; 0 in a shared pool.
    #[metrics(name = "NumbersCooling")]
    pub cooling: u64,
    /// The fewest free numbers that the pool should have.
    #[metrics(name = "NumbersWanted")]
    pub min_free: u64,
    /// Numbers that the provider's account is paid for, at most.
    #[metrics(name = "NumbersPaid")]
    pub paid: u64,
}

impl Check {
    /// A check of a pool, without its figures.
    pub fn new(pool: impl Into<String>, provider: &'static str) -> Self {
        Self {
            line: "check",
            pool: pool.into(),
            provider,
            stopped: None,
            stock: None,
            bought: 0,
            given_back: 0,
            lost: 0,
            adopted: 0,
        }
    }
}

/// A pool message by which an operator changed the stock. Written by refill-pool.
#[metrics(emf::dimension_sets = [["pool", "message"]])]
#[derive(Debug)]
pub struct Message {
    line: &'static str,
    /// The pool.
    pub pool: String,
    /// The type of the message, such as `pool.import`.
    pub message: &'static str,
    /// Numbers that the message named and changed.
    #[metrics(name = "NumbersChanged")]
    pub changed: u64,
    /// Numbers that were so already.
    #[metrics(name = "NumbersUnchanged")]
    pub unchanged: u64,
    /// Numbers that belong to another pool, or to none.
    #[metrics(name = "NumbersElsewhere")]
    pub elsewhere: u64,
}

impl Message {
    /// A message of this type about a pool, without its figures.
    pub fn new(pool: impl Into<String>, message: &'static str) -> Self {
        let pool = pool.into();
        Self { line: "message", pool, message, changed: 0, unchanged: 0, elsewhere: 0 }
    }
}

/// A request to a provider's number API. Written by refill-pool.
#[metrics(emf::dimension_sets = [["provider", "outcome"]])]
#[derive(Debug)]
pub struct ProviderRequest {
    line: &'static str,
    /// The provider.
    pub provider: &'static str,
    /// What came back: `ok`, `refused`, `too_many`, `failed`, `not_reached` or `no_answer`.
    pub outcome: &'static str,
    /// The HTTP status, if there is one.
    pub status: Option<String>,
    /// Requests that were sent: always 1.
    #[metrics(name = "ProviderRequests")]
    requests: u64,
    /// The time until the answer.
    #[metrics(name = "ProviderTime", unit = Millisecond)]
    pub time: Duration,
}

impl ProviderRequest {
    /// A request that ended so.
    pub fn new(
        provider: &'static str,
        outcome: &'static str,
        status: Option<u16>,
        time: Duration,
    ) -> Self {
        let status = status.map(|status| status.to_string());
        Self { line: "provider_request", provider, outcome, status, requests: 1, time }
    }
}

/// A batch of records of a Kafka topic. Written by forward-events.
#[metrics(emf::dimension_sets = [["outcome"]])]
#[derive(Debug)]
pub struct Batch {
    line: &'static str,
    /// `forwarded`, or `again` if the batch comes again.
    pub outcome: &'static str,
    /// Records that were put on an order queue.
    #[metrics(name = "RecordsForwarded")]
    pub forwarded: u64,
    /// Records that can't be carried, and became dead letters.
    #[metrics(name = "RecordsRefused")]
    pub refused: u64,
    /// The age of the batch's oldest record, as far as its records tell.
    #[metrics(name = "SecondsOnTopic", unit = Second)]
    pub on_topic: Option<Duration>,
    /// The time that the batch took.
    #[metrics(name = "BatchTime", unit = Millisecond)]
    pub batch_time: Duration,
}

impl Batch {
    /// A batch that ended so, without its figures.
    pub fn new(outcome: &'static str) -> Self {
        let (on_topic, batch_time) = (None, Duration::ZERO);
        Self { line: "batch", outcome, forwarded: 0, refused: 0, on_topic, batch_time }
    }
}

macro_rules! lines {
    ($($line:ident)*) => {$(
        impl Line for $line {
            fn write_to(self, sink: BoxEntrySink) {
                drop(self.append_on_drop(sink));
            }
        }
    )*};
}

lines!(Call Refusal Report Event Check Message ProviderRequest Batch);

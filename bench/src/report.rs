//! From what was measured to what a reader is shown: the targets first, each beside
//! its reference, then the details.

use std::collections::BTreeMap;

use crate::calls::Calls;
use crate::crowd::{Crowd, RoundTrips, Sharing};
use crate::events::Case;
use crate::function::Functions;
use crate::orders::{Both, Grown};
use crate::processes::{Measured, Processes};
use crate::sample::{figure, thousands};
use crate::table::Section;

/// All that a run has measured.
pub(crate) struct Run {
    pub(crate) functions: Functions,
    pub(crate) processes: Processes,
    pub(crate) calls: Calls,
    pub(crate) exclusive: Both,
    pub(crate) shared: Both,
    pub(crate) round_trips: RoundTrips,
    pub(crate) crowds: Vec<Crowd>,
    pub(crate) sharing: Sharing,
    pub(crate) growth: Vec<Grown>,
}

/// A megabyte as the limits of packages count it.
const MEGABYTE: f64 = 1_000_000.0;
/// What is told of by ratio, as the last column says.
const PLAIN: &str = "one-get-item";

impl Run {
    pub(crate) fn sections(&self) -> Vec<Section> {
        let mut sections = vec![
            self.targets(),
            self.starts(),
            self.warm(),
            self.needs(),
            self.routes(),
            self.orders(),
            self.tries(),
            self.sharing(),
        ];
        sections.push(self.grown());
        sections
    }

    fn targets(&self) -> Section {
        let mut targets = Targets(Section::new(
            "Targets",
            ["what", "ours", "reference", "ratio", "at most", "met"],
        ));
        let ours = measured(&self.processes.https, "resolve-call");
        let plain = measured(&self.processes.https, PLAIN);
        targets.ratio(
            "resolve-call: start to first `/next`, primed over TLS, ms",
            ours.start.median(),
            plain.start.median(),
            1.5,
        );
        targets.ratio(
            "resolve-call: first invoke over TLS, ms; beside its warm p50",
            ours.first.median(),
            ours.warm.median(),
            2.0,
        );
        targets.ratio(
            "resolve-call: warm p50, connect, ms",
            measured(&self.processes.http, "resolve-call").warm.median(),
            measured(&self.processes.http, PLAIN).warm.median(),
            1.15,
        );
        let reference = self.functions.one_get_item.zipped as f64 / MEGABYTE;
        for (function, most) in [
            (&self.functions.resolve_call, 2.5),
            (&self.functions.assign_numbers, 3.5),
            (&self.functions.release_numbers, 3.5),
            (&self.functions.refill_pool, 3.5),
        ] {
            let size = function.zipped as f64 / MEGABYTE;
            targets.beside(&format!("{}: zip, MB", function.name), size, reference, most);
        }
        targets.ratio("resolve-call: peak memory, MiB", ours.peak_memory, plain.peak_memory, 1.25);

        let connect = |calls: &Calls, value: fn(&crate::calls::Call) -> f64| {
            let connects = calls.calls.iter().filter(|call| call.case == Case::Connect);
            connects.map(value).fold(0.0, f64::max)
        };
        targets.limit("resolve: read units", connect(&self.calls, |it| it.read_units), 1.0);
        targets.limit("resolve: round trips", self.round_trips.resolve, 1.0);
        targets.limit("resolve: write units", connect(&self.calls, |it| it.write_units), 0.0);

        let assign = &self.exclusive.batches.assign;
        targets.limit("assign, 2 participants: transactions", assign.transactions(), 1.0);
        targets.limit("assign: write units, exclusive", assign.write_units(), 14.0);
        targets.limit("assign: read units, in batches of 10", assign.read_units(), 0.5);
        let shared = self.shared.batches.assign.write_units();
        targets.limit("assign: write units, shared", shared, 6.0);
        let release = &self.exclusive.batches.release;
        targets.limit("release, 2 participants: reads", release.reads(), 1.0);
        targets.limit("release: transactions", release.transactions(), 1.0);
        targets.limit("release: write units, exclusive", release.write_units(), 14.0);
        let crowd = self.crowds.iter().find(|it| it.assigners == 64 && it.shards == 16);
        if let Some(crowd) = crowd {
            let what = "tries per order: 64 assigners, batches of 10, 5,000 of 10,000 numbers free";
            targets.limit(what, crowd.tries, 1.2);
        }
        self.growth_target(&mut targets);
        targets.0
    }

    fn growth_target(&self, targets: &mut Targets) {
        let half = || self.growth.iter().filter(|it| it.taken == 50);
        let (Some(small), Some(large)) = (half().next(), half().next_back()) else { return };
        let (small_size, large_size) =
            (thousands(small.numbers as f64), thousands(large.numbers as f64));
        let what =
            |figure| format!("assign, {small_size} → {large_size} numbers, half free: {figure}");
        let (small, large) = (&small.orders.assign, &large.orders.assign);
        targets.equal(&what("write units"), large.write_units(), small.write_units());
        targets.equal(&what("read units"), large.read_units(), small.read_units());
        targets.equal(&what("transactions"), large.transactions(), small.transactions());
        targets.equal(&what("reads"), large.reads(), small.reads());
        let ratio = large.time.median() / small.time.median();
        targets.0.row([
            what("ms per order"),
            figure(large.time.median()),
            figure(small.time.median()),
            figure(ratio),
            "noise".to_owned(),
            met(ratio <= 1.0 || large.time.overlaps(&small.time)),
        ]);
    }

    fn starts(&self) -> Section {
        let mut section = Section::new(
            "Start and first invoke",
            [
                "function",
                "start, HTTP",
                "start, HTTPS",
                "× plain",
                "first, HTTP",
                "first, HTTPS",
                "× plain",
            ],
        );
        let plain = measured(&self.processes.https, PLAIN);
        for name in self.names() {
            let http = measured(&self.processes.http, name);
            let https = measured(&self.processes.https, name);
            section.row([
                name.to_owned(),
                http.start.shown(" ms"),
                https.start.shown(" ms"),
                figure(https.start.median() / plain.start.median()),
                http.first.shown(" ms"),
                https.first.shown(" ms"),
                figure(https.first.median() / plain.first.median()),
            ]);
        }
        section.note(
            "Start: from exec until the process asks the Runtime API for its first event. \
             Medians, in brackets between which values the middle half lies. \
             Plain: one-get-item, over HTTPS. \
             Functions read the certificates that this machine trusts from one file, as on Lambda.",
        );
        if let Err(why) = &self.functions.node {
            section.note(format!("Node.js could not be measured: {why}."));
        }
        section
    }

    fn warm(&self) -> Section {
        let mut section = Section::new(
            "Warm invoke",
            [
                "function",
                "p50, HTTP",
                "p99",
                "p50, HTTPS",
                "p99",
                "× plain",
                "CPU, HTTPS",
                "× plain",
            ],
        );
        let plain = measured(&self.processes.https, PLAIN);
        for name in self.names() {
            let http = measured(&self.processes.http, name);
            let https = measured(&self.processes.https, name);
            section.row([
                name.to_owned(),
                http.warm.shown(" ms"),
                figure(http.warm.percentile(99.0)),
                https.warm.shown(" ms"),
                figure(https.warm.percentile(99.0)),
                figure(https.warm.median() / plain.warm.median()),
                https.processor.shown(" ms"),
                figure(https.processor.median() / plain.processor.median()),
            ]);
        }
        section.note(
            "As the Runtime API sees it: from handing an event out until its answer is posted. \
             resolve-call, one-get-item and node read one row; hello calls nobody; assign-numbers, \
             release-numbers and refill-pool handle one message. \
             CPU: processor time of the process for one invoke.",
        );
        section
    }

    fn needs(&self) -> Section {
        let mut section = Section::new(
            "Memory and size",
            ["function", "peak memory", "× plain", "zip", "× plain"],
        );
        let plain = measured(&self.processes.https, PLAIN);
        let plain_size = self.functions.one_get_item.zipped as f64;
        for function in self.functions.all() {
            let memory = measured(&self.processes.https, function.name).peak_memory;
            let size = function.zipped as f64;
            section.row([
                function.name.to_owned(),
                format!("{} MiB", figure(memory)),
                figure(memory / plain.peak_memory),
                format!("{} MB", figure(size / MEGABYTE)),
                figure(size / plain_size),
            ]);
        }
        section.note(
            "Memory: the most that was resident, over HTTPS, after all calls. \
             Zip: the deflated `bootstrap`; of node, its `node_modules`, which Lambda's own Node.js \
             runtime brings along.",
        );
        section
    }

    fn routes(&self) -> Section {
        let mut section = Section::new(
            "Calls, warm",
            ["route", "answer", "p50", "p99", "× plain", "CPU", "requests", "read units"],
        );
        for call in &self.calls.calls {
            section.row([
                call.carrier.route().to_owned(),
                call.case.name().to_owned(),
                call.time.shown(" ms"),
                figure(call.time.percentile(99.0)),
                figure(call.time.median() / self.calls.reference.median()),
                call.processor.shown(" ms"),
                figure(call.requests),
                figure(call.read_units),
            ]);
        }
        section.note(format!(
            "Over HTTP. Plain: one-get-item, p50 {}, p99 {} ms.",
            self.calls.reference.shown(" ms"),
            figure(self.calls.reference.percentile(99.0)),
        ));
        section
    }

    fn orders(&self) -> Section {
        let mut section = Section::new(
            "Orders, two participants, through one environment",
            [
                "step",
                "orders a second",
                "ms per order",
                "CPU per order",
                "write units",
                "read units",
                "transactions",
                "reads",
                "queue requests",
                "round trips",
            ],
        );
        let trips = &self.round_trips;
        for (pool, both) in [("exclusive", &self.exclusive), ("shared", &self.shared)] {
            for (step, steps, trips) in [
                ("assign, one by one", &both.alone.assign, trips.assign),
                ("assign, batches of 10", &both.batches.assign, trips.assign_batch),
                ("release, one by one", &both.alone.release, trips.release),
                ("release, batches of 10", &both.batches.release, trips.release_batch),
            ] {
                section.row([
                    format!("{pool}: {step}"),
                    figure(steps.a_second()),
                    steps.time.shown(""),
                    format!("{} ms", figure(steps.processor.median())),
                    figure(steps.write_units()),
                    figure(steps.read_units()),
                    figure(steps.transactions()),
                    figure(steps.reads()),
                    figure(steps.others()),
                    figure(trips),
                ]);
            }
        }
        section.note(
            "From a pool of 10,000 numbers, half of them free. All but round trips is for one order; \
             round trips, one after the other, are for the whole batch. \
             The database takes its part of the time here, about as long as the function does, and \
             far less than DynamoDB.",
        );
        section.note(
            "Units by DynamoDB's rules, as the embedded database tells them: in a transaction an item \
             of up to 1 KB is two units, and a moved index key is two more, which a transaction does \
             not double. What was refused is charged two units an item, which the database does not tell.",
        );
        section
    }

    fn tries(&self) -> Section {
        let mut section = Section::new(
            "Tries, by concurrent assigners",
            ["assigners", "shards", "transactions per order", "ms per batch of 10"],
        );
        for crowd in &self.crowds {
            section.row([
                crowd.assigners.to_string(),
                crowd.shards.to_string(),
                figure(crowd.tries),
                figure(crowd.batch),
            ]);
        }
        section.note(
            "10,000 numbers, half of them free; each assigner takes a batch of ten orders, ends it \
             and takes the next, without a pause. The real handlers run in one process on a virtual clock, \
             on which only requests take time: a read about 4 ms, a transaction about 25 ms, a message \
             about 6 ms. Transactions that meet at a row are refused, as DynamoDB does. Not simulated: \
             an index that lags.",
        );
        section
    }

    fn sharing(&self) -> Section {
        let mut section = Section::new(
            "A shared pool under a crowd",
            ["orders", "agents", "numbers", "tries, mean", "p50", "p99", "most", "write units"],
        );
        let Sharing { orders, agents, numbers, tries, write_units } = &self.sharing;
        section.row([
            thousands(*orders as f64),
            thousands(*agents as f64),
            numbers.to_string(),
            figure(tries.mean()),
            figure(tries.median()),
            figure(tries.percentile(99.0)),
            figure(tries.percentile(100.0)),
            figure(*write_units),
        ]);
        section.note(
            "64 assigners at once, batches of ten, on the same virtual clock; all orders live at once, and \
             every one of them has two routes of its own in the end. Tries and write units are for one order.",
        );
        section
    }

    fn grown(&self) -> Section {
        let mut section = Section::new(
            "Growth: assigning in batches of 10",
            [
                "numbers",
                "taken",
                "ms per order",
                "× smallest",
                "write units",
                "read units",
                "transactions",
                "reads",
                "release, ms",
            ],
        );
        for grown in &self.growth {
            let smallest = self.growth.iter().find(|it| it.taken == grown.taken).unwrap_or(grown);
            let assign = &grown.orders.assign;
            section.row([
                thousands(grown.numbers as f64),
                format!("{} %", grown.taken),
                assign.time.shown(""),
                figure(assign.time.median() / smallest.orders.assign.time.median()),
                figure(assign.write_units()),
                figure(assign.read_units()),
                figure(assign.transactions()),
                figure(assign.reads()),
                grown.orders.release.time.shown(""),
            ]);
        }
        section.note(
            "Read units are those of one query for each batch: up to 200 numbers of one of 16 shards, \
             fewer where a shard has fewer; so they end at 0.15. Left out: where fewer than 500 numbers would be free.",
        );
        section
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.functions.all().into_iter().map(|function| function.name)
    }
}

fn measured<'a>(all: &'a BTreeMap<&'static str, Measured>, name: &str) -> &'a Measured {
    all.get(name).expect("all functions were measured")
}

fn met(is_met: bool) -> String {
    if is_met { "yes" } else { "NO" }.to_owned()
}

/// The first section; each row is a target.
struct Targets(Section);

impl Targets {
    /// A figure that may be so many times its reference.
    fn ratio(&mut self, what: &str, ours: f64, reference: f64, most: f64) {
        let ratio = ours / reference;
        let cells = [ours, reference, ratio].map(figure);
        self.row(what, cells, format!("{} ×", figure(most)), met(ratio <= most));
    }

    /// A figure that has a limit of its own, beside its reference.
    fn beside(&mut self, what: &str, ours: f64, reference: f64, most: f64) {
        let cells = [ours, reference, ours / reference].map(figure);
        self.row(what, cells, figure(most), met(ours <= most));
    }

    /// A figure that has a limit and no reference.
    fn limit(&mut self, what: &str, ours: f64, most: f64) {
        let cells = [figure(ours), String::new(), String::new()];
        self.row(what, cells, figure(most), met(is_at_most(ours, most)));
    }

    /// A figure that must not differ from its reference, but by what a rare second
    /// look at a shard costs.
    fn equal(&mut self, what: &str, ours: f64, reference: f64) {
        let cells = [ours, reference, ours / reference].map(figure);
        self.row(what, cells, "1 ×".to_owned(), met(ours <= reference * 1.02));
    }

    fn row(
        &mut self,
        what: &str,
        [ours, reference, ratio]: [String; 3],
        most: String,
        met: String,
    ) {
        self.0.row([what.to_owned(), ours, reference, ratio, most, met]);
    }
}

/// Averages of whole numbers come with a rounding error.
fn is_at_most(value: f64, most: f64) -> bool {
    value <= most + 1e-6
}

//! The sections of the report: the targets first, then the details.

use crate::calls::Calls;
use crate::crowd::{CrowdFigures, RoundTrips, SharedPoolFigures};
use crate::events;
use crate::function::Functions;
use crate::orders::{OrderFigures, PoolGrowth};
use crate::processes::{ByName, Measurements, Processes};
use crate::records::{self, Records};
use crate::sample::{figure, thousands};
use crate::table::Section;
use crate::waiting::BesideWaiting;

/// All measurements of a run.
pub(crate) struct Run {
    pub(crate) functions: Functions,
    pub(crate) processes: Processes,
    pub(crate) calls: Calls,
    pub(crate) exclusive: OrderFigures,
    pub(crate) shared: OrderFigures,
    pub(crate) round_trips: RoundTrips,
    pub(crate) crowds: Vec<CrowdFigures>,
    pub(crate) sharing: SharedPoolFigures,
    pub(crate) beside_waiting: [BesideWaiting; 2],
    pub(crate) records: [Records; 2],
    pub(crate) growth: Vec<PoolGrowth>,
}

/// Bytes of a megabyte, as Lambda's limits on packages count them.
pub(crate) const MEGABYTE: f64 = 1_000_000.0;
/// The function that the columns `× plain` compare with.
pub(crate) const PLAIN: &str = "one-get-item";

impl Run {
    pub(crate) fn sections(&self) -> Vec<Section> {
        vec![
            self.targets(),
            self.starts(),
            self.warm(),
            self.needs(),
            self.routes(),
            self.orders(),
            records(&self.records),
            latency_of_sqs(),
            self.tries(),
            self.sharing(),
            beside_waiting(&self.beside_waiting),
            self.grown(),
        ]
    }

    fn starts(&self) -> Section {
        let mut section = Section::new(
            "Start and first invoke",
            "function | start, HTTP | start, HTTPS | × plain | first, HTTP | first, HTTPS | × plain",
        );
        self.compare(&mut section, |http, https, plain| {
            [
                http.start.shown(" ms"),
                https.start.shown(" ms"),
                figure(https.start.median() / plain.start.median()),
                http.first.shown(" ms"),
                https.first.shown(" ms"),
                figure(https.first.median() / plain.first.median()),
            ]
        });
        let section = section.note(
            "Start: from exec until the process asks the Runtime API for its first event. \
             Medians, in brackets between which values the middle half lies. \
             Plain: one-get-item, over HTTPS. \
             Functions read the certificates that this machine trusts from one file, as on Lambda.",
        );
        match &self.functions.node {
            Ok(_) => section,
            Err(why) => section.note(format!("Node.js could not be measured: {why}.")),
        }
    }

    fn warm(&self) -> Section {
        let mut section = Section::new(
            "Warm invoke",
            "function | p50, HTTP | p99 | p50, HTTPS | p99 | × plain | CPU, HTTPS | × plain",
        );
        self.compare(&mut section, |http, https, plain| {
            [
                http.warm.shown(" ms"),
                figure(http.warm.percentile(99.0)),
                https.warm.shown(" ms"),
                figure(https.warm.percentile(99.0)),
                figure(https.warm.median() / plain.warm.median()),
                https.processor.shown(" ms"),
                figure(https.processor.median() / plain.processor.median()),
            ]
        });
        section.note(
            "As the Runtime API sees it: from handing an event out until its answer is posted. \
             resolve-call, one-get-item and node read one row; hello calls nobody; assign-numbers, \
             release-numbers and refill-pool handle one message, and forward-events one record. \
             CPU: processor time of the process for one invoke.",
        )
    }

    fn needs(&self) -> Section {
        let mut section =
            Section::new("Memory and size", "function | peak memory | × plain | zip | × plain");
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
        )
    }

    fn routes(&self) -> Section {
        let mut section = Section::new(
            "Calls, warm",
            "route | answer | p50 | p99 | × plain | CPU | requests | read units",
        );
        for call in &self.calls.calls {
            section.row([
                events::name(call.route).to_owned(),
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
        ))
    }

    fn orders(&self) -> Section {
        let mut section = Section::new(
            "Orders, two participants, through one environment",
            "step | orders a second | ms per order | CPU per order | write units | read units | \
             transactions | reads | queue requests | round trips",
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
        let section = section.note(
            "From a pool of 10,000 numbers, half of them free. All but round trips is for one order; \
             round trips, one after the other, are for the whole batch. \
             The database takes its part of the time here, about as long as the function does, and \
             far less than DynamoDB.",
        );
        section.note(
            "Units by DynamoDB's rules, as the embedded database tells them: in a transaction an item \
             of up to 1 KB is two units, and a moved index key is two more, which a transaction does \
             not double. What was refused is charged two units an item, which the database does not tell.",
        )
    }

    fn tries(&self) -> Section {
        let mut section = Section::new(
            "Tries, by concurrent assigners",
            "assigners | shards | transactions per order | ms per batch of 10",
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
        )
    }

    fn sharing(&self) -> Section {
        let mut section = Section::new(
            "A shared pool under a crowd",
            "orders | agents | numbers | tries, mean | p50 | p99 | most | write units",
        );
        let SharedPoolFigures { orders, agents, numbers, tries, write_units } = &self.sharing;
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
        )
    }

    fn grown(&self) -> Section {
        let mut section = Section::new(
            "Growth: assigning in batches of 10",
            "numbers | taken | ms per order | × smallest | write units | \
             read units | transactions | reads | release, ms",
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
        )
    }

    /// Adds a row for each function. `cells` receives its measurements over HTTP and HTTPS,
    /// and those of the plain function over HTTPS.
    fn compare<const N: usize>(
        &self,
        section: &mut Section,
        cells: impl Fn(&Measurements, &Measurements, &Measurements) -> [String; N],
    ) {
        let Processes { http, https } = &self.processes;
        for function in self.functions.all() {
            let name = function.name;
            let cells = cells(measured(http, name), measured(https, name), measured(https, PLAIN));
            section.row([name.to_owned()].into_iter().chain(cells));
        }
    }
}

/// Records of a Kafka topic, one by one and in full batches.
pub(crate) fn records(sizes: &[Records; 2]) -> Section {
    let mut section = Section::new(
        "Records of a Kafka topic, through one environment",
        "records in a batch | records a second | ms per batch | CPU per record | requests to SQS | \
         bytes of its value | bytes in Lambda's event",
    );
    for records in sizes {
        let size = records.size as f64;
        section.row([
            records.size.to_string(),
            figure(records.a_second()),
            records.time.shown(""),
            format!("{} ms", figure(records.processor.median() / size)),
            figure(records.requests),
            figure(records.value),
            figure(records.event),
        ]);
    }
    section.note(
        "Over HTTP. A third of the records of a full batch are releases; all columns but ms per batch are \
         for one record. The queues take no time here, and far less than SQS.",
    )
}

/// What SQS's own latency would leave of that, worked out.
pub(crate) fn latency_of_sqs() -> Section {
    let mut section = Section::new(
        "Records a second that SQS allows one environment, worked out",
        "ms of a request | ms per batch of 100 | records a second",
    );
    for latency in [5.0, 10.0, 20.0] {
        let batch = latency * records::requests_in_a_row() as f64;
        let a_second = 1000.0 * records::BATCH as f64 / batch;
        section.row([figure(latency), figure(batch), figure(a_second)]);
    }
    section.note(format!(
        "A full batch is {} requests to the assign queue, one after the other, and fewer to the release \
         queue at the same time. The function's own time comes on top.",
        records::requests_in_a_row()
    ))
}

/// The times of orders alone, and of the same orders beside those that wait.
pub(crate) fn beside_waiting(runs: &[BesideWaiting; 2]) -> Section {
    let mut section = Section::new(
        "A pool with numbers beside a dry one",
        "orders that wait | their tries a second | orders | p50, ms | × alone | p99, ms | × alone | \
         environments | read units a second",
    );
    let [alone, _] = runs;
    for run in runs {
        let [median, p99] = run.percentiles();
        section.row([
            thousands(run.waiting as f64),
            figure(run.tries),
            thousands(run.time.count() as f64),
            figure(median),
            figure(median / alone.percentiles()[0]),
            figure(p99),
            figure(p99 / alone.percentiles()[1]),
            run.environments.to_string(),
            figure(run.read_units),
        ]);
    }
    section.note(
        "From an order's arrival on the assign queue to its announcement, on the same virtual clock; \
         140 orders a second at random, in an exclusive pool. The orders that wait arrived before, all at \
         once, and come back from the waiting queue by their own delays. Both queues have the batches and the concurrency of the \
         template, and the same environments, each of which handles one batch at a time. Not simulated: \
         the time in which Lambda polls a queue and starts an environment, and limits of the account.",
    )
}

pub(crate) fn measured<'a>(all: &'a ByName, name: &str) -> &'a Measurements {
    all.get(name).expect("all functions were measured")
}

//! The performance targets, and whether each is met.

use crate::calls::{Call, Calls};
use crate::events::Case;
use crate::report::{MEGABYTE, PLAIN, Run, measured};
use crate::sample::{figure, thousands};
use crate::table::Section;
use crate::waiting::BesideWaiting;

impl Run {
    pub(crate) fn targets(&self) -> Section {
        let mut targets =
            Targets(Section::new("Targets", "what | ours | reference | ratio | at most | met"));
        let ours = measured(&self.processes.https, "resolve-call");
        let plain = measured(&self.processes.https, PLAIN);
        let start = "resolve-call: start to first `/next`, primed over TLS, ms";
        targets.ratio(start, ours.start.median(), plain.start.median(), 1.5);
        let first = "resolve-call: first invoke over TLS, ms; beside its warm p50";
        targets.ratio(first, ours.first.median(), ours.warm.median(), 2.0);
        let [warm, plain_warm] =
            ["resolve-call", PLAIN].map(|name| measured(&self.processes.http, name).warm.median());
        targets.ratio("resolve-call: warm p50, connect, ms", warm, plain_warm, 1.15);
        let reference = self.functions.one_get_item.zipped as f64 / MEGABYTE;
        for (function, most) in [
            (&self.functions.resolve_call, 2.5),
            (&self.functions.assign_numbers, 3.5),
            (&self.functions.release_numbers, 3.5),
            (&self.functions.refill_pool, 3.5),
            (&self.functions.forward_events, 3.5),
        ] {
            let size = function.zipped as f64 / MEGABYTE;
            targets.beside(&format!("{}: zip, MB", function.name), size, reference, most);
        }
        targets.ratio("resolve-call: peak memory, MiB", ours.peak_memory, plain.peak_memory, 1.25);

        let connect = |calls: &Calls, value: fn(&Call) -> f64| {
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
        let [alone, beside] = self.beside_waiting.each_ref().map(BesideWaiting::percentiles);
        for (name, beside, alone) in [("p50", beside[0], alone[0]), ("p99", beside[1], alone[1])] {
            let what = format!(
                "an order's announcement, {name}, ms; beside {} that wait for a dry pool",
                thousands(self.beside_waiting[1].waiting as f64)
            );
            targets.ratio(&what, beside, alone, 1.05);
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
}

fn met(is_met: bool) -> String {
    if is_met { "yes" } else { "NO" }.to_owned()
}

/// The section of the targets: each row is one.
struct Targets(Section);

impl Targets {
    /// A figure that may be at most `most` times its reference.
    fn ratio(&mut self, what: &str, ours: f64, reference: f64, most: f64) {
        let is_met = ours / reference <= most;
        self.row(what, ours, Some(reference), format!("{} ×", figure(most)), is_met);
    }

    /// A figure with an absolute limit, beside its reference.
    fn beside(&mut self, what: &str, ours: f64, reference: f64, most: f64) {
        self.row(what, ours, Some(reference), figure(most), ours <= most);
    }

    /// A figure with an absolute limit. It may be an average, with a rounding error.
    fn limit(&mut self, what: &str, ours: f64, most: f64) {
        self.row(what, ours, None, figure(most), ours <= most + 1e-6);
    }

    /// A figure that must not exceed its reference by more than 2 %: the cost of a rare second
    /// query of a shard.
    fn equal(&mut self, what: &str, ours: f64, reference: f64) {
        self.row(what, ours, Some(reference), "1 ×".to_owned(), ours <= reference * 1.02);
    }

    fn row(&mut self, what: &str, ours: f64, reference: Option<f64>, most: String, is_met: bool) {
        let [reference, ratio] =
            reference.map_or_else(Default::default, |it| [figure(it), figure(ours / it)]);
        self.0.row([what.to_owned(), figure(ours), reference, ratio, most, met(is_met)]);
    }
}

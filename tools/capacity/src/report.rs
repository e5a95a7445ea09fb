//! The report: both allocations side by side.

use std::fmt::{self, Display, Formatter};

use masking::Pool;

use crate::bill::{Bill, Prices};
use crate::figures::{dollars, grouped, real};
use crate::refill::BETWEEN_CHECKS;
use crate::replay::{PoolDry, ReplayResult, person_of};
use crate::settings::{SPARE, SPARE_FOR_CLAIMS, Settings};
use crate::size::{Bounds, Load, MEAN_TRIES, P99_TRIES, SizeSearch, Tries};
use crate::trace::Trace;

/// All results of a plan.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// The replayed orders.
    pub(crate) trace: &'a Trace,
    /// The exclusive pool. The shared one differs only in its allocation.
    pub(crate) pool: &'a Pool,
    /// The replay on an exclusive pool.
    pub(crate) exclusive: &'a ReplayResult,
    /// The settings of an exclusive pool that the plan recommends.
    pub(crate) settings: Settings,
    /// The replay on an exclusive pool that is refilled by these settings.
    pub(crate) refilled: &'a Result<ReplayResult, PoolDry>,
    /// The replays on shared pools.
    pub(crate) shared: &'a SizeSearch,
    /// The most people that one number of a shared pool may serve at once.
    pub(crate) people_per_number: u64,
    pub(crate) prices: Prices,
}

impl Report<'_> {
    /// The days from the first start of an order to the last, at least one.
    fn days(&self) -> f64 {
        let starts = || self.trace.orders.iter().map(|order| order.start.seconds());
        let seconds = starts().max().unwrap_or(0) - starts().min().unwrap_or(0);
        (real(seconds) / 86_400.0).max(1.0)
    }

    /// A summary of the orders, in one line.
    pub(crate) fn orders(&self) -> String {
        let orders = self.trace.orders.len() as u64;
        let lived: u64 =
            self.trace.orders.iter().map(|it| it.end.seconds() - it.start.seconds()).sum();
        let most = self.exclusive.most_live_orders.map_or_else(String::new, |(orders, at)| {
            format!("; {} orders at once at {at}", grouped(orders))
        });
        format!(
            "{} orders of {:.1} minutes on average, {} people{most}",
            grouped(orders),
            real(lived) / 60.0 / real(orders),
            grouped(self.trace.people.len() as u64),
        )
    }
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (exclusive, shared) = (self.exclusive, &self.shared.replayed);
        writeln!(f, "{}", self.orders())?;
        writeln!(
            f,
            "cool-down {} s, grace {} s",
            grouped(self.pool.cooldown_seconds),
            grouped(self.pool.grace_seconds)
        )?;
        if let Some((most, caller)) = &exclusive.usage.busiest_caller {
            let name = self.trace.people[person_of(caller)].name();
            writeln!(f, "busiest person: {name}, {most} routes live or cooling at once")?;
        }

        let orders = self.trace.orders.len() as u64;
        let row = |f: &mut Formatter<'_>, name: &str, value: &dyn Fn(&ReplayResult) -> String| {
            writeln!(f, "{name:<46}{:>14}{:>14}", value(exclusive), value(shared))
        };
        let bill = |it: &ReplayResult| Bill::of(it, self.days(), &self.prices);
        let tries = |it: &ReplayResult| Tries::of(&it.claims_by_tries);
        writeln!(f, "\n{:<46}{:>14}{:>14}", "", "exclusive", "shared")?;
        row(f, "numbers needed", &|it| grouped(it.numbers))?;
        row(f, "tries per claim, mean", &|it| format!("{:.3}", tries(it).mean))?;
        row(f, "tries per claim, p50 / p99 / most", &|it| {
            let Tries { p50, p99, most, .. } = tries(it);
            format!("{p50} / {p99} / {most}")
        })?;
        row(f, "busiest number: orders that it serves", &|it| grouped(it.most_orders_of_a_number))?;
        row(f, "busiest number: people who have it at once", &|it| {
            grouped(it.usage.busiest_number)
        })?;
        row(f, "people on a number at the peak, mean", &|it| {
            format!("{:.1}", real(it.usage.most_routes) / real(it.numbers))
        })?;
        row(f, "write units per order, to assign", &|it| {
            format!("{:.2}", real(it.units_to_assign) / real(orders))
        })?;
        row(f, "write units per order, to complete", &|it| {
            format!("{:.2}", real(it.units_to_complete) / real(orders))
        })?;
        row(f, "write units a month, in millions", &|it| {
            format!("{:.1}", bill(it).write_units / 1e6)
        })?;
        row(f, "read units a month, in millions", &|it| {
            format!("{:.1}", bill(it).read_units / 1e6)
        })?;
        row(f, "numbers, a month", &|it| dollars(bill(it).numbers))?;
        row(f, "tables, a month", &|it| dollars(bill(it).tables))?;
        row(f, "together, a month", &|it| dollars(bill(it).total()))?;

        self.bounds(f)?;
        self.trials(f)?;
        self.settings(f)
    }
}

impl Report<'_> {
    /// What bounds the shared pool.
    fn bounds(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bounds = self.shared.bounds;
        let routes = self.shared.replayed.usage.most_routes;
        let people = grouped(self.people_per_number);
        let line = |f: &mut Formatter<'_>, name: String, numbers: &str, decides: bool| {
            writeln!(f, "{name:<60}{numbers:>14}{}", if decides { "   <- decides" } else { "" })
        };
        writeln!(f, "\nwhat bounds the shared pool: numbers, at least")?;
        let busiest_person = grouped(bounds.busiest_person);
        line(f, "  the routes of the busiest person".to_owned(), &busiest_person, false)?;
        line(
            f,
            format!("  no order waits, tries per claim {MEAN_TRIES} and at p99 {P99_TRIES}"),
            &grouped(bounds.claims),
            bounds.people.is_none(),
        )?;
        line(
            f,
            format!("  people on a number at the peak, mean: {people}"),
            &grouped(routes.div_ceil(self.people_per_number)),
            false,
        )?;
        line(
            f,
            format!("  people on a number at the peak, busiest: {people}"),
            &bounds.people.map_or_else(|| "met".to_owned(), grouped),
            bounds.people.is_some(),
        )
    }

    /// The sizes that were tried.
    fn trials(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nshared pools that were tried")?;
        writeln!(
            f,
            "{:>10}{:>14}{:>8}{:>8}{:>8}{:>10}",
            "numbers", "tries, mean", "p50", "p99", "most", "people"
        )?;
        for trial in &self.shared.trials {
            write!(f, "{:>10}", grouped(trial.size))?;
            match trial.result {
                Ok(Load { tries: Tries { mean, p50, p99, most }, people }) => {
                    write!(f, "{mean:>14.3}{p50:>8}{p99:>8}{most:>8}{:>10}", grouped(people))?;
                }
                Err(waits) => write!(f, "    too few: an order waits at {}", waits.since)?,
            }
            let found = trial.size == self.shared.replayed.numbers;
            writeln!(f, "{}", if found { "   <- needed" } else { "" })?;
        }
        Ok(())
    }

    /// The settings of both pools.
    fn settings(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nsettings, with a reserve that is not in the figures above: {}%; for claims on a shared \
             pool {}%",
            SPARE * 100.0,
            SPARE_FOR_CLAIMS * 100.0
        )?;
        writeln!(f, "  exclusive: {}", self.settings)?;
        writeln!(
            f,
            "    target_free: {} for the busiest quarter of an hour, and the reserve of {}",
            grouped(self.settings.target_free - self.settings.min_free),
            grouped(self.settings.min_free),
        )?;
        writeln!(
            f,
            "    max_numbers: {} held or cooling at the peak, and target_free",
            grouped(self.exclusive.numbers)
        )?;
        match self.refilled {
            Ok(replayed) => writeln!(
                f,
                "    replayed with a check every {} minutes: no order waits; the pool grows to {}",
                BETWEEN_CHECKS / 60,
                grouped(replayed.numbers)
            )?,
            Err(waits) => writeln!(f, "    replayed: an order waits at {}", waits.since)?,
        }
        let Bounds { claims, people, .. } = self.shared.bounds;
        writeln!(f, "  shared: {}", Settings::shared(claims, people))
    }
}

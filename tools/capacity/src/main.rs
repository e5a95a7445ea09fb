//! `capacity`: how many numbers a day of orders takes, and what they cost, in an
//! exclusive pool and in a shared one. For the person who buys numbers.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what the tool makes up is well-formed, and what is wrong with a trace was told before"
)]

mod bill;
mod chart;
mod day;
mod figures;
mod refill;
mod replay;
mod report;
mod settings;
mod size;
mod trace;
mod units;
mod usage;

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use masking::{Allocation, Pool, Pools};

use crate::bill::Prices;
use crate::chart::Line;
use crate::day::Day;
use crate::report::Report;
use crate::settings::Settings;
use crate::trace::Trace;

const ABOUT: &str = "\
Plans how many virtual numbers to rent. Replays orders through the rules by which the service \
claims numbers, once with an exclusive pool (an order holds a number for each participant) and \
once with shared pools (a number serves many orders, but each person only one), and prints the \
numbers needed, what claiming them costs, and the monthly bill.";

const DETAILS: &str = "\
A trace is a CSV file. Its header names the columns: start, end, then a role for each participant.
Participants are known by any id that is the same whenever they come; a cell may stay empty.

    start,end,customer,agent
    2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-17,a-3
    2026-11-23T10:04:00Z,2026-11-23T10:31:00Z,c-18,a-3

Without a trace, a day is made up from the parameters: orders come in a wave that peaks in the
evening, each goes to any agent who can take one more, and most customers order once.

Exclusive: the pool grows whenever no number is free; the figure is what it has in the end.
The settings are for a refill, which checks every 15 minutes: target_free is what the busiest
quarter of an hour takes, and a reserve. They are replayed too, from an empty pool.
Shared: the smallest pool found with which no order waits, claims take 1.2 tries on average and 3
at p99, and no number serves more than --people-per-number at once. The report says which of these
decides. Numbers are drawn at random, so some more make a difference: see the sizes tried.
Routes that count are live (until completion and grace) or cooling. Calls are not in the bill:
each adds one read unit. Nor are storage, requests, functions and minutes.

Examples:
    capacity --orders 100000 --agents 2000 --minutes 25 --at-once 5 --cooldown-seconds 7200
    capacity orders.csv --cooldown-seconds 7200 --number-price 0.5 --chart orders.svg
    capacity orders.csv --people-per-number 500     # an operator who allows 500 people on a number";

/// The command line.
#[derive(Debug, Parser)]
#[command(version, about = ABOUT, after_help = DETAILS, max_term_width = 100)]
struct Arguments {
    /// A trace of orders (CSV); without one, a day is made up
    #[arg(conflicts_with_all = ["orders", "peak_factor", "minutes", "agents", "at_once"])]
    trace: Option<PathBuf>,

    /// Orders of the day
    #[arg(long, value_name = "N", default_value_t = 100_000, help_heading = DAY, value_parser = at_least_one)]
    orders: usize,
    /// The rate of orders at its peak, over the day's average: 1 to 10
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0, help_heading = DAY, value_parser = peak_factor)]
    peak_factor: f64,
    /// Minutes that an order lives, on average
    #[arg(long, value_name = "MINUTES", default_value_t = 25.0, help_heading = DAY, value_parser = positive)]
    minutes: f64,
    /// Agents who carry the orders
    #[arg(long, value_name = "N", default_value_t = 2000, help_heading = DAY, value_parser = at_least_one)]
    agents: usize,
    /// The most orders that an agent carries at once
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = DAY, value_parser = at_least_one)]
    at_once: usize,
    /// Where chance begins, for the day and for shared pools
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How long released numbers and routes stay unused: the pool's `cooldown_seconds`
    #[arg(long, value_name = "SECONDS", default_value_t = 600, help_heading = POOL)]
    cooldown_seconds: u64,
    /// How long a completed order's routes still connect: the pool's `grace_seconds`
    #[arg(long, value_name = "SECONDS", default_value_t = 0, help_heading = POOL)]
    grace_seconds: u64,

    // The most careful of what providers advise, which runs from a hundred to thousands. The
    // report says what the pool would be without it.
    /// People whom one number of a shared pool may serve at once, 10 or more: they have a
    /// route on it that is live or cooling. The mean and the busiest number keep to it. Ask
    /// your operator: carriers and spam labels go by it. With 100,000, it never decides
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = POOL, value_parser = people)]
    people_per_number: u64,

    // Twilio's list price of a local number in the US, in 2026.
    /// A number, for a month
    #[arg(long, value_name = "DOLLARS", default_value_t = 1.15, help_heading = PRICES, value_parser = price)]
    number_price: f64,
    // DynamoDB on demand, us-east-1, since November 2024.
    /// A million write units
    #[arg(long, value_name = "DOLLARS", default_value_t = 0.625, help_heading = PRICES, value_parser = price)]
    write_price: f64,
    /// A million read units
    #[arg(long, value_name = "DOLLARS", default_value_t = 0.125, help_heading = PRICES, value_parser = price)]
    read_price: f64,

    /// Where to draw the numbers in use over time, as SVG
    #[arg(long, value_name = "FILE", default_value = "capacity.svg", overrides_with = "chart")]
    chart: PathBuf,
}

const DAY: &str = "The day that is made up";
const POOL: &str = "The pool";
const PRICES: &str = "Prices";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a person reads this")]
            {
                eprintln!("capacity: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let trace = arguments.trace()?;
    let exclusive_pool = arguments.pool(Allocation::Exclusive, &trace)?;
    let shared_pool = arguments.pool(Allocation::Shared, &trace)?;

    // Shown only on a terminal.
    let bar = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("{msg:28} {wide_bar} {percent:>3}% {elapsed}")?);
    bar.set_message("exclusive");
    let exclusive = replay::exclusive(&trace, &exclusive_pool, &bar);
    bar.set_message("exclusive, refilled");
    let settings = Settings::exclusive(exclusive.numbers, exclusive.turnover.of_busiest_quarter());
    let refilled = &replay::refilled(&trace, &exclusive_pool, settings, 0, &bar);
    let least = exclusive.usage.most_of_busiest_caller();
    let shared =
        size::find(&trace, &shared_pool, least, arguments.people_per_number, arguments.seed, &bar);
    bar.finish_and_clear();

    let prices = Prices {
        number: arguments.number_price,
        million_writes: arguments.write_price,
        million_reads: arguments.read_price,
    };
    let (exclusive, shared) = (&exclusive, &shared);
    let report = Report {
        trace: &trace,
        pool: &exclusive_pool,
        exclusive,
        settings,
        refilled,
        shared,
        people_per_number: arguments.people_per_number,
        prices,
    };
    let lines = [
        Line {
            name: "exclusive: numbers live or cooling",
            class: "exclusive",
            samples: &exclusive.samples,
            value: |sample| sample.numbers,
            most: exclusive.numbers,
        },
        Line {
            name: "shared: numbers live or cooling",
            class: "shared",
            samples: &shared.replayed.samples,
            value: |sample| sample.numbers,
            most: shared.replayed.numbers,
        },
        Line {
            name: "orders that live",
            class: "orders dotted",
            samples: &exclusive.samples,
            value: |sample| sample.orders,
            most: exclusive.most_live_orders.map_or(0, |(orders, _)| orders),
        },
        Line {
            name: "routes of the busiest person",
            class: "person dotted",
            samples: &shared.replayed.samples,
            value: |sample| sample.of_busiest_caller,
            most: shared.replayed.usage.most_of_busiest_caller(),
        },
    ];
    let title = format!(
        "Numbers in use: {} exclusive, {} shared",
        figures::grouped(exclusive.numbers),
        figures::grouped(shared.replayed.numbers)
    );
    fs::write(&arguments.chart, chart::svg(&title, &report.orders(), &lines))
        .map_err(|error| format!("{}: {error}", arguments.chart.display()))?;
    #[expect(clippy::print_stdout, reason = "a person reads this")]
    {
        println!("{report}\nchart: {}", arguments.chart.display());
    }
    Ok(())
}

impl Arguments {
    fn trace(&self) -> Result<Trace, Box<dyn Error>> {
        let Some(path) = &self.trace else {
            let Self { orders, peak_factor, minutes, agents, at_once, seed, .. } = *self;
            return Ok(Day { orders, peak_factor, minutes, agents, at_once, seed }.trace()?);
        };
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Trace::read(file).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// The pool. It allows the longest life of an order in the trace.
    fn pool(&self, allocation: Allocation, trace: &Trace) -> Result<Pool, masking::Invalid> {
        let longest = trace.orders.iter().map(|it| it.end.seconds() - it.start.seconds()).max();
        let pools = serde_json::json!([{
            "id": "planned",
            "allocation": allocation.as_str(),
            "cooldown_seconds": self.cooldown_seconds,
            "grace_seconds": self.grace_seconds,
            "max_order_seconds": longest.unwrap_or(0) + 1,
        }]);
        Pools::parse(&pools.to_string())?.named(None).cloned()
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|it| 0 < *it).ok_or_else(|| "must be 1 or more".to_owned())
}

// Numbers are drawn at random, so the busiest has some times as many people as the mean: with
// a few people on a number, a shared pool takes about as many numbers as an exclusive one.
fn people(text: &str) -> Result<u64, String> {
    let people = text.parse().ok().filter(|it| 10 <= *it);
    people.ok_or_else(|| "must be 10 or more; for fewer, take an exclusive pool".to_owned())
}

fn peak_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|it| (1.0..=10.0).contains(it));
    factor.ok_or_else(|| "must be 1 to 10".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|it| *it > 0.0 && f64::is_finite(*it));
    value.ok_or_else(|| "must be more than 0".to_owned())
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse().ok().filter(|it| *it >= 0.0 && f64::is_finite(*it));
    price.ok_or_else(|| "must be 0 or more".to_owned())
}

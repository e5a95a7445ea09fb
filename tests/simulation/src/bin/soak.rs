//! Runs the simulation for a given time, or repeats one seed.
#![expect(clippy::print_stdout, reason = "a person reads this")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use simulation::{Report, Schedule, Story, Violation, rental, shrink};

const HELP: &str = "\
Runs the real handlers in a world where everything that can fail does.

  soak [--seconds N] [--schedules N]   as many schedules as fit (default: 60 seconds)
  soak --from SEED …                   those of this seed and the next ones, not new ones
  soak --seed SEED                     one seed, told step by step
  soak --kind rental …                 pools and a provider's account, not orders and calls

A run begins at a seed that is drawn anew each time, and says at which. A seed that
fails is shortened to what it needs, and told with the command that repeats it. The
exit code is 1 then.";

/// What the command that repeats a seed of refill says more.
const RENTAL: &str = " KIND=rental";

/// The command line.
struct Arguments {
    seconds: u64,
    schedules: u64,
    from: u64,
    seed: Option<u64>,
    /// Whether the simulation is the one of refill.
    rental: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            println!("{problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match (arguments.seed, arguments.rental) {
        (Some(seed), false) => repeat::<Schedule>(seed, ""),
        (Some(seed), true) => repeat::<rental::Schedule>(seed, RENTAL),
        (None, false) => soak::<Schedule>(&arguments, ""),
        (None, true) => soak::<rental::Schedule>(&arguments, RENTAL),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    // Twelve digits: enough that runs do not overlap, and few enough to type.
    let from = fastrand::u64(0..1_000_000_000_000);
    let mut arguments =
        Arguments { seconds: 60, schedules: u64::MAX, from, seed: None, rental: false };
    while let Some(word) = words.next() {
        if word == "--kind" {
            arguments.rental = match words.next().as_deref() {
                Some("orders") => false,
                Some("rental") => true,
                _ => return Err("--kind: must be orders or rental".to_owned()),
            };
            continue;
        }
        let number = words.next().and_then(|it| it.parse().ok());
        match (word.as_str(), number) {
            ("--seconds", Some(number)) => arguments.seconds = number,
            ("--schedules", Some(number)) => {
                (arguments.schedules, arguments.seconds) = (number, u64::from(u32::MAX));
            }
            ("--from", Some(number)) => arguments.from = number,
            ("--seed", Some(number)) => arguments.seed = Some(number),
            _ => return Err(format!("{word}: not known, or not followed by a whole number")),
        }
    }
    Ok(arguments)
}

fn repeat<S: Story>(seed: u64, kind: &str) -> ExitCode {
    if let Ok(report) = S::draw(seed).run() {
        println!("seed {seed} holds: {report:?}");
        return ExitCode::SUCCESS;
    }
    tell::<S>(seed, kind);
    ExitCode::FAILURE
}

/// Shrinks a failing seed for a minute, and prints what is left of it.
fn tell<S: Story>(seed: u64, kind: &str) {
    let shortest = shrink(&S::draw(seed), Duration::from_mins(1));
    let Err(Violation { found, history }) = shortest.run() else {
        println!("seed {seed} fails, and its shortened story does not: a fault of the simulation");
        return;
    };
    println!("\nseed {seed} fails. Its shortest story ({} steps):\n", shortest.steps());
    for line in history {
        println!("  {line}");
    }
    println!("\nfound:");
    for line in found {
        println!("  {line}");
    }
    println!("\nrepeat it: make soak SEED={seed}{kind}");
}

fn soak<S: Story>(arguments: &Arguments, kind: &str) -> ExitCode {
    let from = arguments.from;
    println!("seeds from {from}; repeat with FROM={from}{kind}");
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let failed = AtomicBool::new(false);
    let totals = Mutex::new((0_u64, Report::default(), Vec::new()));
    let workers = available_parallelism().map_or(1, usize::from);
    let over = || failed.load(Ordering::Relaxed) || arguments.seconds <= began.elapsed().as_secs();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !over() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if arguments.schedules <= seed - from {
                        return;
                    }
                    let result = S::draw(seed).run();
                    let Ok(mut totals) = totals.lock() else { return };
                    totals.0 += 1;
                    if let Ok(report) = result {
                        totals.1.add(&report);
                    } else {
                        failed.store(true, Ordering::Relaxed);
                        totals.2.push(seed);
                    }
                    if totals.0 % 5000 == 0 {
                        println!("  {:>8} schedules, {} s", totals.0, began.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let Ok((schedules, report, failures)) = totals.into_inner() else { return ExitCode::FAILURE };
    let (seconds, failed) = (began.elapsed().as_secs(), failures.len());
    println!("{schedules} schedules in {seconds} s: {failed} failed");
    println!(
        "checked: {} writes or requests, {} calls; delivered: {} assign events, {} release events in {} batches",
        report.checks, report.calls, report.assigns, report.releases, report.batches
    );
    for (what, count) in &report.counted {
        println!("        {count} {what}");
    }
    println!("faults: {} environments died", report.deaths);
    for (kind, count) in &report.faults {
        println!("        {count} × {kind}");
    }
    match failures.first() {
        None => ExitCode::SUCCESS,
        Some(seed) => {
            tell::<S>(*seed, kind);
            ExitCode::FAILURE
        }
    }
}

//! Measures the deployed functions beside plain ones, and prints one report.
//!
//! The processes run under a Lambda Runtime API, with an embedded DynamoDB, queues and secrets
//! at an address of this machine. Functions that are compared are measured in turns, so that
//! a machine that is slow for a while slows all of them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a person reads this")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement stops at the first surprise"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts are far below the limits of a float"
)]

mod calls;
mod crowd;
mod effort;
mod endpoint;
mod environment;
mod events;
mod function;
mod orders;
mod processes;
mod progress;
mod records;
mod report;
mod sample;
mod slow;
mod stage;
mod table;
mod targets;
mod virtual_time;
mod waiting;

use std::process::ExitCode;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use crate::effort::Effort;
use crate::function::{Function, Functions, POOL, SHARED_POOL};
use crate::report::Run;

const HELP: &str = "\
Measures the functions beside plain ones. `make bench` builds them and runs this.

  bench            all figures; writes them to target/bench/table.md too
  bench --quick    a few of each, to see that all works; the times mean little
  bench records    only the records of a Kafka topic; needs forward-events alone
  bench waiting    only orders beside those that wait for a dry pool; needs no built function";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let quick = words.first() == Some(&"--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let only_records = match &words[usize::from(quick)..] {
        [] => false,
        ["records"] => true,
        ["waiting"] => {
            println!("{}", report::beside_waiting(&waiting::measure(&effort)).render());
            return ExitCode::SUCCESS;
        }
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            println!("{HELP}");
            return ExitCode::from(2);
        }
    };
    // One thread: the measured process has the other processor.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let work = async || if only_records { records(&effort).await } else { bench(&effort).await };
    match runtime.block_on(until_stopped(work())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            progress::done();
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until the end or a signal. Either way, no process is left behind.
async fn until_stopped(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut interrupted, mut terminated) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        done = work => done,
        _ = interrupted.recv() => Err("stopped".to_owned()),
        _ = terminated.recv() => Err("stopped".to_owned()),
    }
}

/// Measures forward-events alone.
async fn records(effort: &Effort) -> Result<(), String> {
    std::fs::create_dir_all("target/bench").map_err(|error| error.to_string())?;
    let records = records::measure(&Function::forward_events()?, effort).await;
    progress::done();
    for section in [report::records(&records), report::latency_of_sqs()] {
        println!("{}", section.render());
    }
    Ok(())
}

async fn bench(effort: &Effort) -> Result<(), String> {
    let begun = Instant::now();
    std::fs::create_dir_all("target/bench").map_err(|error| error.to_string())?;
    let functions = Functions::find()?;
    let round_trips = crowd::round_trips();
    let processes = processes::measure(&functions, effort).await;
    let calls = calls::measure(&functions, effort).await;
    let exclusive = orders::measure(&functions, effort, POOL).await;
    let shared = orders::measure(&functions, effort, SHARED_POOL).await;
    let records = records::measure(&functions.forward_events, effort).await;
    let growth = orders::growth(&functions, effort).await;
    let crowds = crowd::measure(effort);
    let sharing = crowd::measure_sharing(effort);
    let beside_waiting = waiting::measure(effort);
    progress::done();

    let run = Run {
        functions,
        processes,
        calls,
        exclusive,
        shared,
        round_trips,
        crowds,
        sharing,
        beside_waiting,
        records,
        growth,
    };
    let mut text = format!("# What it takes, on {}\n", machine());
    for section in run.sections() {
        text.push('\n');
        text.push_str(&section.render());
    }
    println!("{text}");
    println!("Measured in {} s; also in target/bench/table.md.", begun.elapsed().as_secs());
    std::fs::write("target/bench/table.md", text).map_err(|error| error.to_string())
}

/// The processors and the system of this machine.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let processors = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{processors} × {model}, Linux {}", kernel.trim())
}

//! A fixed number of schedules in every run of the tests. `make soak` runs more.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::thread::{available_parallelism, scope};

use simulation::{Report, Schedule, Story, rental};

/// Takes about a minute on two processors, without optimisation.
const SCHEDULES: u64 = 2000;

const RENTAL_SCHEDULES: u64 = 400;

#[test]
fn nothing_is_violated_whatever_fails() {
    let total = run_all::<Schedule>(SCHEDULES, "");
    // The simulation must really have had writes, calls, deaths and every kind of fault.
    assert!(SCHEDULES * 20 < total.checks, "{total:?}");
    assert!(SCHEDULES < total.calls && SCHEDULES < total.assigns, "{total:?}");
    assert!(total.faults.len() == 10 && 0 < total.deaths, "{total:?}");
}

#[test]
fn no_account_is_overdrawn_and_no_number_lost_whatever_a_provider_says() {
    let total = run_all::<rental::Schedule>(RENTAL_SCHEDULES, " KIND=rental");
    assert!(RENTAL_SCHEDULES * 20 < total.checks, "{total:?}");
    assert!(RENTAL_SCHEDULES * 5 < total.counted["numbers bought"], "{total:?}");
    assert!(total.faults.len() == 8 && 0 < total.deaths, "{total:?}");
}

fn run_all<S: Story>(schedules: u64, kind: &str) -> Report {
    let workers = available_parallelism().map_or(1, |it| u64::try_from(it.get()).unwrap());
    scope(|scope| {
        let share = |worker: u64| {
            move || -> Report {
                let mut total = Report::default();
                for seed in (worker..schedules).step_by(usize::try_from(workers).unwrap()) {
                    match S::draw(seed).run() {
                        Ok(report) => total.add(&report),
                        Err(violation) => panic!(
                            "seed {seed}: {:#?}\nsee its shortest story: make soak SEED={seed}{kind}",
                            violation.found
                        ),
                    }
                }
                total
            }
        };
        let workers: Vec<_> = (0..workers).map(|worker| scope.spawn(share(worker))).collect();
        let mut total = Report::default();
        for worker in workers {
            total.add(&worker.join().unwrap());
        }
        total
    })
}

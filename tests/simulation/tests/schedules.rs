//! A fixed number of schedules in every run of the tests. `make soak` runs more.

use std::thread::{available_parallelism, scope};

use simulation::{Report, Schedule, run};

/// Takes about a minute on two processors, without optimisation.
const SCHEDULES: u64 = 2000;

#[test]
fn nothing_is_violated_whatever_fails() {
    let workers = available_parallelism().map_or(1, |it| u64::try_from(it.get()).unwrap());
    let total = scope(|scope| {
        let share = |worker: u64| {
            move || -> Report {
                let mut total = Report::default();
                for seed in (worker..SCHEDULES).step_by(usize::try_from(workers).unwrap()) {
                    match run(&Schedule::draw(seed)) {
                        Ok(report) => total.add(&report),
                        Err(violation) => panic!(
                            "seed {seed}: {:#?}\nsee its shortest story: make soak SEED={seed}",
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
    });
    // The simulation must really have had writes, calls, deaths and every kind of fault.
    assert!(SCHEDULES * 20 < total.checks, "{total:?}");
    assert!(SCHEDULES < total.calls && SCHEDULES < total.assigns, "{total:?}");
    assert!(total.faults.len() == 10 && 0 < total.deaths, "{total:?}");
}

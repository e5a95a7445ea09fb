//! The tool, run as a user runs it.
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of this test alone.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn capacity(name: &str, arguments: &[&str]) -> Output {
    let chart = file(&format!("{name}.svg"));
    Command::new(env!("CARGO_BIN_EXE_capacity"))
        .args(arguments)
        .arg("--chart")
        .arg(chart)
        .output()
        .expect("the tool starts")
}

fn with_trace(name: &str, trace: &str, arguments: &[&str]) -> Output {
    let path = file(&format!("{name}.csv"));
    fs::write(&path, trace).expect("the trace is written");
    capacity(name, &[&[path.to_str().expect("UTF-8")], arguments].concat())
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

/// Both figures of a row: exclusive, shared.
#[track_caller]
fn row<'a>(output: &'a Output, name: &str) -> Vec<&'a str> {
    let line = text(&output.stdout).lines().find_map(|line| line.strip_prefix(name));
    line.expect(name).split_whitespace().collect()
}

#[test]
fn a_trace_is_planned_as_by_hand() {
    // The agent carries two orders at once, and a third while both cool down.
    let trace = "start,end,customer,agent\n\
                 2026-11-23T10:00:00Z,2026-11-23T10:20:00Z,c-1,a-1\n\
                 2026-11-23T10:10:00Z,2026-11-23T10:30:00Z,c-2,a-1\n\
                 2026-11-23T10:35:00Z,2026-11-23T10:55:00Z,c-3,a-1\n";
    let output = with_trace("by-hand", trace, &["--cooldown-seconds", "1000"]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(printed.contains("3 orders of 20.0 minutes on average, 4 people; 2 orders at once"));
    assert!(printed.contains("busiest person: a-1, 3 routes live or cooling at once"), "{printed}");
    assert_eq!(row(&output, "numbers needed")[0], "6");
    assert_eq!(row(&output, "write units per order, to assign")[0], "14.00");
    assert_eq!(row(&output, "write units per order, to complete"), ["14.00", "6.00"]);
    // Six numbers at the peak, a tenth of them in reserve. A check shortly before 10:35 counts
    // the four numbers that cool, and the third order takes two others.
    assert!(
        printed.contains(r#"exclusive: "target_free":7, "min_free":1, "max_numbers":13"#),
        "{printed}"
    );
    // Three orders a day: 3 × 28 units × 30 days; $0.625 a million.
    assert_eq!(row(&output, "numbers, a month")[0], "$6.90");
    assert_eq!(row(&output, "together, a month")[0], "$6.90");
    // Lost draws are random, but the agent always needs three numbers.
    let shared: u64 = row(&output, "numbers needed")[1].parse().expect("a number");
    assert!(3 <= shared, "{printed}");

    let chart = fs::read_to_string(file("by-hand.svg")).expect("a chart");
    assert!(chart.contains(&format!("Numbers in use: 6 exclusive, {shared} shared")), "{chart}");

    let output = with_trace("rested", trace, &["--cooldown-seconds", "299"]);
    assert_eq!(row(&output, "numbers needed")[0], "4");
}

#[test]
fn a_phone_as_an_id_is_not_shown() {
    let trace = "start,end,customer,agent\n\
                 2026-11-23T10:00:00Z,2026-11-23T10:20:00Z,+6281211112222,+6281333334444\n\
                 2026-11-23T10:10:00Z,2026-11-23T10:30:00Z,081255556666,+6281333334444\n";
    let output = with_trace("phones", trace, &[]);
    let printed = text(&output.stdout);
    assert!(printed.contains("busiest person: the agent of line 2, 2 routes"), "{printed}");
    let chart = fs::read_to_string(file("phones.svg")).expect("a chart");
    for shown in [printed, text(&output.stderr), &chart] {
        for phone in ["81211112222", "81333334444", "81255556666"] {
            assert!(!shown.contains(phone), "{shown}");
        }
    }
}

#[test]
fn a_mistake_in_a_trace_is_reported_by_line_and_field() {
    let trace = "start,end,customer,agent\n\
                 2026-11-23T10:00:00Z,2026-11-23T10:20:00Z,c-1,a-1\n\
                 2026-11-23T10:10:00Z,+6281211112222,c-2,a-1\n";
    let output = with_trace("mistake", trace, &[]);
    let told = text(&output.stderr);
    assert!(!output.status.success());
    assert!(
        told.ends_with("mistake.csv: line 3, end: must be a date and time with its offset, as 2026-11-23T10:00:00Z\n"),
        "{told}"
    );
    let told = capacity("absent", &["absent.csv"]).stderr;
    assert!(text(&told).contains("absent.csv: "), "{}", text(&told));
}

#[test]
fn the_same_day_has_the_same_plan() {
    let arguments = ["--orders", "2000", "--agents", "100", "--cooldown-seconds", "7200"];
    let (one, other) = (capacity("day", &arguments), capacity("day", &arguments));
    assert!(one.status.success(), "{}", text(&one.stderr));
    assert_eq!(text(&one.stdout), text(&other.stdout));
    assert_eq!(row(&one, "write units per order, to assign")[0], "14.00");
    assert!(
        text(&one.stdout).contains("replayed with a check every 15 minutes: no order waits"),
        "{}",
        text(&one.stdout)
    );
}

#[test]
fn a_day_that_the_agents_cannot_carry_is_refused() {
    let output = capacity("refused", &["--agents", "10"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).starts_with("capacity: all agents are busy at 2026-01-01T00:"));
}

#[test]
fn no_number_of_a_shared_pool_serves_more_people_than_it_may() {
    let day = ["--orders", "2000", "--agents", "100", "--cooldown-seconds", "7200"];
    let plan = |people: &str| {
        let output = capacity(people, &[&day, &["--people-per-number", people][..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let figure = |name| row(&output, name)[1].replace(',', "").parse::<f64>().expect(name);
        let numbers = figure("numbers needed");
        let mean = figure("people on a number at the peak, mean");
        let busiest = figure("busiest number: people who have it at once");
        let decides = text(&output.stdout).lines().find(|line| line.ends_with("<- decides"));
        (numbers, mean, busiest, decides.expect("a bound decides").trim_start().to_owned())
    };
    let (claims, mean, busiest, decides) = plan("100000");
    assert!(20.0 < busiest && mean <= busiest, "{mean} {busiest}");
    assert!(decides.starts_with("no order waits"), "{decides}");

    let (people, mean, busiest, decides) = plan("20");
    assert!(mean <= busiest && busiest <= 20.0, "{mean} {busiest}");
    assert!(claims < people, "{claims} {people}");
    assert!(decides.starts_with("people on a number at the peak, busiest: 20"), "{decides}");

    let refused = capacity("people", &["--people-per-number", "9"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("must be 10 or more"), "{}", text(&refused.stderr));
}

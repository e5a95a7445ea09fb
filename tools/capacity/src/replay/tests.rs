//! Replays of small traces.

use masking::Pools;

use super::*;
use crate::day::Day;
use crate::size;

/// An agent who carries one order after the other.
const SUCCESSION: &str = "start,end,customer,agent\n\
    2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1\n\
    2026-11-23T10:30:00Z,2026-11-23T10:55:00Z,c-2,a-1\n";
/// An agent who carries three orders at once.
const THREE_AT_ONCE: &str = "start,end,customer,agent\n\
    2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1\n\
    2026-11-23T10:01:00Z,2026-11-23T10:26:00Z,c-2,a-1\n\
    2026-11-23T10:02:00Z,2026-11-23T10:27:00Z,c-3,a-1\n";
const SEEDS: std::ops::Range<u64> = 0..50;

fn trace(text: &str) -> Trace {
    Trace::read(text.as_bytes()).unwrap()
}

fn pool(allocation: &str, cooldown: u64) -> Pool {
    let text =
        format!(r#"[{{"id":"p","allocation":"{allocation}","cooldown_seconds":{cooldown}}}]"#);
    Pools::parse(&text).unwrap().named(None).unwrap().clone()
}

fn exclusively(text: &str, cooldown: u64) -> ReplayResult {
    exclusive(&trace(text), &pool("exclusive", cooldown), &ProgressBar::hidden())
}

fn sharing(text: &str, size: u64, seed: u64) -> Result<ReplayResult, PoolDry> {
    shared(&trace(text), &pool("shared", 600), size, seed, &ProgressBar::hidden())
}

fn tries(replayed: &ReplayResult) -> u64 {
    (1..).zip(&replayed.claims_by_tries).map(|(tries, claims)| tries * claims).sum()
}

#[test]
fn an_exclusive_number_serves_another_order_once_it_has_cooled_down() {
    for (cooldown, numbers, of_a_number) in [(0, 2, 2), (300, 2, 2), (301, 4, 1)] {
        let replayed = exclusively(SUCCESSION, cooldown);
        assert_eq!(replayed.numbers, numbers, "after {cooldown} s");
        assert_eq!(replayed.most_orders_of_a_number, of_a_number);
    }
    let replayed = exclusively(THREE_AT_ONCE, 600);
    assert_eq!(replayed.numbers, 6);
    let (most, since) = replayed.most_live_orders.unwrap();
    assert_eq!((most, since.to_string().as_str()), (3, "2026-11-23T10:02:00Z"));
}

#[test]
fn a_shared_pool_needs_a_number_for_each_route_of_the_busiest_person() {
    for (text, size) in [(SUCCESSION, 2), (THREE_AT_ONCE, 3)] {
        let (most, caller) = exclusively(text, 600).usage.busiest_caller.unwrap();
        assert_eq!((most, trace(text).people[person_of(&caller)].name()), (size, "a-1".into()));
        for seed in SEEDS {
            let replayed = sharing(text, size, seed).unwrap();
            assert_eq!(replayed.usage.busiest_caller.unwrap().0, size);
        }
    }
    for seed in SEEDS {
        let PoolDry { since } = sharing(THREE_AT_ONCE, 2, seed).unwrap_err();
        assert_eq!(since.to_string(), "2026-11-23T10:02:00Z");
    }
}

#[test]
fn an_order_of_two_takes_14_write_units_exclusive_and_6_shared_and_so_does_its_end() {
    let replayed = exclusively(SUCCESSION, 600);
    assert_eq!((replayed.units_to_assign, replayed.units_to_complete), (2 * 14, 2 * 14));
    let (mut first_tries, mut lost) = (0, 0);
    for seed in SEEDS {
        let replayed = sharing(SUCCESSION, 2, seed).unwrap();
        // A lost try costs as much as one that succeeds.
        assert_eq!(replayed.units_to_assign, tries(&replayed) * 6);
        assert_eq!(replayed.units_to_complete, 2 * 6);
        first_tries += u32::from(tries(&replayed) == 2);
        lost += u32::from(tries(&replayed) == 3);
    }
    assert!(0 < first_tries && 0 < lost, "{first_tries} at the first try, {lost} not");
}

#[test]
fn three_people_take_three_numbers_and_six_routes() {
    let text = "start,end,customer,agent,merchant\n\
        2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1,m-1\n";
    let replayed = exclusively(text, 600);
    assert_eq!((replayed.numbers, replayed.units_to_assign), (3, 2 + 3 * 4 + 6 * 2));
    assert_eq!(sharing(text, 3, 0).unwrap().units_to_assign, 2 + 6 * 2);
    assert!(sharing(text, 2, 0).is_err());
}

#[test]
fn samples_show_what_is_in_use() {
    let replayed = exclusively(SUCCESSION, 600);
    let at = |time: &str| {
        let time = Timestamp::parse(&format!("2026-11-23T{time}:00Z")).unwrap();
        let sample = replayed.samples.iter().rfind(|it| it.at <= time).unwrap();
        (sample.orders, sample.numbers, sample.of_busiest_caller)
    };
    assert_eq!(at("10:20"), (1, 2, 1));
    assert_eq!(at("10:28"), (0, 2, 1));
    assert_eq!(at("10:33"), (1, 4, 2));
    assert_eq!(at("10:40"), (1, 2, 1));
}

/// A day with a cool-down of more than a quarter of an hour, and one with less.
fn days() -> [(Trace, Pool); 2] {
    let day =
        Day { orders: 3000, peak_factor: 4.0, minutes: 20.0, agents: 200, at_once: 5, seed: 1 };
    let other = Day { seed: 2, peak_factor: 8.0, ..day.clone() };
    [
        (day.trace().unwrap(), pool("exclusive", 7200)),
        (other.trace().unwrap(), pool("exclusive", 400)),
    ]
}

#[test]
fn an_exclusive_pool_with_the_recommended_settings_is_never_dry_whenever_its_checks_come() {
    let bar = ProgressBar::hidden();
    for (trace, pool) in days() {
        let grown = exclusive(&trace, &pool, &bar);
        let settings = Settings::exclusive(grown.numbers, grown.turnover.of_busiest_quarter());
        // Without the reserve, so that the reserve is what stays free.
        let bare = Settings { target_free: settings.target_free - settings.min_free, ..settings };
        let half = Settings { target_free: bare.target_free / 2, ..bare };
        let mut dry_with_half = 0;
        for ahead in (0..BETWEEN_CHECKS).step_by(300) {
            for settings in [settings, bare] {
                let replayed = refilled(&trace, &pool, settings, ahead, &bar).unwrap();
                assert!(replayed.numbers <= settings.max_numbers);
            }
            dry_with_half += u32::from(refilled(&trace, &pool, half, ahead, &bar).is_err());
        }
        assert!(0 < dry_with_half, "half as many would do");
    }
}

#[test]
fn a_number_that_a_check_counts_as_free_may_come_too_late() {
    // The check at 10:15 counts the two numbers that cool until 10:17, but an order comes first.
    let trace = trace(
        "start,end,customer,agent\n\
         2026-11-23T10:00:00Z,2026-11-23T10:05:00Z,c-1,a-1\n\
         2026-11-23T10:16:00Z,2026-11-23T10:20:00Z,c-2,a-1\n",
    );
    let (pool, bar) = (pool("exclusive", 720), ProgressBar::hidden());
    let asked = exclusive(&trace, &pool, &bar).turnover.of_busiest_quarter();
    assert_eq!(asked, 4, "two that are taken, and two that cool");
    let with = |target_free| {
        let settings = Settings { target_free, min_free: 0, max_numbers: 100 };
        refilled(&trace, &pool, settings, 0, &bar).map(|it| it.numbers)
    };
    assert_eq!(with(asked).unwrap(), 4);
    assert!(with(asked - 1).is_err(), "one is free at 10:16, and two are needed");
}

#[test]
fn a_refill_never_exceeds_max_numbers() {
    let settings = Settings { target_free: 50, min_free: 0, max_numbers: 3 };
    let trace = trace(SUCCESSION);
    let replayed = refilled(&trace, &pool("exclusive", 300), settings, 0, &ProgressBar::hidden());
    assert_eq!(replayed.unwrap().numbers, 3);
}

#[test]
fn a_shared_pool_with_the_recommended_settings_is_never_dry() {
    let bar = ProgressBar::hidden();
    let (trace, pool) = (trace(THREE_AT_ONCE), pool("shared", 600));
    for seed in SEEDS {
        for people_per_number in [1, 100] {
            let plan = size::find(&trace, &pool, 3, people_per_number, seed, &bar);
            let settings = Settings::shared(plan.bounds.claims, plan.bounds.people);
            assert!(plan.replayed.usage.busiest_number <= people_per_number);
            assert!(shared(&trace, &pool, settings.target_free, seed, &bar).is_ok());
        }
    }
}

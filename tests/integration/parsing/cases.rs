//! How properties are tried: on many cases, in worlds that serve for all of them, and with
//! an eye on what is told about each.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use axum::http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use providers::{ProviderSecret, Question, Refusal, Request};
use support::World;
use support::cloud::TABLES;
use support::rows::{Row, text};

/// Tries a property on so many cases, times what `PROPTEST_CASES` asks for.
#[track_caller]
pub(crate) fn check<S: Strategy<Value: Debug>>(
    cases: u32,
    cases_of: S,
    property: impl Fn(S::Value),
) {
    let asked_for = Config::default();
    let config = Config {
        cases: cases.saturating_mul(asked_for.cases).div_ceil(256),
        failure_persistence: None,
        rng_seed: match asked_for.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            seed @ RngSeed::Fixed(_) => seed,
        },
        ..asked_for
    };
    let tried = TestRunner::new(config).run(&cases_of, |case| {
        property(case);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// A world that many cases are tried in, one after the other.
pub(crate) struct Stage {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) world: World,
}

impl Stage {
    pub(crate) fn new(world: impl Future<Output = World>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = runtime.block_on(world);
        Self { runtime, world }
    }

    pub(crate) fn run<T>(&self, act: impl AsyncFnOnce(&World) -> T) -> T {
        self.runtime.block_on(act(&self.world))
    }

    /// All rows of all tables, by their keys.
    pub(crate) fn rows(&self) -> BTreeMap<String, Row> {
        self.run(async |world| {
            let mut rows = BTreeMap::new();
            for table in TABLES {
                for row in world.rows(table).await {
                    let key = ["order_id", "number", "caller"].map(|name| text(&row, name));
                    rows.insert(format!("{table} {key:?}"), row);
                }
            }
            rows
        })
    }

    /// Does something, and returns what was logged meanwhile.
    pub(crate) fn log_of(&self, act: impl FnOnce()) -> String {
        let before = self.world.log().len();
        act();
        self.world.log().split_off(before)
    }
}

/// The runs of seven digits and more in a text: what could be a phone.
pub(crate) fn phones_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_numeric()).filter(|digits| 7 <= digits.chars().count())
}

#[track_caller]
pub(crate) fn assert_no_phone(given: &str, told: &str) {
    for digits in phones_in(given) {
        assert!(!told.contains(digits), "{digits} comes back in {told}");
    }
}

/// Whether this is one of the names, where `[]` stands for any place in a list.
pub(crate) fn is_field(field: &str, names: &[&str]) -> bool {
    let places_left_out: String = field
        .split('[')
        .map(|it| it.trim_start_matches(|c: char| c.is_ascii_digit()))
        .fold(String::new(), |mut all, it| {
            if !all.is_empty() {
                all.push('[');
            }
            all.push_str(it);
            all
        });
    names.contains(&places_left_out.as_str())
}

/// Asks on the route of the request's path.
pub(crate) fn admitted(
    method: &Method,
    request: &Request<'_>,
    secret: &ProviderSecret,
) -> Result<Question, Refusal> {
    providers::webhook(method, request.path).unwrap().admit(request, secret)
}

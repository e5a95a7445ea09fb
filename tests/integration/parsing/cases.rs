//! Runs properties on many cases, in worlds that all cases share.
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

/// Runs a property on this number of cases, multiplied as `PROPTEST_CASES` says.
#[track_caller]
pub(crate) fn check<S: Strategy<Value: Debug>>(
    cases: u32,
    cases_of: S,
    property: impl Fn(S::Value),
) {
    let default = Config::default();
    let config = Config {
        cases: cases.saturating_mul(default.cases).div_ceil(256),
        failure_persistence: None,
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            seed @ RngSeed::Fixed(_) => seed,
        },
        ..default
    };
    let tried = TestRunner::new(config).run(&cases_of, |case| {
        property(case);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// A world for many cases, one after the other.
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

    /// Does something, and returns the log of it.
    pub(crate) fn log_of(&self, act: impl FnOnce()) -> String {
        let before = self.world.log().len();
        act();
        self.world.log().split_off(before)
    }
}

/// The runs of seven digits and more in a text, which could be phones.
pub(crate) fn phones_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_numeric()).filter(|digits| 7 <= digits.chars().count())
}

#[track_caller]
pub(crate) fn assert_no_phone(given: &str, shown: &str) {
    for digits in phones_in(given) {
        assert!(!shown.contains(digits), "{digits} comes back in {shown}");
    }
}

/// Whether this is one of the names, in which `[]` stands for any index.
pub(crate) fn is_field(field: &str, names: &[&str]) -> bool {
    let mut parts = field.split('[');
    let mut bare = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        bare.push('[');
        bare.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    names.contains(&bare.as_str())
}

/// The result of the webhook of the request's path.
pub(crate) fn admitted(
    method: &Method,
    request: &Request<'_>,
    secret: &ProviderSecret,
) -> Result<Question, Refusal> {
    providers::webhook(method, request.path).unwrap().admit(request, secret)
}

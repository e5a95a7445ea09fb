//! What settings must be: a function of the new values and those that they replace.

use masking::{CallSettings, Invalid, Pools};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kafka::Kafka;

/// The settings of a deployment that the template itself can't check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct Settings {
    /// The parameter `Pools`.
    pub pools: String,
    /// The parameter `RingSeconds`.
    pub ring_seconds: String,
    /// The parameter `MaxCallSeconds`.
    pub max_call_seconds: String,
    /// The parameter `Sentences`.
    pub sentences: String,
    /// The parameters whose names begin with `Kafka`.
    pub kafka: Kafka,
}

/// The most bytes of environment variables that Lambda accepts for a function.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MOST_ENVIRONMENT_BYTES: usize = 4096;
/// What a function's other variables may need. assign-numbers has the most: ten names with
/// their punctuation (210 bytes), five queue URLs of at most 138, three table names of at
/// most 155 and an ARN of some 100, together 1465.
const OTHER_VARIABLES_BYTES: usize = 1600;
/// The most bytes of `Sentences`: resolve-call's other variables, four names, a table, two
/// ARNs and an address, need less than the rest.
const MOST_SENTENCES_BYTES: usize = 3000;

/// A property that is missing or no text counts as an empty one, so that its own check
/// names it.
impl From<Map<String, Value>> for Settings {
    fn from(properties: Map<String, Value>) -> Self {
        let text =
            |name| properties.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            pools: text("Pools"),
            ring_seconds: text("RingSeconds"),
            max_call_seconds: text("MaxCallSeconds"),
            sentences: text("Sentences"),
            kafka: Kafka::read(&properties),
        }
    }
}

/// Checks the settings of a deployment. `old` are those that it replaces, if there are any.
///
/// # Errors
///
/// All problems of the new settings. They name fields, and quote no value.
pub fn check(old: Option<&Settings>, new: &Settings) -> Result<(), Vec<Invalid>> {
    let pools = pools(old.map(|it| it.pools.as_str()), &new.pools);
    let problems = [pools, calls(new), new.kafka.problems()].concat();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn pools(old: Option<&str>, new: &str) -> Vec<Invalid> {
    let pools = match Pools::parse(new) {
        Ok(pools) => pools,
        Err(invalid) => return vec![invalid],
    };
    // No function has run with old pools that can't be parsed.
    let old = old.and_then(|old| Pools::parse(old).ok());
    let mut problems = lowered_shards(old.as_ref(), &pools);
    problems.extend(too_long("Pools", new, MOST_ENVIRONMENT_BYTES - OTHER_VARIABLES_BYTES));
    problems
}

fn calls(new: &Settings) -> Vec<Invalid> {
    let Settings { ring_seconds, max_call_seconds, sentences, .. } = new;
    let parsed = CallSettings::parse(Some(ring_seconds), Some(max_call_seconds), Some(sentences));
    let too_long = too_long("Sentences", sentences, MOST_SENTENCES_BYTES);
    parsed.err().into_iter().chain(too_long).collect()
}

fn too_long(name: &str, value: &str, most: usize) -> Option<Invalid> {
    let size = bytes_in_environment(value);
    (most < size).then(|| {
        let reason = format!(
            "must have at most {most} bytes, where each quotation mark counts twice; it has {size}"
        );
        Invalid::new(name, reason)
    })
}

fn lowered_shards(old: Option<&Pools>, new: &Pools) -> Vec<Invalid> {
    let lowered = new.iter().enumerate().filter_map(|(index, pool)| {
        let before = old?.by_id(&pool.id)?.shards;
        let reason = || {
            let after = pool.shards;
            format!("must not be lowered from {before} to {after}: numbers would not be found")
        };
        (pool.shards < before).then(|| Invalid::new(format!("Pools[{index}].shards"), reason()))
    });
    lowered.collect()
}

/// The size of a variable's value as Lambda measures it: as a JSON string, in which
/// quotation marks and backslashes are escaped.
/// Source: terraform-aws-github-runner, issue 3594.
fn bytes_in_environment(value: &str) -> usize {
    Value::from(value).to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pools: &str) -> Settings {
        Settings { pools: pools.to_owned(), ..Settings::default() }
    }

    fn problems(old: Option<&str>, new: &str) -> Vec<String> {
        let checked = check(old.map(settings).as_ref(), &settings(new));
        checked.err().into_iter().flatten().map(|invalid| invalid.to_string()).collect()
    }

    const TWO: &str = r#"[{"id":"a","default":true,"shards":8},{"id":"b","shards":4}]"#;

    #[test]
    fn usable_settings_are_let_through() {
        assert_eq!(problems(None, TWO), [""; 0]);
        assert_eq!(problems(Some(TWO), TWO), [""; 0]);
    }

    #[test]
    fn pools_that_can_not_be_used_are_named_by_their_field() {
        for (pools, problem) in [
            ("", "Pools: must be a JSON list of pools"),
            ("[]", "Pools: must hold at least one pool"),
            (r#"[{"id":"a","shards":0}]"#, "Pools[0].shards: must be 1 to 256"),
        ] {
            assert_eq!(problems(None, pools), [problem]);
            assert_eq!(problems(Some(TWO), pools), [problem]);
        }
    }

    #[test]
    fn shards_may_grow_and_never_shrink() {
        let grown = r#"[{"id":"a","default":true,"shards":16},{"id":"b","shards":4}]"#;
        assert_eq!(problems(Some(TWO), grown), [""; 0]);
        assert_eq!(
            problems(Some(grown), TWO),
            ["Pools[0].shards: must not be lowered from 16 to 8: numbers would not be found"]
        );
    }

    #[test]
    fn a_pools_shards_are_compared_wherever_the_pool_stands() {
        let turned = r#"[{"id":"b","shards":4},{"id":"a","default":true,"shards":7}]"#;
        assert_eq!(
            problems(Some(TWO), turned),
            ["Pools[1].shards: must not be lowered from 8 to 7: numbers would not be found"]
        );
        // Left out, it is 16.
        let left_out = r#"[{"id":"a"}]"#;
        assert_eq!(problems(Some(TWO), left_out), [""; 0]);
    }

    #[test]
    fn each_lowered_pool_is_named() {
        let lowered = r#"[{"id":"a","default":true,"shards":1},{"id":"b","shards":1}]"#;
        assert_eq!(problems(Some(TWO), lowered).len(), 2);
    }

    #[test]
    fn a_new_pool_may_have_any_number_of_shards() {
        assert_eq!(problems(Some(TWO), r#"[{"id":"c","shards":1}]"#), [""; 0]);
    }

    #[test]
    fn old_pools_that_could_not_be_used_hold_nothing_up() {
        assert_eq!(problems(Some("no JSON"), TWO), [""; 0]);
    }

    #[test]
    fn pools_must_fit_a_functions_environment() {
        // Most of these characters are no quotation marks, and some are.
        let of = |count: usize| {
            let pool = |index| format!(r#"{{"id":"pool-{index:03}","default":{}}}"#, index == 0);
            format!("[{}]", (0..count).map(pool).collect::<Vec<_>>().join(","))
        };
        assert_eq!(problems(None, &of(59)), [""; 0]);
        let too_long = of(70);
        assert!(too_long.len() < MOST_ENVIRONMENT_BYTES - OTHER_VARIABLES_BYTES);
        let found = problems(None, &too_long);
        let expected =
            "Pools: must have at most 2496 bytes, where each quotation mark counts twice";
        assert!(matches!(&found[..], [one] if one.starts_with(expected)), "{found:?}");
    }

    #[test]
    fn settings_of_calls_that_can_not_be_used_are_named() {
        let problems = |ring: &str, last: &str, sentences: &str| -> Vec<String> {
            let properties = serde_json::json!({
                "Pools": TWO, "RingSeconds": ring, "MaxCallSeconds": last, "Sentences": sentences,
            });
            let settings: Settings = serde_json::from_value(properties).unwrap();
            let checked = check(None, &settings);
            checked.err().into_iter().flatten().map(|invalid| invalid.to_string()).collect()
        };
        assert_eq!(problems("20", "3600", ""), [""; 0]);
        for (ring, last, sentences, field) in [
            ("4", "3600", "", "RingSeconds: "),
            ("20", "1", "", "MaxCallSeconds: "),
            ("20", "3600", "[]", "Sentences: "),
        ] {
            let found = problems(ring, last, sentences);
            assert!(matches!(&found[..], [one] if one.starts_with(field)), "{found:?}");
        }
        let long = format!("{{{}}}", " ".repeat(MOST_SENTENCES_BYTES));
        let found = problems("20", "3600", &long);
        assert!(found.iter().any(|it| it.starts_with("Sentences: must have at most")), "{found:?}");
    }

    #[test]
    fn a_property_that_is_missing_or_no_text_is_named_by_its_check() {
        for properties in ["{}", r#"{"Pools":[]}"#] {
            let settings: Settings = serde_json::from_str(properties).unwrap();
            assert!(check(None, &settings).is_err());
        }
    }

    #[test]
    fn a_value_may_be_as_long_as_there_is_room() {
        let size = bytes_in_environment("a");
        assert_eq!(too_long("Sentences", "a", size), None);
        assert!(too_long("Sentences", "a", size - 1).is_some());
    }
}

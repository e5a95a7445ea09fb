//! Settings from environment variables, which only `main` reads.

use std::env;

/// Reads an environment variable of this process. An empty one counts as missing.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn process(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a variable that must be set, through `lookup`.
///
/// # Errors
///
/// The variable is missing. The message names it on one line, for `main` to end with.
pub fn required(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, String> {
    lookup(name)
        .ok_or_else(|| format!("environment variable {name} is not set; the template sets it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let lookup = |name: &str| (name == "QUEUE_URL").then(|| "https://queue".to_owned());
        assert_eq!(required(lookup, "QUEUE_URL").unwrap(), "https://queue");
        let error = required(lookup, "POOLS").unwrap_err();
        assert_eq!(error, "environment variable POOLS is not set; the template sets it");
    }

    #[test]
    fn a_variable_of_the_process_is_read_and_one_that_is_not_set_is_missing() {
        assert!(process("PATH").is_some_and(|path| path.contains('/')));
        assert_eq!(process("NO_SUCH_VARIABLE_IS_SET"), None);
    }
}

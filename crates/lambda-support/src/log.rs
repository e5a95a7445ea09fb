//! The log of a function: one JSON object a line, each with its time.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Sends the log to standard output, for the rest of the process. `lookup` finds a variable
/// by its name.
///
/// It reads the variables that Lambda sets, as the runtime's own set-up does, and adds the
/// time to each line: Lambda takes a JSON line without one for `INFO`, so that a function
/// whose level is `WARN` would lose its errors.
/// Source: AWS Lambda Developer Guide, "Log-level filtering"; `lambda_runtime`'s
/// `init_default_subscriber`.
pub fn init(lookup: impl Fn(&str) -> Option<String>) {
    // Not `try_init`: where a dependency turns on `tracing-log`, that also takes in what is said
    // through the `log` crate. Every trace of the HTTP client is then compiled twice, 0.2 MB.
    // Fails if the process has a log already, which will do as well.
    let _ = tracing::subscriber::set_global_default(subscriber(lookup, std::io::stdout));
}

/// The subscriber of [`init`], with the writer of the lines.
fn subscriber<W>(
    lookup: impl Fn(&str) -> Option<String>,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let directives = lookup("RUST_LOG");
    let level = lookup("AWS_LAMBDA_LOG_LEVEL").or_else(|| directives.clone());
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .parse_lossy(directives.unwrap_or_default());
    let subscriber = tracing_subscriber::fmt()
        .with_target(false)
        .with_ansi(false)
        .with_env_filter(filter)
        .with_writer(writer);
    let json = lookup("AWS_LAMBDA_LOG_FORMAT");
    if json.is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        Box::new(subscriber.json().finish())
    } else {
        Box::new(subscriber.finish())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged with these variables: a warning, a line and a detail.
    fn logged(variables: &[(&str, &str)]) -> Vec<String> {
        let lookup = |name: &str| {
            let variable = variables.iter().find(|variable| variable.0 == name);
            variable.map(|variable| variable.1.to_owned())
        };
        let lines = Lines::default();
        let written = Arc::clone(&lines.0);
        tracing::subscriber::with_default(subscriber(lookup, move || lines.clone()), || {
            tracing::warn!(route = "r", "refused a request");
            tracing::info!("connected a call");
            tracing::debug!("a detail");
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    const JSON: (&str, &str) = ("AWS_LAMBDA_LOG_FORMAT", "JSON");

    #[test]
    fn each_line_has_its_time_its_level_and_its_message() {
        let lines = logged(&[JSON]);
        assert_eq!(lines.len(), 2);
        // 2026-11-23T08:00:00.123456Z
        let (time, rest) = lines[0].split_once(r#"Z","#).unwrap();
        let time = time.strip_prefix(r#"{"timestamp":""#).unwrap();
        assert!(time.len() == 26 && time.as_bytes()[10] == b'T', "{time}");
        let fields = r#""level":"WARN","fields":{"message":"refused a request","route":"r"}}"#;
        assert_eq!(rest, fields);
    }

    #[test]
    fn the_level_is_the_one_that_lambda_sets_and_info_otherwise() {
        for (variables, lines) in [
            (&[JSON, ("AWS_LAMBDA_LOG_LEVEL", "WARN")][..], 1),
            (&[JSON, ("AWS_LAMBDA_LOG_LEVEL", "DEBUG")], 3),
            (&[JSON, ("AWS_LAMBDA_LOG_LEVEL", "nonsense")], 2),
            (&[JSON, ("RUST_LOG", "error")], 0),
            (&[JSON, ("AWS_LAMBDA_LOG_LEVEL", "WARN"), ("RUST_LOG", "")], 1),
            (&[], 2),
        ] {
            assert_eq!(logged(variables).len(), lines, "{variables:?}");
        }
    }

    #[test]
    fn without_the_format_a_line_is_text() {
        let lines = logged(&[]);
        assert!(lines[1].ends_with("INFO connected a call"), "{}", lines[1]);
    }
}

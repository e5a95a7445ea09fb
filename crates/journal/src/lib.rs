//! The journal: one line of the log for each decision that a function makes.
//!
//! A line is JSON in CloudWatch's embedded metric format. It says what was decided about
//! which order, call or pool, and CloudWatch makes metrics of its figures. So a graph and the
//! lines behind it can't disagree. Every metric of the service is a field in `lines.rs`.
//!
//! A line never has a phone. Virtual numbers, orders and call ids are fields of a line and
//! never dimensions of a metric.
//! Source: Amazon `CloudWatch` User Guide, "Specification: Embedded metric format".

mod lines;

use std::fmt;
use std::io;

use metrique::emf::Emf;
use metrique::writer::sink::FlushImmediately;
use metrique::writer::{BoxEntrySink, FormatExt};
use tracing_subscriber::fmt::MakeWriter;

pub use self::lines::{
    Batch, Call, Check, Event, Message, ProviderRequest, Refusal, Report, Stock,
};

/// Where the lines go. Clones write to the same place.
#[derive(Clone)]
pub struct Journal(BoxEntrySink);

/// The environment variable with the namespace of the metrics, which the template sets.
pub const NAMESPACE: &str = "METRICS_NAMESPACE";

/// A word where a line has no name of an order's pool, since empty dimensions are not allowed.
pub const UNKNOWN: &str = "unknown";

/// A line of the journal. The types of this crate are those that exist.
pub trait Line {
    /// Writes the line.
    fn write_to(self, sink: BoxEntrySink);
}

impl Journal {
    /// A journal that writes to standard output. `namespace` is that of the metrics.
    pub fn standard_output(namespace: &str) -> Self {
        Self::new(namespace, io::stdout)
    }

    /// A journal with another writer.
    pub fn new<W>(namespace: &str, writer: W) -> Self
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let format = Emf::no_validations(namespace.to_owned(), vec![vec![]]);
        Self(FlushImmediately::new_boxed(format.output_to_makewriter(writer)))
    }

    /// Writes a line.
    pub fn write(&self, line: impl Line) {
        line.write_to(self.0.clone());
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_its_fields_its_figures_and_what_makes_metrics_of_them() {
        let written = Written::default();
        let to = written.clone();
        let journal = Journal::new("masking", move || to.clone());
        let mut call = Call::new("/calls/twilio", "connect", "live", Duration::from_micros(1500));
        call.order_id = Some("o-1".to_owned());
        journal.write(call);
        journal.write(Refusal::new("/calls/twilio", "mismatch"));

        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [call, refusal] = &lines[..] else { unreachable!("two lines") };
        assert_eq!(
            call["_aws"]["CloudWatchMetrics"],
            json!([{
                "Namespace": "masking", "Dimensions": [["route", "decision", "reason"]],
                "Metrics": [{"Name": "Calls"}, {"Name": "ResolveTime", "Unit": "Milliseconds"}],
            }])
        );
        assert!(call["_aws"]["Timestamp"].is_u64());
        let fields = ["line", "route", "decision", "reason", "order_id", "call_id", "Calls"];
        let fields = fields.map(|name| call[name].clone());
        let expected = json!(["call", "/calls/twilio", "connect", "live", "o-1", null, 1]);
        assert_eq!(json!(fields), expected);
        assert_eq!(call["ResolveTime"], json!(1.5));
        assert_eq!((&refusal["kind"], &refusal["Refusals"]), (&json!("mismatch"), &json!(1)));
    }
}

//! The event that Lambda makes of a topic's records, as far as the function needs it.
//!
//! Key, headers, topic and partition of a record are not read: nothing depends on them, and what
//! is not read can't be wrong. Its time is read for a figure alone, and may be anything. (`aws_lambda_events` requires all of them, so that one odd
//! record would fail its whole batch.)
//!
//! Source: AWS Lambda Developer Guide, "Using Lambda with self-managed Apache Kafka", example
//! event. That of Amazon MSK has the same records.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// A batch of records.
#[derive(Debug, Deserialize)]
pub struct KafkaEvent {
    /// The records of each partition, in their order, by `topic-partition`.
    records: BTreeMap<String, Vec<Record>>,
}

/// A record of the topic.
#[derive(Deserialize)]
pub(crate) struct Record {
    offset: i64,
    /// The record's value in base64. `null` in a tombstone, by which a compacted topic forgets a
    /// key.
    #[serde(default)]
    value: Value,
    /// When it was produced, in milliseconds since the Unix epoch.
    #[serde(default)]
    timestamp: Value,
}

/// Where a record stands, as `topic-partition:offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position(String);

impl KafkaEvent {
    /// The records, in the order of the batch, with their positions.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Position, &Value)> {
        self.records.iter().flat_map(|(partition, records)| {
            records.iter().map(move |record| {
                (Position(format!("{partition}:{}", record.offset)), &record.value)
            })
        })
    }
}

impl KafkaEvent {
    /// How long the oldest record has been on the topic, as far as the records tell. `now` is in
    /// milliseconds since the Unix epoch.
    pub(crate) fn age(&self, now: u64) -> Option<Duration> {
        let records = self.records.values().flatten();
        let oldest = records.filter_map(|record| record.timestamp.as_u64()).min()?;
        Some(Duration::from_millis(now.saturating_sub(oldest)))
    }
}

impl Position {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Leaves the value out, which may hold a phone.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("offset", &self.offset).finish_non_exhaustive()
    }
}

//! The logs of the functions.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;

use super::surprise::output_of;
use super::{PATIENCE, Result, Stack, check, eventually};

impl Stack {
    /// Waits for a line of a log that contains all of these parts.
    pub async fn logged(&self, parts: &[&str]) -> Result {
        eventually(&format!("a log line with {}", parts.join(", ")), PATIENCE, async || {
            let mut last = self.last_logs.lock().await;
            // Reading takes most of a second: all waiting stories share one reading.
            if last.0.is_none_or(|read_at| Duration::from_secs(1) < read_at.elapsed()) {
                last.1 = self.logs().await?;
                last.0 = Some(Instant::now());
            }
            let found = last.1.lines().any(|line| parts.iter().all(|part| line.contains(part)));
            check("logged", &found, &true)
        })
        .await
    }

    /// The warnings and errors in the logs, in short.
    pub async fn problems(&self) -> Vec<String> {
        let logs = self.logs().await.unwrap_or_else(|surprise| surprise.to_string());
        let in_short = |line: &str| {
            let (function, line) = line.split_once(char::is_whitespace)?;
            let line: Value = serde_json::from_str(line.trim()).ok()?;
            let level = line["level"].as_str().filter(|it| ["ERROR", "WARN"].contains(it))?;
            Some(format!("{function}: {level} {}", line["fields"]))
        };
        logs.lines().filter_map(in_short).collect()
    }

    pub async fn logs(&self) -> Result<String> {
        let mut command = Command::new("sh");
        output_of("logs", command.args(["-c", &self.logs_command])).await
    }
}

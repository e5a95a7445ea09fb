//! The answer to `CloudFormation`: an object that is put at the URL in the request.

use std::time::Duration;

use lambda_support::Chain;
use masking::Invalid;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use crate::Request;

/// The id of the resource. It never changes: another id would mean another resource.
const PHYSICAL_RESOURCE_ID: &str = "settings";
/// The most problems in one reason. An answer may have 4 KB, and a reason is read by a
/// person who corrects one problem after the other.
const MOST_PROBLEMS: usize = 5;
/// How often the answer is sent. If all fail, Lambda runs the function twice more.
const ATTEMPTS: u32 = 3;
/// The time limit of an attempt. All of them end before the function's 30 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// `CloudFormation` did not take the answer. Does not quote the URL, which is signed.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The answer was refused.
    #[error("the answer was refused with status {0}")]
    Status(u16),
    /// The answer did not arrive, or it is not known whether it did.
    #[error("the answer could not be sent")]
    NotSent(#[source] reqwest::Error),
}

/// The answer to a request.
pub(crate) fn answer(request: &Request, checked: &Result<(), Vec<Invalid>>) -> Value {
    let (status, reason) = match checked {
        Ok(()) => ("SUCCESS", "the settings can be used".to_owned()),
        Err(problems) => ("FAILED", reason(problems)),
    };
    let id = request.physical_resource_id.as_deref().unwrap_or(PHYSICAL_RESOURCE_ID);
    json!({
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": id,
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_resource_id,
    })
}

fn reason(problems: &[Invalid]) -> String {
    let shown = problems.iter().take(MOST_PROBLEMS).map(ToString::to_string);
    let mut reason = shown.collect::<Vec<_>>().join("; ");
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    if 0 < more {
        reason = format!("{reason}; and {more} more");
    }
    reason
}

/// Sends an answer, up to three times.
///
/// # Errors
///
/// The last attempt failed.
pub(crate) async fn send(
    http: &reqwest::Client,
    url: &str,
    answer: &Value,
) -> Result<(), AnswerError> {
    let mut last = send_once(http, url, answer).await;
    for _ in 1..ATTEMPTS {
        let Err(error) = &last else { return last };
        tracing::warn!(error = %Chain(error), "the answer is sent again");
        tokio::time::sleep(PAUSE).await;
        last = send_once(http, url, answer).await;
    }
    last
}

async fn send_once(http: &reqwest::Client, url: &str, answer: &Value) -> Result<(), AnswerError> {
    let request = http.put(url).timeout(ATTEMPT_TIMEOUT).body(answer.to_string());
    // The URL is signed for a request without a content type.
    let request = request.header(CONTENT_TYPE, HeaderValue::from_static(""));
    let response = request.send().await.map_err(|it| AnswerError::NotSent(it.without_url()))?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(AnswerError::Status(status.as_u16())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_lists_the_first_problems_and_counts_the_others() {
        let problems = |count| vec![Invalid::new("Pools", "is wrong"); count];
        assert_eq!(reason(&problems(2)), "Pools: is wrong; Pools: is wrong");
        assert!(reason(&problems(5)).ends_with("is wrong"));
        assert!(reason(&problems(7)).ends_with("; and 2 more"));
    }
}

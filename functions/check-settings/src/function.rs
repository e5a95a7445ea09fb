//! The function: checks the settings of a request, and answers.

use aws_sdk_cloudformation::types::StackStatus;
use lambda_support::AwsError;
use masking::Invalid;

use crate::answer::{self, AnswerError};
use crate::request::RequestType;
use crate::{Request, check};

/// Checks the settings of deployments.
#[derive(Debug)]
pub struct CheckSettings {
    /// Tells whether a deployment goes forward or back.
    cloudformation: aws_sdk_cloudformation::Client,
    /// Sends the answer.
    http: reqwest::Client,
}

impl CheckSettings {
    /// Makes the function from its clients.
    pub fn new(cloudformation: aws_sdk_cloudformation::Client, http: reqwest::Client) -> Self {
        Self { cloudformation, http }
    }

    /// Handles a request of `CloudFormation`.
    ///
    /// # Errors
    ///
    /// The answer could not be delivered. Lambda then hands the request to the function
    /// again.
    pub async fn handle(&self, request: &Request) -> Result<(), AnswerError> {
        let checked = self.judge(request).await;
        if let Err(problems) = &checked {
            for problem in problems {
                tracing::warn!(field = problem.field, reason = %problem.reason, "refused a setting");
            }
        }
        let answer = answer::answer(request, &checked);
        answer::send(&self.http, &request.response_url, &answer).await
    }

    async fn judge(&self, request: &Request) -> Result<(), Vec<Invalid>> {
        let (old, new) = (request.old_resource_properties.as_ref(), &request.resource_properties);
        match request.request_type {
            RequestType::Delete => Ok(()),
            RequestType::Create => check(None, new),
            RequestType::Update => match check(old, new) {
                Err(_) if self.goes_back(request).await => {
                    tracing::warn!("let settings through, since the deployment is rolled back");
                    Ok(())
                }
                checked => checked,
            },
        }
    }

    /// Whether the deployment is being rolled back. The request does not say so: going back
    /// from 16 shards to 8 looks like lowering them. A refusal would leave the stack between
    /// two deployments, in `UPDATE_ROLLBACK_FAILED`.
    async fn goes_back(&self, request: &Request) -> bool {
        let describe = self.cloudformation.describe_stacks().stack_name(&request.stack_id);
        match describe.send().await.map_err(AwsError::of("DescribeStacks")) {
            Ok(answer) => {
                let statuses = answer.stacks().iter().filter_map(|stack| stack.stack_status());
                statuses.into_iter().any(|it| *it == StackStatus::UpdateRollbackInProgress)
            }
            Err(error) => {
                tracing::error!(%error, "the state of the stack could not be read");
                false
            }
        }
    }
}

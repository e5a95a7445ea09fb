//! The request of `CloudFormation` to a custom resource.
//! Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>.

use serde::Deserialize;

use crate::Settings;

/// The request of `CloudFormation`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request {
    /// What `CloudFormation` is about to do.
    pub request_type: RequestType,
    /// Where the answer goes: a signed URL, which is a secret for an hour or two.
    #[serde(rename = "ResponseURL")]
    pub response_url: String,
    /// The ARN of the stack.
    pub stack_id: String,
    /// The id of this request. The answer repeats it.
    pub request_id: String,
    /// The name of the resource in the template.
    pub logical_resource_id: String,
    /// The id that the answer to the first request gave the resource.
    pub physical_resource_id: Option<String>,
    /// The settings to check.
    #[serde(default)]
    pub resource_properties: Settings,
    /// The settings that they replace. An update has them.
    pub old_resource_properties: Option<Settings>,
}

/// What `CloudFormation` is about to do with the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RequestType {
    /// The stack gets the resource.
    Create,
    /// The settings change, forward or back to what they were.
    Update,
    /// The stack loses the resource. There is nothing to check.
    Delete,
}

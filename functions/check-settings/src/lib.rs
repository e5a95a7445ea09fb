//! Checks the settings of a deployment, before any other function gets them.
//!
//! Trigger: the custom resource `SettingsCheck` of the template. Promise: a deployment
//! whose settings can't be used, or would lose numbers, fails with a reason that names the
//! parameter; the way back from a failed deployment is never refused; and `CloudFormation`
//! always gets an answer, since it waits for one.

mod answer;
mod function;
mod kafka;
mod request;
mod settings;

pub use self::answer::AnswerError;
pub use self::function::CheckSettings;
pub use self::kafka::Kafka;
pub use self::request::Request;
pub use self::settings::{Settings, check};

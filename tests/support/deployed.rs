//! A client of the deployed stack: it sends events, receives announcements, asks about calls
//! and reads tables and logs.
#![expect(
    clippy::missing_errors_doc,
    reason = "each error is a `Surprise`: the stack is not as the contract says, or out of reach"
)]

mod calls;
mod kafka;
mod logs;
mod mailbox;
mod processes;
mod queues;
mod stack;
mod surprise;

use lambda_support::clock;
use masking::Timestamp;

pub use self::calls::{Answer, CallResult};
pub use self::kafka::Record;
pub use self::mailbox::Message;
pub use self::processes::Processes;
pub use self::stack::Stack;
pub use self::surprise::{PATIENCE, Result, Surprise, check, check_json, eventually};

/// A later moment, in RFC 3339 form.
pub fn in_seconds(seconds: u64) -> String {
    Timestamp::from_seconds(clock::unix_seconds() + seconds).to_string()
}

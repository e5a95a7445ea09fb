//! The deployed stack as an outsider meets it: events go in, announcements come out,
//! calls are answered.

mod calls;
mod logs;
mod mailbox;
mod processes;
mod queues;
mod stack;
mod surprise;

use lambda_support::clock;
use masking::Timestamp;

pub use self::calls::{Answer, Heard};
pub use self::processes::Processes;
pub use self::stack::Stack;
pub use self::surprise::{PATIENCE, Result, Surprise, check, check_json, eventually};

/// The moment that many seconds from now, as events write it.
pub fn in_seconds(seconds: u64) -> String {
    Timestamp::from_seconds(clock::unix_seconds() + seconds).to_string()
}

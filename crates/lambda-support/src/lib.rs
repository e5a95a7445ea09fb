//! The code around a handler that the functions share. It knows nothing of phone
//! numbers. Code moves here only when two functions need it.

pub mod aws;
pub mod clock;
pub mod env;
mod errors;
pub mod log;
mod secret;
pub mod sqs;

pub use self::clock::Clock;
pub use self::errors::{AwsError, Chain};
pub use self::secret::{CachedSecret, Parse, SECRET_NOT_REFRESHED, SECRET_UNREADABLE};

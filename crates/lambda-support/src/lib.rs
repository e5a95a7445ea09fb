//! What every function needs around its handler. It knows nothing of numbers:
//! nothing enters here until two functions need it.

pub mod aws;
pub mod clock;
pub mod env;
mod errors;
mod secret;
pub mod sqs;

pub use self::clock::Clock;
pub use self::errors::{AwsError, Chain};
pub use self::secret::{CachedSecret, Parse};

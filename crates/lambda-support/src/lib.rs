//! What every function needs around its handler. It knows nothing of numbers:
//! nothing enters here until two functions need it.

pub mod aws;
pub mod clock;
pub mod env;
mod secret;
pub mod sqs;

pub use self::secret::{Parse, Secret};

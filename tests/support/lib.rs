//! What the tests stand on: a world of real handlers over an embedded DynamoDB,
//! and the deployed stack.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test stops at the first surprise"
)]

#[cfg(feature = "world")]
pub mod aws;
#[cfg(feature = "world")]
pub mod database;
pub mod invariants;
#[cfg(feature = "world")]
pub mod logs;
pub mod processes;
#[cfg(feature = "world")]
pub mod provider;
pub mod rows;
pub mod stack;
pub mod story;
#[cfg(feature = "world")]
pub mod world;

#[cfg(feature = "world")]
pub use self::provider::twilio;
#[cfg(feature = "world")]
pub use self::world::World;

//! What tests and measurements share: AWS in the test's own process, the real functions on
//! it, the events that they receive, an oracle over the tables, and the deployed stack.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test stops at the first surprise"
)]
#![expect(missing_docs, reason = "a doc comment stands only where a name does not say all")]

#[cfg(feature = "world")]
pub mod alarms;
#[cfg(feature = "world")]
pub mod cloud;
pub mod deployed;
pub mod events;
#[cfg(feature = "world")]
pub mod functions;
#[cfg(feature = "world")]
pub mod logs;
pub mod oracle;
#[cfg(feature = "world")]
pub mod provider;
pub mod rows;
pub mod story;
#[cfg(feature = "world")]
pub mod wire;
#[cfg(feature = "world")]
pub mod world;

#[cfg(feature = "world")]
pub use self::provider::twilio;
#[cfg(feature = "world")]
pub use self::world::World;

//! What the tests stand on: a world of real handlers over an embedded DynamoDB,
//! and the deployed stack.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test stops at the first surprise"
)]

pub mod aws;
pub mod database;
pub mod logs;
pub mod provider;
pub mod stack;
pub mod twilio;
pub mod world;

pub use self::world::World;

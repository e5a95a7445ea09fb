//! The rules of number masking: values in, decisions out. No I/O, no AWS, no clock.
//!
//! The words, here and everywhere in the project:
//!
//! | word | meaning |
//! | --- | --- |
//! | number | a virtual number, E.164, rented from a provider |
//! | pool | the numbers that may serve the same orders |
//! | order | one transaction between participants; it has an id and a growing version |
//! | participant | a person on an order: a role and a real phone |
//! | caller | the keyed hash that stands for a real phone in keys |
//! | route | "when this caller dials this number, connect to that phone and show that number" |
//! | assign, amend, release, close | give an order its numbers, change who is on it, take them back, for good |
//! | cool-down | how long a released number or route stays unused |
//! | grace | how long after completion an order's routes still connect |
//! | refill | bring a pool back to its target, from the provider |
//!
//! The way of an order event: [`OrderEvent::parse`], then an [`Attempt`], which decides
//! against the order's row, makes a [`Plan`] of what to write, and says what to do until
//! the row has taken the event in. The way of a call: [`CallingParty::parse`], the route's
//! row, [`answer`].

mod call;
pub mod field;
mod order;
mod phone;
mod phone_hash;
mod pool;
mod time;

pub use self::call::{Answer, CallingParty, Reason, Route, answer};
pub use self::field::Invalid;
pub use self::order::announcement::{Announcement, ParticipantNumber, ReleaseReason};
pub use self::order::attempt::{Attempt, Outcome, Task};
pub use self::order::condition::{Condition, Fact};
pub use self::order::decide::{AssignmentRequest, Ignored, OrderRequest};
pub use self::order::event::{Assignment, EventKind, OrderEvent, OrderId, Participant, Role};
pub use self::order::plan::NumbersNeeded;
pub use self::order::row::{
    ClaimTerms, Closed, HeldNumber, HeldRoute, Holding, KnownRow, Order, Person, State, StateKind,
    Unassigned,
};
pub use self::order::transaction::{Commit, ExpectedRow, Plan, Write};
pub use self::phone::{NotE164, Number, Phone};
pub use self::phone_hash::{PhoneHash, PhoneHashKey};
pub use self::pool::message::PoolMessage;
pub use self::pool::{Allocation, NumberType, Pool, PoolId, Pools, Provider};
pub use self::time::Timestamp;

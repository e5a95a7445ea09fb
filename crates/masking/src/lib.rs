//! The rules of number masking, as functions of values. No I/O, no AWS, no clock.
//!
//! The project's words, as the README has them:
//!
//! | word | meaning |
//! | --- | --- |
//! | number | a virtual number in E.164 form, rented from a provider |
//! | pool | the numbers that may serve the same orders: those of a country, a city, a provider account |
//! | order | one transaction between participants; it has an id and a growing version |
//! | participant | a person on an order: a role (`customer`, `agent`, `merchant` …) and a real phone |
//! | caller | the keyed hash that stands for a real phone in table keys |
//! | route | "when this caller dials this number, ring that phone and show that number" |
//! | assign, amend, release, close | give an order its numbers, change who is on it, take them back, for good |
//! | cool-down | how long a released number or route stays unused |
//! | grace | how long after completion an order's routes still connect |
//! | refill | bring a pool back to its target, from the provider |
//!
//! In code, a field named `caller` holds the hash, a [`PhoneHash`], and never the phone.
//!
//! An order event is parsed by [`OrderEvent::parse`]. An [`Attempt`] then decides what the
//! event does to the order's row, makes a [`Plan`] of the writes, and says what to do next
//! until the row has taken in the event. A call is parsed by [`CallingParty::parse`], and
//! [`answer`] decides it from the route's row.

mod call;
mod call_ended;
mod call_settings;
pub mod field;
mod order;
mod phone;
mod phone_hash;
mod pool;
mod time;

pub use self::call::{Answer, CallingParty, Reason, Roles, Route, answer};
pub use self::call_ended::{CallEnded, CallOutcome};
pub use self::call_settings::{CallSettings, Sentence, Sentences};
pub use self::field::Invalid;
pub use self::order::announcement::{Announcement, ParticipantNumber, ReleaseReason};
pub use self::order::attempt::{Attempt, Outcome, Task};
pub use self::order::condition::{Condition, Fact};
pub use self::order::decide::{AssignmentRequest, Ignored, OrderRequest, PoolChoice};
pub use self::order::event::{
    Assignment, EventKind, OrderEvent, OrderId, OrderQueue, Participant, RefusedEvent, Role,
};
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

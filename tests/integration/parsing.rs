//! Whatever others send: anything at all, and messages that are nearly right. Nothing
//! panics, a telephone provider gets an answer that it understands, what is refused
//! changes nothing, and no phone comes back out of it.
//!
//! Each property is tried on as many cases as it says, the same in every run.
//! `PROPTEST_CASES` (256 when not given) multiplies them, and `PROPTEST_RNG_SEED`
//! makes others: `PROPTEST_CASES=25600 PROPTEST_RNG_SEED=7 cargo test parsing` tries
//! a hundred times as many.

mod calls;
mod cases;
mod events;
mod inputs;
mod numbers;
mod pools;
mod providers;
mod secrets;
mod signatures;

//! Properties of all input from outside: random input, and messages that are nearly right.
//! Nothing panics, a telephone provider gets an answer that it understands, a refused message
//! changes nothing, and no phone appears in an answer, a reason or the log.
//!
//! Each property states its number of cases, which are the same in every run.
//! `PROPTEST_CASES` (default 256) multiplies that number, and `PROPTEST_RNG_SEED` makes other
//! cases: `PROPTEST_CASES=25600 PROPTEST_RNG_SEED=7 cargo test parsing` tries a hundred times
//! as many.

mod calls;
mod cases;
mod events;
mod gateway;
mod inputs;
mod numbers;
mod pools;
mod providers;
mod secrets;
mod signatures;

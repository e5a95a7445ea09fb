//! The three DynamoDB tables. Only this crate has attribute names and expressions. Each
//! method is one access pattern, and documents its guarantees.
//!
//! | method | purpose | request |
//! | --- | --- | --- |
//! | [`Routes::route`] | read the route of a caller's hash on a number | strongly consistent `GetItem` |
//! | [`Orders::order`] | read the row of an order | strongly consistent `GetItem` |
//! | [`Orders::commit`] | write one step of an order | `TransactWriteItems` on all three tables |
//! | [`Numbers::free`] | find numbers that are free now, the longest free first | `Query` on the index `available` |
//! | [`Numbers::in_circulation`] | list every number that a pool may hand out | `Query` on the index, every shard |
//! | [`Numbers::rows`] | read the rows of given numbers | strongly consistent `BatchGetItem` |
//! | [`Numbers::add`], [`Numbers::put_back`], [`Numbers::import`], [`Numbers::take_over`], [`Numbers::withdraw`] | put a number into circulation, take it out | conditional `UpdateItem` |
//! | [`Numbers::ledger`], [`Numbers::write_ledger`] | read and write what a pool costs | strongly consistent `GetItem`, conditional `UpdateItem` |
//! | [`Routes::in_use`] | ask whether anybody has a route on a number | strongly consistent `Query` |
//!
//! The condition of a write is a value of `masking`. This crate renders it as an expression.
//!
//! The index is a hint. It lags behind the table, so that a query is a stale read: it may show
//! numbers that are taken, and miss numbers that are free. The conditions of the writes
//! decide. DynamoDB deletes expired rows days late, so every condition and every answer
//! compares times with now.
//! Source: DynamoDB developer guide, "Using time to live (TTL)" and "Global secondary indexes".

mod condition;
mod error;
mod item;
mod numbers;
mod orders;
mod routes;

pub use self::error::StoreError;
pub use self::numbers::changes::{Change, Import, REST_SECONDS};
pub use self::numbers::ledger::Ledger;
pub use self::numbers::{
    FreePage, IndexedNumber, Numbers, PageKey, PoolNumber, Withdrawn, WithdrawnBy,
};
pub use self::orders::{Orders, TableNames};
pub use self::routes::Routes;

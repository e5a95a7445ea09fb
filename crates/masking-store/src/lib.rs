//! The three DynamoDB tables. Attribute names and expressions stand here and
//! nowhere else; each method is one access pattern and says what it guarantees.
//!
//! | who | what | request |
//! | --- | --- | --- |
//! | [`Routes::route`] | the route of a caller on a number | strongly consistent `GetItem` |
//! | [`Orders::order`] | the row of an order | strongly consistent `GetItem` |
//! | [`Orders::commit`] | one step of an order | `TransactWriteItems` on all three tables |
//! | [`Numbers::free`] | numbers that are free now, the longest rested first | `Query` on the index `available` |
//! | [`Numbers::in_circulation`] | every number that a pool may hand out | `Query` on the index, every shard |
//! | [`Numbers::rows`] | the rows of given numbers | strongly consistent `BatchGetItem` |
//! | [`Numbers::add`], [`Numbers::import`], [`Numbers::withdraw`] | a number comes, comes back, goes | conditional `UpdateItem` |
//!
//! What a plan's rows must be for it to be written are conditions of `masking`, which
//! are rendered to expressions here.
//!
//! The index is a hint: it lags behind the table, and a query may show numbers
//! that are taken and miss numbers that are free. The conditions of the writes are
//! the truth. Nothing relies on DynamoDB deleting expired rows, which it does days
//! late: every condition and every answer compares times with now.

mod condition;
mod error;
mod item;
mod numbers;
mod orders;
mod routes;

pub use self::error::StoreError;
pub use self::numbers::{FreePage, Import, Numbers, PageKey, PoolNumber, Withdrawal};
pub use self::orders::{Orders, TableNames};
pub use self::routes::Routes;

//! Orders: their events, their rows, and the attempt that applies an event to its order's
//! row.

pub(crate) mod announcement;
pub(crate) mod attempt;
pub(crate) mod condition;
pub(crate) mod decide;
pub(crate) mod event;
pub(crate) mod plan;
pub(crate) mod row;
pub(crate) mod transaction;

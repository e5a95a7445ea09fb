//! Orders: what events say of them, what their rows hold, and how an event gets into
//! its order's row.

pub(crate) mod announcement;
pub(crate) mod attempt;
pub(crate) mod condition;
pub(crate) mod decide;
pub(crate) mod event;
pub(crate) mod plan;
pub(crate) mod row;
pub(crate) mod transaction;

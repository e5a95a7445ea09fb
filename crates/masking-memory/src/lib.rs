//! The three tables in memory, and the transaction over them. The conditions of its
//! writes are those of `masking`, evaluated over these rows. No I/O, and no DynamoDB: for
//! the model, which explores every history of a few orders, and for `capacity`, which
//! replays days of them. A property test of the integration tests holds these tables
//! against those of `masking-store`.

mod condition;

use std::collections::BTreeMap;
use std::sync::Arc;

use masking::{
    Commit, Condition, KnownRow, Number, Order, OrderId, Phone, PhoneHash, Plan, Route, Timestamp,
    Write,
};

pub use crate::condition::{Weakened, weakenings};

/// An order's row, shared by the copies of the tables that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderRow(pub Arc<Order>);

/// A number's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberRow {
    /// When it is free.
    pub available_at: Timestamp,
    /// The order that holds it, or held it until its lease ran out.
    pub order_id: Option<OrderId>,
    /// Whether it has a `pool_shard`.
    pub in_circulation: bool,
}

/// A route's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteRow {
    /// The phone to ring.
    pub connect_to: Option<Phone>,
    /// The number to show.
    pub shown_number: Number,
    /// The order that it belongs to.
    pub order_id: OrderId,
    /// From then on it connects nobody.
    pub expires_at: Timestamp,
    /// From then on another order may claim it.
    pub reusable_at: Timestamp,
}

/// What is in the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    /// Orders.
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// Numbers.
    pub numbers: BTreeMap<Number, NumberRow>,
    /// Routes.
    pub routes: BTreeMap<(Number, PhoneHash), RouteRow>,
}

impl From<&RouteRow> for Route {
    fn from(row: &RouteRow) -> Self {
        Self {
            connect_to: row.connect_to.clone(),
            shown_number: row.shown_number.clone(),
            order_id: row.order_id.as_str().to_owned(),
            expires_at: row.expires_at,
            reusable_at: row.reusable_at,
        }
    }
}

impl Tables {
    /// The row of an order: `masking_store::Orders::order`.
    pub fn order(&self, order_id: &OrderId) -> KnownRow {
        let row = self.orders.get(order_id);
        row.map_or(KnownRow::Absent, |row| KnownRow::Present(Order::clone(&row.0)))
    }

    /// Writes a plan whole, or nothing of it: `masking_store::Orders::commit`.
    pub fn commit(&mut self, plan: &Plan, now: Timestamp) -> Commit {
        let commit = self.judge(plan, now, |_, condition| condition);
        if commit == Commit::Done {
            self.write(plan);
        }
        commit
    }

    /// How writing a plan ends, whose conditions are changed: first that of the order's
    /// row, then that of each write.
    pub fn judge<'a>(
        &self,
        plan: &'a Plan,
        now: Timestamp,
        change: impl Fn(Option<&Write>, Condition<'a>) -> Condition<'a>,
    ) -> Commit {
        let order_id = &plan.order.order_id;
        let row = self.orders.get(order_id).map(|row| &*row.0);
        if !condition::holds_of_order(&change(None, plan.condition()), row) {
            return Commit::Moved(self.order(order_id));
        }
        let is_lost = |write: &&Write| {
            !self.holds(&change(Some(write), write.condition(order_id, now)), write)
        };
        let lost: Vec<Write> = plan.writes.iter().filter(is_lost).cloned().collect();
        if lost.is_empty() { Commit::Done } else { Commit::Lost(lost) }
    }

    /// Writes a plan, whatever its conditions.
    pub fn write(&mut self, plan: &Plan) {
        let order_id = &plan.order.order_id;
        for write in &plan.writes {
            self.update(write, order_id);
        }
        // As the update expression does, and not as the plan says: a blind plan does
        // not know which revision it follows.
        let revision = self.orders.get(order_id).map_or(0, |row| row.0.revision) + 1;
        let row = Order { revision, ..plan.order.clone() };
        self.orders.insert(order_id.clone(), OrderRow(Arc::new(row)));
    }

    /// Whether a condition holds of the row that a write is for.
    fn holds(&self, condition: &Condition<'_>, write: &Write) -> bool {
        match write {
            Write::ClaimNumber { number, .. }
            | Write::KeepNumber { number, .. }
            | Write::ReleaseNumber { number, .. } => {
                condition::holds_of_number(condition, self.numbers.get(number))
            }
            Write::OpenRoute { number, caller, .. } | Write::EndRoute { number, caller, .. } => {
                let row = self.routes.get(&(number.clone(), caller.clone()));
                condition::holds_of_route(condition, row)
            }
        }
    }

    /// The update expression of a write: `masking_store::Orders::update`.
    fn update(&mut self, write: &Write, order_id: &OrderId) {
        match write.clone() {
            Write::ClaimNumber { number, available_at } => self.number(&number, |row| {
                (row.available_at, row.order_id) = (available_at, Some(order_id.clone()));
            }),
            Write::KeepNumber { number, available_at } => {
                self.number(&number, |row| row.available_at = available_at);
            }
            Write::ReleaseNumber { number, available_at } => self.number(&number, |row| {
                (row.available_at, row.order_id) = (available_at, None);
            }),
            Write::OpenRoute {
                number,
                caller,
                connect_to,
                shown_number,
                expires_at,
                reusable_at,
                ..
            } => {
                let order_id = order_id.clone();
                let connect_to = Some(connect_to);
                let row = RouteRow { connect_to, shown_number, order_id, expires_at, reusable_at };
                self.routes.insert((number, caller), row);
            }
            Write::EndRoute { number, caller, expires_at, reusable_at, strip } => {
                if let Some(row) = self.routes.get_mut(&(number, caller)) {
                    (row.expires_at, row.reusable_at) = (expires_at, reusable_at);
                    row.connect_to = row.connect_to.take().filter(|_| !strip);
                }
            }
        }
    }

    fn number(&mut self, number: &Number, change: impl FnOnce(&mut NumberRow)) {
        if let Some(row) = self.numbers.get_mut(number) {
            change(row);
        }
    }
}

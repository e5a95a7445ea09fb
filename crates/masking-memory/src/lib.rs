//! The three tables in memory, and the transaction on them. It evaluates the conditions of
//! `masking` on its rows, without I/O and without DynamoDB. The model uses it to explore
//! every history of a few orders, and `capacity` to replay days of orders. A property test
//! of the integration tests compares these tables with those of `masking-store`.

mod condition;

use std::collections::BTreeMap;
use std::sync::Arc;

use masking::{
    Commit, Condition, KnownRow, Number, Order, OrderId, Phone, PhoneHash, Plan, Roles, Route,
    Timestamp, Write,
};

pub use crate::condition::{Weakening, weakenings};

/// The row of an order. Copies of the tables share it, which makes copies cheap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderRow(pub Arc<Order>);

/// The row of a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberRow {
    /// From this moment on, an order may claim the number.
    pub available_at: Timestamp,
    /// The order that holds the number, or held it until its lease ended.
    pub order_id: Option<OrderId>,
    /// Whether the pool may hand out the number: in DynamoDB, whether it has a `pool_shard`.
    pub in_circulation: bool,
}

/// The row of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteRow {
    /// The phone to ring. None once the route has ended.
    pub connect_to: Option<Phone>,
    /// The number that the person who is rung sees.
    pub shown_number: Number,
    /// The order that the route belongs to.
    pub order_id: OrderId,
    /// Who calls whom.
    pub roles: Roles,
    /// From this moment on, the route connects nobody.
    pub expires_at: Timestamp,
    /// From this moment on, another order may claim the route.
    pub reusable_at: Timestamp,
}

/// The rows of the three tables, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    /// The orders table, by order.
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// The numbers table, by number.
    pub numbers: BTreeMap<Number, NumberRow>,
    /// The routes table, by the dialled number and the caller's hash.
    pub routes: BTreeMap<(Number, PhoneHash), RouteRow>,
}

impl From<&RouteRow> for Route {
    fn from(row: &RouteRow) -> Self {
        Self {
            connect_to: row.connect_to.clone(),
            shown_number: row.shown_number.clone(),
            order_id: row.order_id.as_str().to_owned(),
            roles: Some(row.roles.clone()),
            expires_at: row.expires_at,
            reusable_at: row.reusable_at,
        }
    }
}

impl Tables {
    /// Reads the row of an order, as `masking_store::Orders::order` does.
    pub fn order(&self, order_id: &OrderId) -> KnownRow {
        let row = self.orders.get(order_id);
        row.map_or(KnownRow::Absent, |row| KnownRow::Present(Order::clone(&row.0)))
    }

    /// Writes a plan whole or not at all, as `masking_store::Orders::commit` does.
    pub fn commit(&mut self, plan: &Plan, now: Timestamp) -> Commit {
        let commit = self.judge(plan, now, |_, condition| condition);
        if commit == Commit::Done {
            self.write(plan);
        }
        commit
    }

    /// Returns the result of writing a plan, without writing it. `change` may replace each
    /// condition: that of the order's row (with `None`) and that of each write.
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

    /// Writes a plan without looking at its conditions.
    pub fn write(&mut self, plan: &Plan) {
        let order_id = &plan.order.order_id;
        for write in &plan.writes {
            self.update(write, order_id);
        }
        // The revision grows by one from the stored row, as in the update expression of
        // DynamoDB. A blind plan does not know the stored revision.
        let revision = self.orders.get(order_id).map_or(0, |row| row.0.revision) + 1;
        let row = Order { revision, ..plan.order.clone() };
        self.orders.insert(order_id.clone(), OrderRow(Arc::new(row)));
    }

    /// Whether a condition holds for the row that a write changes.
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

    /// Changes the row of a write, as the update expression of `masking-store` does.
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
                roles,
                expires_at,
                reusable_at,
                ..
            } => {
                let order_id = order_id.clone();
                let connect_to = Some(connect_to);
                let row =
                    RouteRow { connect_to, shown_number, order_id, roles, expires_at, reusable_at };
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

#[cfg(test)]
mod tests {
    use masking::{ExpectedRow, Role, State, Unassigned};

    use super::*;

    #[test]
    fn a_route_that_ends_loses_its_phone_only_if_it_is_stripped() {
        let at = Timestamp::from_seconds;
        let order_id = OrderId::parse("o-1").unwrap();
        let (number, caller) = ("+622150001".parse().unwrap(), PhoneHash::from_stored("c".into()));
        let key: (Number, PhoneHash) = (number, caller);
        let role = |role| Role::parse(role).unwrap();
        let row = RouteRow {
            connect_to: Some("+6281211112222".parse().unwrap()),
            shown_number: "+622150002".parse().unwrap(),
            order_id: order_id.clone(),
            roles: Roles { caller: role("customer"), callee: role("agent") },
            expires_at: at(100),
            reusable_at: at(200),
        };
        for strip in [false, true] {
            let mut tables = Tables::default();
            tables.routes.insert(key.clone(), row.clone());
            let (number, caller) = key.clone();
            let (expires_at, reusable_at) = (at(50), at(60));
            let order = Order {
                order_id: order_id.clone(),
                version: 1,
                revision: 1,
                pool: None,
                state: State::Unassigned(Unassigned::ByEvent),
            };
            let writes = vec![Write::EndRoute { number, caller, expires_at, reusable_at, strip }];
            let plan = Plan { expects: ExpectedRow::Absent, order, ttl: at(1), writes };
            assert_eq!(tables.commit(&plan, at(50)), Commit::Done);
            assert_eq!(tables.routes[&key].connect_to.is_none(), strip);
            assert_eq!(tables.routes[&key].expires_at, at(50));
        }
    }
}

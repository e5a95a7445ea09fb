//! The three tables as the model keeps them, and the transaction over them with
//! the conditions that `masking_store` puts on each write.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;

use masking::{Caller, Expects, Holding, Number, Order, OrderId, Phone, Plan, Route};
use masking::{State, Timestamp, Write};

use crate::Without;

/// An order's row: the real one, shared by the many states of the model that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub caller_id: Number,
    /// The order that it belongs to.
    pub order_id: OrderId,
    /// From then on it connects nobody.
    pub expires_at: Timestamp,
    /// From then on another order may claim it.
    pub reusable_at: Timestamp,
}

/// What is in the tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tables {
    /// Orders.
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// Numbers.
    pub numbers: BTreeMap<Number, NumberRow>,
    /// Routes.
    pub routes: BTreeMap<(Number, Caller), RouteRow>,
}

/// How a transaction ended: `masking_store::Commit`.
#[derive(Debug)]
pub enum Commit {
    /// Everything is written.
    Done,
    /// Nothing is: the order's row is another than the plan was made from.
    Moved,
    /// Nothing is: the conditions of these writes do not hold.
    Lost(Vec<Write>),
}

impl Hash for OrderRow {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Order { order_id, version, revision, pool, state } = &*self.0;
        (order_id, version, revision, pool, discriminant(state)).hash(hasher);
        match state {
            State::Assigned(Holding { terms: _, participants, expires_at, waiting }) => {
                (expires_at, waiting).hash(hasher);
                for held in participants {
                    (&held.role, &held.number, &held.caller).hash(hasher);
                }
            }
            State::Unassigned(why) => discriminant(why).hash(hasher),
            State::Closed(why) => discriminant(why).hash(hasher),
        }
    }
}

impl From<&RouteRow> for Route {
    fn from(row: &RouteRow) -> Self {
        Self {
            connect_to: row.connect_to.clone(),
            caller_id: row.caller_id.clone(),
            order_id: row.order_id.as_str().to_owned(),
            expires_at: row.expires_at,
            reusable_at: row.reusable_at,
        }
    }
}

impl Tables {
    /// Writes a plan whole or not at all: `masking_store::Orders::commit`.
    pub fn commit(&mut self, plan: &Plan, now: Timestamp, without: Option<Without>) -> Commit {
        let order_id = &plan.order.order_id;
        if !self.expected(plan, without) {
            return Commit::Moved;
        }
        let holds = |write: &&Write| self.holds(write, order_id, now, without);
        let (written, lost): (Vec<_>, Vec<_>) = plan.writes.iter().partition(holds);
        if !lost.is_empty() && without != Some(Without::AllOrNothing) {
            return Commit::Lost(lost.into_iter().cloned().collect());
        }
        for write in written {
            self.write(write, order_id);
        }
        // As the update expression does, and not as the plan says: a blind plan does
        // not know which revision it follows.
        let revision = self.orders.get(order_id).map_or(0, |row| row.0.revision) + 1;
        let row = Order { revision, ..plan.order.clone() };
        self.orders.insert(order_id.clone(), OrderRow(Arc::new(row)));
        Commit::Done
    }

    /// The condition on the order's row: `masking_store::Orders::order_update`.
    fn expected(&self, plan: &Plan, without: Option<Without>) -> bool {
        let row = self.orders.get(&plan.order.order_id).map(|row| &*row.0);
        match plan.expects {
            Expects::Absent => row.is_none() || without == Some(Without::Absence),
            Expects::Revision(read) => {
                row.is_some_and(|row| row.revision == read || without == Some(Without::Revision))
            }
            Expects::Free => row.is_none_or(|row| {
                let unassigned = match row.state {
                    State::Unassigned(_) => true,
                    State::Assigned(_) => without == Some(Without::BlindWriteSparesAssigned),
                    State::Closed(_) => without == Some(Without::BlindWriteSparesClosed),
                };
                let later =
                    row.version < plan.order.version || without == Some(Without::BlindWriteIsLater);
                unassigned && later && (row.pool.is_none() || row.pool == plan.order.pool)
            }),
        }
    }

    /// The condition on a number or a route: `masking_store::Orders::update`.
    fn holds(
        &self,
        write: &Write,
        order_id: &OrderId,
        now: Timestamp,
        without: Option<Without>,
    ) -> bool {
        let number_is_mine = |number, unless| {
            without == Some(unless) || self.numbers[number].order_id.as_ref() == Some(order_id)
        };
        match write {
            Write::ClaimNumber { number, .. } => {
                let row = &self.numbers[number];
                let free = row.available_at <= now
                    || without == Some(Without::FreeNow)
                    || without == Some(Without::FreeNowAlsoIfMine)
                        && row.order_id.as_ref() == Some(order_id);
                (row.in_circulation || without == Some(Without::Circulation)) && free
            }
            Write::KeepNumber { number, .. } => number_is_mine(number, Without::KeepsItsOwn),
            Write::ReleaseNumber { number, .. } => number_is_mine(number, Without::ReleasesItsOwn),
            Write::OpenRoute { number, caller, kept, .. } => {
                let row = self.routes.get(&(number.clone(), caller.clone()));
                row.is_none_or(|row| {
                    let unless = if *kept { Without::KeptRoute } else { Without::FreshRoute };
                    row.reusable_at <= now
                        || *kept && row.order_id == *order_id
                        || without == Some(unless)
                })
            }
            Write::EndRoute { number, caller, .. } => {
                let row = self.routes.get(&(number.clone(), caller.clone()));
                row.is_some_and(|row| {
                    row.order_id == *order_id || without == Some(Without::EndsItsOwn)
                })
            }
        }
    }

    /// The update expression of a write: `masking_store::Orders::update`.
    fn write(&mut self, write: &Write, order_id: &OrderId) {
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
                number, caller, connect_to, shown, expires_at, reusable_at, ..
            } => {
                let (order_id, caller_id) = (order_id.clone(), shown);
                let connect_to = Some(connect_to);
                let row = RouteRow { connect_to, caller_id, order_id, expires_at, reusable_at };
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

//! The three tables in memory, and the transaction over them with the conditions that
//! `masking_store` puts on each write. No I/O, and no DynamoDB: for the model, which
//! explores every history of a few orders, and for `capacity`, which replays days of
//! them.
//!
//! Each [`Condition`] can be waived, to show what it is there for.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::sync::Arc;

use masking::{Caller, Expects, Holding, Number, Order, OrderId, Phone, Plan, Route};
use masking::{State, Timestamp, Write};

/// A condition of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A blind claim spares an order that is assigned.
    BlindWriteSparesAssigned,
    /// A blind claim spares an order that is closed.
    BlindWriteSparesClosed,
    /// A blind claim spares an order that has taken in a later event.
    BlindWriteIsLater,
    /// The first row of an order is written only where there is none.
    Absence,
    /// A row is written over only at the revision that was read.
    Revision,
    /// Nothing of a transaction is written where one condition does not hold.
    AllOrNothing,
    /// A claimed number has `available_at <= now`.
    FreeNow,
    /// That holds too for a number that still names the order.
    FreeNowAlsoIfMine,
    /// A claimed number is in circulation.
    Circulation,
    /// A kept number is the order's.
    KeepsItsOwn,
    /// A released number is the order's.
    ReleasesItsOwn,
    /// A route on a new number is new or reusable.
    FreshRoute,
    /// A route on a kept number is new, reusable or the order's.
    KeptRoute,
    /// An ended route is the order's.
    EndsItsOwn,
}

/// An order's row: the real one, shared by the copies of the tables that it is in.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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
pub enum Commit<'a> {
    /// Everything is written.
    Done,
    /// Nothing is: the order's row is another than the plan was made from.
    Moved,
    /// Nothing is: the conditions of these writes do not hold.
    Lost(Vec<&'a Write>),
}

impl Hash for OrderRow {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Order { order_id, version, revision, pool, state } = &*self.0;
        (order_id, version, revision, pool, discriminant(state)).hash(hasher);
        match state {
            State::Assigned(Holding { terms, participants, expires_at, waiting }) => {
                (terms.allocation, expires_at, waiting).hash(hasher);
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
    pub fn commit<'a>(&mut self, plan: &'a Plan, now: Timestamp) -> Commit<'a> {
        self.commit_unless(plan, now, |_| false)
    }

    /// The same, but conditions that are waived hold whatever the tables say.
    pub fn commit_unless<'a>(
        &mut self,
        plan: &'a Plan,
        now: Timestamp,
        waived: impl Fn(Condition) -> bool,
    ) -> Commit<'a> {
        let order_id = &plan.order.order_id;
        if !self.expected(plan, &waived) {
            return Commit::Moved;
        }
        let holds = |write: &&Write| self.holds(write, order_id, now, &waived);
        let (written, lost): (Vec<_>, Vec<_>) = plan.writes.iter().partition(holds);
        if !lost.is_empty() && !waived(Condition::AllOrNothing) {
            return Commit::Lost(lost);
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
    fn expected(&self, plan: &Plan, waived: impl Fn(Condition) -> bool) -> bool {
        let row = self.orders.get(&plan.order.order_id).map(|row| &*row.0);
        match plan.expects {
            Expects::Absent => row.is_none() || waived(Condition::Absence),
            Expects::Revision(read) => {
                row.is_some_and(|row| row.revision == read || waived(Condition::Revision))
            }
            Expects::Free => row.is_none_or(|row| {
                let unassigned = match row.state {
                    State::Unassigned(_) => true,
                    State::Assigned(_) => waived(Condition::BlindWriteSparesAssigned),
                    State::Closed(_) => waived(Condition::BlindWriteSparesClosed),
                };
                let later =
                    row.version < plan.order.version || waived(Condition::BlindWriteIsLater);
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
        waived: impl Fn(Condition) -> bool,
    ) -> bool {
        let is_mine = |number| {
            self.numbers.get(number).is_some_and(|row| row.order_id.as_ref() == Some(order_id))
        };
        match write {
            Write::ClaimNumber { number, .. } => self.numbers.get(number).is_some_and(|row| {
                let free = row.available_at <= now
                    || waived(Condition::FreeNow)
                    || waived(Condition::FreeNowAlsoIfMine) && is_mine(number);
                (row.in_circulation || waived(Condition::Circulation)) && free
            }),
            Write::KeepNumber { number, .. } => is_mine(number) || waived(Condition::KeepsItsOwn),
            Write::ReleaseNumber { number, .. } => {
                is_mine(number) || waived(Condition::ReleasesItsOwn)
            }
            Write::OpenRoute { number, caller, kept, .. } => {
                let row = self.routes.get(&(number.clone(), caller.clone()));
                row.is_none_or(|row| {
                    let unless = if *kept { Condition::KeptRoute } else { Condition::FreshRoute };
                    row.reusable_at <= now || *kept && row.order_id == *order_id || waived(unless)
                })
            }
            Write::EndRoute { number, caller, .. } => {
                let row = self.routes.get(&(number.clone(), caller.clone()));
                row.is_some_and(|row| row.order_id == *order_id || waived(Condition::EndsItsOwn))
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

//! The properties of every state, judged by the rows of orders and not by the code's intent,
//! and the history that they need.

use std::collections::{BTreeMap, BTreeSet};

use masking::{
    Allocation, Announcement, Answer, Closed, Holding, KnownRow, Number, Order, OrderId,
    OrderRequest, Phone, PhoneHash, Plan, ReleaseReason, State, Timestamp, Unassigned, answer,
};
use masking_memory::{NumberRow, OrderRow, RouteRow, Tables};
use stateright::Property;

use crate::{Claims, SystemState, Without};

/// The cool-down of a released number, in ticks.
pub const COOLDOWN: u64 = 1;
/// How long the routes of a completed order still connect, in ticks.
pub const GRACE: u64 = 1;

/// The history that the properties need.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Truth {
    /// The holder of each number by the orders' rows, and when it is free again.
    leases: BTreeMap<Number, (Option<OrderId>, Timestamp)>,
    /// The last assigned row of each completed order, and the end of its grace.
    graces: BTreeMap<OrderId, (OrderRow, Timestamp)>,
    /// The announcement of each order that a reader keeps.
    heard: BTreeMap<OrderId, Announcement>,
    /// The first violation.
    wrong: Option<Wrong>,
}

/// A violation: a step that no history may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A closed order got numbers, or was opened again.
    Reopened,
    /// A number or a route was claimed during its cool-down, or a withdrawn number.
    TooSoon,
    /// An order that had a pool got another one.
    Moved,
    /// An announcement that no row supports, or two different ones for one version.
    NeverSaid,
}

impl Truth {
    pub(crate) fn new(tables: &Tables) -> Self {
        let lease = |(number, row): (&Number, &NumberRow)| {
            (number.clone(), (row.order_id.clone(), row.available_at))
        };
        Self {
            leases: tables.numbers.iter().map(lease).collect(),
            graces: BTreeMap::new(),
            heard: BTreeMap::new(),
            wrong: None,
        }
    }

    /// Records that a plan, made at `planned_at`, was written now.
    pub(crate) fn written(
        &mut self,
        was: &Tables,
        is: &Tables,
        plan: &Plan,
        planned_at: Timestamp,
        now: Timestamp,
    ) {
        for (key, route) in &was.routes {
            if is.routes[key].order_id != route.order_id && now < route.reusable_at {
                self.wrong = self.wrong.or(Some(Wrong::TooSoon));
            }
        }
        let before = was.orders.get(&plan.order.order_id);
        let (order_id, after) = (&plan.order.order_id, &plan.order.state);
        let had = before.and_then(|row| row.0.pool.as_ref());
        if had.is_some() && had != plan.order.pool.as_ref() {
            self.wrong = self.wrong.or(Some(Wrong::Moved));
        }
        let was = before.map(|row| &row.0.state);
        if matches!(was, Some(State::Closed(_))) && !matches!(after, State::Closed(_)) {
            self.wrong = self.wrong.or(Some(Wrong::Reopened));
        }
        if let (Some(State::Assigned(held)), Some(row)) = (was, before) {
            let end = match after {
                State::Closed(Closed::Completed) => planned_at.after(GRACE),
                _ => planned_at,
            };
            let end = end.min(held.expires_at);
            let gone = held.participants.iter().filter(|held| !holds(after, &held.number));
            for number in gone.map(|held| &held.number) {
                if let Some((holder, until)) = self.leases.get_mut(number)
                    && holder.as_ref() == Some(order_id)
                {
                    (*holder, *until) = (None, end.after(COOLDOWN));
                }
            }
            if matches!(after, State::Closed(Closed::Completed)) {
                self.graces.insert(order_id.clone(), (row.clone(), end));
            }
        }
        let State::Assigned(holding) = after else { return };
        for held in &holding.participants {
            let kept = before.is_some_and(|row| {
                row.0.holding(planned_at).is_some() && holds(&row.0.state, &held.number)
            });
            let free_at = self.leases[&held.number].1;
            let rested =
                !is_exclusive(holding) || free_at <= now && is.numbers[&held.number].in_circulation;
            if !kept && !rested {
                self.wrong = self.wrong.or(Some(Wrong::TooSoon));
            }
            let lease = (Some(order_id.clone()), holding.expires_at.after(COOLDOWN));
            if is_exclusive(holding) {
                self.leases.insert(held.number.clone(), lease);
            }
        }
    }

    /// Records an announcement of what a handler believes to have written to this row.
    pub(crate) fn say(&mut self, said: Announcement, row: &KnownRow, planned_at: Timestamp) {
        if row.order().map(|order| order.announcement(planned_at)).as_ref() != Some(&said) {
            self.wrong = self.wrong.or(Some(Wrong::NeverSaid));
        }
        self.hear(said);
    }

    /// Records an announcement as a reader does.
    pub(crate) fn hear(&mut self, said: Announcement) {
        let (order_id, rank) = ranked(&said);
        match self.heard.get(order_id).map(|kept| (kept, ranked(kept).1)) {
            Some((_, kept)) if rank < kept => {}
            Some((kept, kept_rank)) if rank == kept_rank => {
                if *kept != said {
                    self.wrong = self.wrong.or(Some(Wrong::NeverSaid));
                }
            }
            _ => drop(self.heard.insert(order_id.clone(), said)),
        }
    }
}

/// The order of an announcement, and its rank: a close is final, else the highest version
/// counts, and of one version the release.
fn ranked(said: &Announcement) -> (&OrderId, (bool, u64, bool)) {
    match said {
        Announcement::Released { order_id, version, reason } => {
            let is_final = matches!(reason, ReleaseReason::Completed | ReleaseReason::Cancelled);
            (order_id, (is_final, *version, true))
        }
        Announcement::Assigned { order_id, version, .. }
        | Announcement::Unavailable { order_id, version, .. }
        | Announcement::Refused { order_id, version, .. } => (order_id, (false, *version, false)),
    }
}

fn is_exclusive(holding: &Holding) -> bool {
    holding.terms.allocation == Allocation::Exclusive
}

fn holds(state: &State, number: &Number) -> bool {
    let State::Assigned(holding) = state else { return false };
    holding.participants.iter().any(|held| held.number == *number)
}

impl SystemState {
    /// The live orders of exclusive pools, and their numbers.
    fn exclusive(&self) -> impl Iterator<Item = (&Order, &Holding)> {
        self.live().filter(|(_, holding)| is_exclusive(holding))
    }

    /// The live orders, and their numbers.
    fn live(&self) -> impl Iterator<Item = (&Order, &Holding)> {
        let rows = self.tables.orders.values();
        rows.filter_map(|row| Some((&*row.0, row.0.holding(self.now)?)))
    }

    /// The phone that each caller reaches on each number, and its route.
    fn calls<'a>(
        &'a self,
        model: &Claims,
    ) -> impl Iterator<Item = ((&'a Number, &'a PhoneHash), &'a RouteRow, Phone)> {
        let blind = model.without == Some(Without::RouteExpiry);
        let now = if blind { Timestamp::from_seconds(0) } else { self.now };
        self.tables.routes.iter().filter_map(move |((number, caller), row)| {
            match answer(Some(row.into()), now) {
                Answer::Connect { connect_to, .. } => Some(((number, caller), row, connect_to)),
                Answer::Reject(_) => None,
            }
        })
    }

    fn at_rest(&self, model: &Claims) -> bool {
        self.handlers.is_empty() && self.finished.len() == model.events.len()
    }
}

impl Claims {
    /// The people in an order's events.
    fn people<'a>(&'a self, order_id: &'a OrderId) -> impl Iterator<Item = &'a masking::Person> {
        let events = self.events.iter().filter(move |event| event.order_id == *order_id);
        events.flat_map(|event| match &event.request {
            OrderRequest::Assign(request) => request.people.as_slice(),
            _ => &[],
        })
    }

    fn caller(&self, phone: &Phone) -> Option<&PhoneHash> {
        let people = self.events.iter().flat_map(|event| self.people(&event.order_id));
        people.filter(|person| person.phone == *phone).map(|person| &person.caller).next()
    }

    /// Whether the route is one of the initial rows, of an order without events.
    fn was_there(&self, row: &RouteRow) -> bool {
        self.events.iter().all(|event| event.order_id != row.order_id)
    }
}

/// Whether the numbers and routes of a live order agree with its row.
fn agrees(model: &Claims, state: &SystemState, order_id: &OrderId, holding: &Holding) -> bool {
    let (ends, free_at) = (holding.expires_at, holding.expires_at.after(COOLDOWN));
    let numbers = holding.participants.iter().all(|held| {
        let row = &state.tables.numbers[&held.number];
        !is_exclusive(holding)
            || row.order_id.as_ref() == Some(order_id) && row.available_at == free_at
    });
    let routes = holding.routes().all(|it| {
        let row = state.tables.routes.get(&(it.number.clone(), it.caller.clone()));
        row.is_some_and(|row| {
            row.order_id == *order_id
                && row.connect_to.as_ref().and_then(|phone| model.caller(phone)) == Some(it.callee)
                && (&row.shown_number, &row.roles) == (it.shown_number, &it.roles())
                && (row.expires_at, row.reusable_at) == (ends, free_at)
        })
    });
    numbers && routes
}

/// Whether an order's row agrees with all its events: a close is final, else the highest
/// version counts.
fn is_as_told(model: &Claims, now: Timestamp, order: &Order) -> bool {
    let events = || model.events.iter().filter(|event| event.order_id == order.order_id);
    let last = events()
        .max_by_key(|event| (matches!(event.request, OrderRequest::Close(_)), event.version));
    match (last.map(|event| &event.request), &order.state) {
        (Some(OrderRequest::Close(why)), State::Closed(closed)) => why == closed,
        (Some(OrderRequest::Unassign), State::Unassigned(why)) => *why == Unassigned::ByEvent,
        (Some(OrderRequest::Assign(request)), State::Assigned(holding)) => {
            let held = holding.participants.iter().map(|held| (&held.role, held.caller.as_ref()));
            !holding.waiting
                && Some(holding.expires_at) == request.expires_at
                && held.eq(request.people.iter().map(|person| (&person.role, Some(&person.caller))))
        }
        (Some(OrderRequest::Assign(request)), State::Unassigned(Unassigned::Expired)) => {
            request.expires_at.is_some_and(|ends| ends <= now)
        }
        _ => false,
    }
}

/// The properties, by name.
pub(crate) fn properties() -> Vec<Property<Claims>> {
    [invariants(), examples()].concat()
}

/// What must hold in every state.
fn invariants() -> Vec<Property<Claims>> {
    vec![
        Property::always("no number is held by two exclusive orders", |_, state: &SystemState| {
            let mut seen = BTreeSet::new();
            let held = state.exclusive().flat_map(|(_, holding)| &holding.participants);
            held.map(|held| &held.number).all(|number| seen.insert(number))
        }),
        Property::always(
            "nobody reaches a participant of another order",
            |model, state: &SystemState| {
                state.calls(model).all(|((_, caller), row, connect_to)| {
                    let mut people = model.people(&row.order_id);
                    let is_one_of_them = people.any(|person| person.caller == *caller);
                    let mut people = model.people(&row.order_id);
                    let reaches_one = people.any(|person| person.phone == connect_to);
                    model.was_there(row) || is_one_of_them && reaches_one
                })
            },
        ),
        Property::always(
            "only who is on an order connects through it",
            |model, state: &SystemState| {
                state.calls(model).all(|((number, caller), row, connect_to)| {
                    let holding = match state.tables.orders.get(&row.order_id) {
                        Some(order) => order.0.holding(state.now).or_else(|| {
                            let (before, end) = state.truth.graces.get(&row.order_id)?;
                            before.0.holding(state.now).filter(|_| state.now < *end)
                        }),
                        None => None,
                    };
                    let callee = model.caller(&connect_to);
                    let is_route = holding.is_some_and(|holding| {
                        holding.routes().any(|it| {
                            (it.number, it.caller, it.shown_number)
                                == (number, caller, &row.shown_number)
                                && Some(it.callee) == callee
                        })
                    });
                    model.was_there(row) || is_route
                })
            },
        ),
        Property::always("a closed order never gets numbers again", |_, state: &SystemState| {
            state.truth.wrong != Some(Wrong::Reopened)
        }),
        Property::always(
            "a live order's numbers and routes are as its row says",
            |model, state: &SystemState| {
                state.live().all(|(order, holding)| agrees(model, state, &order.order_id, holding))
            },
        ),
        Property::always("no number is lost, or free too soon", |_, state: &SystemState| {
            let mut numbers = state.tables.numbers.iter();
            numbers.all(|(number, row)| row.available_at == state.truth.leases[number].1)
        }),
        Property::always("nothing is handed out that has not rested", |_, state: &SystemState| {
            state.truth.wrong != Some(Wrong::TooSoon)
        }),
        Property::always("an order stays in its pool", |_, state: &SystemState| {
            state.truth.wrong != Some(Wrong::Moved)
        }),
        Property::always("nothing is announced that no row said", |_, state: &SystemState| {
            state.truth.wrong != Some(Wrong::NeverSaid)
        }),
        Property::always("at rest, the last state was announced", |model, state: &SystemState| {
            !state.at_rest(model)
                || state.tables.orders.values().all(|row| {
                    state.truth.heard.get(&row.0.order_id).is_some_and(|said| {
                        *said == row.0.announcement(state.now)
                            || row.0.holding(state.now).is_none()
                                && *said == row.0.announcement(Timestamp::from_seconds(0))
                    })
                })
        }),
        Property::always(
            "at rest, an order is what its events say",
            |model, state: &SystemState| {
                !state.at_rest(model)
                    || state.tables.orders.values().all(|row| is_as_told(model, state.now, &row.0))
            },
        ),
    ]
}

/// What must happen in some history, so that the invariants have something to hold for.
fn examples() -> Vec<Property<Claims>> {
    vec![
        Property::sometimes("all is at rest", |model, state: &SystemState| state.at_rest(model)),
        Property::sometimes("an order waits for a dry pool", |_, state: &SystemState| {
            state.live().any(|(_, holding)| holding.waiting)
        }),
        Property::sometimes("a number serves two orders at once", |_, state: &SystemState| {
            let mut seen = BTreeSet::new();
            let held = state.live().flat_map(|(_, holding)| &holding.participants);
            !held.map(|held| &held.number).all(|number| seen.insert(number))
        }),
        Property::sometimes("a number is of one order after another", |_, state: &SystemState| {
            let rows = || state.tables.orders.values();
            rows().any(|one| {
                let State::Assigned(lapsed) = &one.0.state else { return false };
                rows().any(|other| {
                    one != other
                        && lapsed
                            .participants
                            .iter()
                            .any(|held| holds(&other.0.state, &held.number))
                })
            })
        }),
    ]
}

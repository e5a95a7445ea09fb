//! The claim protocol, checked exhaustively: every interleaving of every step, for a few
//! orders and numbers.
//!
//! **Real code**: the processing of an event (`masking::Attempt`, which decides, plans, learns
//! from failed writes and announces), the conditions of the writes (`masking::Condition`) and
//! the answer to a call (`masking::answer`).
//!
//! **Modelled**: the driver of an attempt ([`Action`] names the real code of each step), and
//! the tables (`masking_memory`). The queue delivers in any order and any number of times,
//! also messages that were finished, also twice at once. The index shows any numbers as free,
//! whether they are or not, and hides any. The request of a write or its answer gets lost, a
//! handler dies at any point, the clock ticks at any time: a plan may be written long after
//! it was made.
//!
//! **Merged into one step**, since nothing in between makes a difference:
//! - Reading a row and deciding from it. A plan from an older row is refused by its
//!   revision, and the handler then reads again.
//! - Taking numbers and writing. The index may show anything at any time.
//! - Announcing, and finishing the message. A reader keeps the highest announcement, in
//!   whatever order they come.
//! - A handler that starts over with a row that it reads, and a redelivery of its message.
//!
//! **Left out**: the wait for a dry pool and its announcement `unavailable` (the event is
//! redelivered), the limit on tries (a handler may die at any time), rows that expire by TTL,
//! refills and imports.
//!
//! [`Without`] takes one safeguard out, to show that the model notices.
#![expect(clippy::indexing_slicing, reason = "a model stops at the first surprise")]

mod condition;
mod handler;
mod truth;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use masking::{Attempt, Number, OrderId, OrderRequest, Timestamp};
use masking_memory::Tables;
use stateright::{Model, Property};

pub use crate::condition::{Item, fact_name, without_fact};
pub use crate::truth::{COOLDOWN, GRACE, Truth, Wrong};

/// A condition, or another safeguard, that is taken out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// A fact in the condition of this item of the transaction, by its name.
    Fact(Item, &'static str),
    /// A transaction writes nothing if one of its conditions fails.
    AllOrNothing,
    /// A claimed number must be free, even if its row still names the order.
    OwnNumberIsFree,
    /// A closed order stays closed.
    Closed,
    /// Events of lower and equal versions do nothing.
    Version,
    /// A redelivery for a row that waits for numbers is not a duplicate.
    Waiting,
    /// The numbers in the order's row are not drawn again.
    OwnNumbers,
    /// Released numbers cool down.
    Cooldown,
    /// After a lost answer, the order's row is read.
    RowAfterLostAnswer,
    /// A message is finished after its announcement, not before.
    AnnouncedFirst,
    /// A duplicate announces again.
    AnnouncedAgain,
    /// A route connects nobody past its `expires_at`.
    RouteExpiry,
    /// An event that names no pool stays in the pool of the order.
    OrdersOwnPool,
}

/// The model: the initial state, the events, and the safeguard that is taken out.
#[derive(Debug)]
pub struct Claims {
    /// The safeguard that is taken out.
    pub without: Option<Without>,
    /// The events. Each is a message on its queue from the beginning.
    pub events: Vec<&'static Event>,
    /// The tables at the beginning.
    pub tables: Tables,
    /// The clock stops here.
    pub last_tick: u64,
    /// How many messages are handled at the same time.
    pub handlers: usize,
}

/// An event of an order.
#[derive(Clone, Debug)]
pub struct Event {
    /// The order that it changes.
    pub order_id: OrderId,
    /// Its place among the events of the order.
    pub version: u64,
    /// The change that it asks for.
    pub request: OrderRequest<'static>,
}

/// A state of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemState {
    /// The one clock of all handlers.
    pub now: Timestamp,
    /// All rows.
    pub tables: Shared<Tables>,
    /// Messages that were handled and deleted. They may be delivered again.
    pub finished: BTreeSet<usize>,
    /// The handlers of messages in progress.
    pub handlers: Vec<Handler>,
    /// The history that the properties need.
    pub truth: Shared<Truth>,
}

/// A part of a state that most steps do not change: shared between states, and hashed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>, u64);

/// The handling of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// The index of the event.
    pub message: usize,
    /// The progress of the handler.
    pub attempt: Shared<Attempt<'static>>,
    /// Its next step.
    pub phase: Phase,
    /// Whether it knows of a conflict.
    pub taught: bool,
}

/// The next step of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It takes numbers, if it needs any, and writes.
    Write,
    /// It decides again, from the same row and the conflicts that it knows.
    Again,
}

/// A step, and the real code of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A unit of time passes.
    Tick,
    /// A queue delivers this message, for the first time or again, and its handler decides,
    /// blind or from the order's row: `assign_numbers::handle`,
    /// `release_numbers::handle`, `masking_store::Orders::order`.
    Deliver(usize, bool),
    /// This handler decides again: the next turn of `order_events::apply`.
    Again(usize),
    /// This handler takes numbers if it needs any (`Stock::take`), writes its plan, and
    /// announces if that succeeds (`order_events::apply`, `masking_store::Orders::commit`,
    /// `order_events::Intake::announce`). No draw: the index showed too few.
    Write(usize, Option<Vec<Number>>),
    /// The same, but the answer of the write is lost, or the handler dies before it announces.
    WriteInVain(usize, Option<Vec<Number>>),
    /// The request of this handler's write is lost, or refused because of a conflict; or the
    /// handler dies or gives up.
    Lose(usize, Option<Vec<Number>>),
}

impl Claims {
    fn lacks(&self, what: Without) -> bool {
        self.without == Some(what)
    }
}

impl<T: Clone + Hash> Shared<T> {
    fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new(value), hasher.finish())
    }

    fn get(&self) -> T {
        T::clone(&self.0)
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.get();
        let result = change(&mut value);
        *self = Self::new(value);
        result
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.1.hash(hasher);
    }
}

impl Model for Claims {
    type State = SystemState;
    type Action = Action;

    fn init_states(&self) -> Vec<SystemState> {
        vec![SystemState {
            now: Timestamp::from_seconds(0),
            truth: Shared::new(Truth::new(&self.tables)),
            tables: Shared::new(self.tables.clone()),
            finished: BTreeSet::new(),
            handlers: Vec::new(),
        }]
    }

    fn actions(&self, state: &SystemState, actions: &mut Vec<Action>) {
        if state.now.seconds() < self.last_tick {
            actions.push(Action::Tick);
        }
        for (at, handler) in state.handlers.iter().enumerate() {
            actions.push(Action::Lose(at, None));
            if handler.phase == Phase::Again {
                actions.push(Action::Again(at));
                continue;
            }
            for draw in self.draws(state, handler) {
                actions.push(Action::Write(at, draw.clone()));
                actions.push(Action::WriteInVain(at, draw.clone()));
                if self.lacks(Without::RowAfterLostAnswer) {
                    actions.push(Action::Lose(at, draw));
                }
            }
        }
        if state.handlers.len() < self.handlers {
            for (message, event) in self.events.iter().enumerate() {
                // Only an assignment is first tried blind.
                if matches!(event.request, OrderRequest::Assign(_)) {
                    actions.push(Action::Deliver(message, true));
                }
                actions.push(Action::Deliver(message, false));
            }
        }
    }

    fn next_state(&self, last: &SystemState, action: Action) -> Option<SystemState> {
        let mut state = last.clone();
        let next = match action {
            Action::Tick => {
                state.now = state.now.after(1);
                None
            }
            Action::Deliver(message, blind) => {
                let Event { order_id, version, request } = self.events[message];
                let attempt = Attempt::new(order_id, *version, request, blind);
                self.go_on(&mut state, message, attempt, false)
            }
            Action::Again(at) => {
                let Handler { message, attempt, taught, .. } = state.handlers.remove(at);
                self.go_on(&mut state, message, attempt.get(), taught)
            }
            Action::Write(at, draw) => {
                let handler = state.handlers.remove(at);
                self.write(&mut state, &handler, draw, true)
            }
            Action::WriteInVain(at, draw) => {
                let handler = state.handlers.remove(at);
                self.write(&mut state, &handler, draw, false)
            }
            Action::Lose(at, draw) => {
                let handler = state.handlers.remove(at);
                self.lose(&mut state, &handler, draw);
                None
            }
        };
        state.handlers.extend(next);
        // The order of handlers makes no difference.
        state.handlers.sort_by_key(|handler| handler.message);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        truth::properties()
    }
}

//! The claim protocol, checked exhaustively: every order of every step, for a few
//! orders and numbers.
//!
//! **Real code**: an event's way into its order's row (`masking::Attempt`, which decides,
//! plans, learns from lost writes and announces), the conditions of the writes
//! (`masking::Condition`) and what a call gets (`masking::answer`).
//!
//! **Modelled**: who drives an attempt ([`Action`] names the code of each step), and the
//! tables (`masking_memory`). The queue delivers in any order and as often as it likes,
//! also what was finished, also twice at once. The index shows any numbers as free, be
//! they or not, and hides any. A write's request or its answer gets lost, a handler dies
//! at any point, a clock ticks at any time: a plan may be written long after its moment.
//!
//! **Taken together**, since coming in between changes nothing:
//! - Reading a row and deciding from it. A plan from an older row is refused by its
//!   revision, and the handler then reads again.
//! - Taking numbers and writing. What the index shows is anything at all times.
//! - Announcing, and finishing the message. A reader keeps the highest announcement,
//!   in whatever order they come.
//! - A handler that begins again with a row that it reads, and one that is delivered
//!   its message anew.
//!
//! **Left out**: the wait for a dry pool and its announcement `unavailable` (a dry
//! event comes again), the bound on tries (a handler may give up at any time: it
//! dies), rows that expire by TTL, refills and imports.
//!
//! [`Without`] takes one safeguard out, to show that the model would notice.
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
    /// Nothing of a transaction is written where one condition does not hold.
    AllOrNothing,
    /// A claimed number is free, also where its row still names the order.
    OwnNumberIsFree,
    /// A closed order stays so.
    Closed,
    /// Events of lower and equal versions do nothing.
    Version,
    /// The event of a row that waits for a dry pool is not a duplicate.
    Waiting,
    /// Numbers of the order's row are no candidates.
    OwnNumbers,
    /// What is released rests.
    Cooldown,
    /// After a lost answer the order's row is read.
    RowAfterLostAnswer,
    /// A message is finished after its announcement, not before.
    AnnouncedFirst,
    /// A duplicate announces again.
    AnnouncedAgain,
    /// A route connects nobody past its `expires_at`.
    RouteExpiry,
}

/// The model: a world, and what it lacks.
#[derive(Debug)]
pub struct Claims {
    /// What the protocol lacks.
    pub without: Option<Without>,
    /// The events, each a message on its queue from the beginning.
    pub events: Vec<&'static Event>,
    /// What the tables hold at the beginning.
    pub tables: Tables,
    /// The clock stops here.
    pub last_tick: u64,
    /// So many messages are handled at a time.
    pub handlers: usize,
}

/// An event of an order.
#[derive(Clone, Debug)]
pub struct Event {
    /// The order.
    pub order_id: OrderId,
    /// The version.
    pub version: u64,
    /// What it asks.
    pub request: OrderRequest<'static>,
}

/// A state of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// What is in the tables.
    pub tables: Shared<Tables>,
    /// Messages that were handled to their end, and deleted.
    pub finished: BTreeSet<usize>,
    /// Messages being handled.
    pub handlers: Vec<Handler>,
    /// What checks remember.
    pub truth: Shared<Truth>,
}

/// A part of a state that most steps leave as it is: shared, and hashed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>, u64);

/// The handling of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// The message: which event.
    pub message: usize,
    /// All that the handler knows.
    pub attempt: Shared<Attempt<'static>>,
    /// What comes next.
    pub phase: Phase,
    /// Whether lost writes have taught it something.
    pub taught: bool,
}

/// What a handler does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It takes numbers, if it needs any, and writes.
    Write,
    /// It decides again from the same row, and from writes that were lost.
    Again,
}

/// A step, and the code that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A second passes, or a minute.
    Tick,
    /// A queue delivers this message, be it for the first time or not, and its handler
    /// decides, blind or from the order's row: `assign_numbers::handle`,
    /// `release_numbers::handle`, `masking_store::Orders::order`.
    Deliver(usize, bool),
    /// This handler decides again: the next turn of `order_events::apply`.
    Again(usize),
    /// This handler takes numbers if it needs any (`Stock::take`), writes its plan and
    /// announces if it is written (`order_events::apply`, `masking_store::Orders::commit`,
    /// `order_events::Intake::announce`). No draw: the index showed too few.
    Write(usize, Option<Vec<Number>>),
    /// The same, but the answer of the write is lost, or it dies before it announces.
    WriteInVain(usize, Option<Vec<Number>>),
    /// The request of this handler's write is lost, or refused because others are at
    /// the same rows; or it dies, or gives up.
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
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: Timestamp::from_seconds(0),
            truth: Shared::new(Truth::new(&self.tables)),
            tables: Shared::new(self.tables.clone()),
            finished: BTreeSet::new(),
            handlers: Vec::new(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now.seconds() < self.last_tick {
            actions.push(Action::Tick);
        }
        for (at, handler) in world.handlers.iter().enumerate() {
            actions.push(Action::Lose(at, None));
            if handler.phase == Phase::Again {
                actions.push(Action::Again(at));
                continue;
            }
            for draw in self.draws(world, handler) {
                actions.push(Action::Write(at, draw.clone()));
                actions.push(Action::WriteInVain(at, draw.clone()));
                if self.lacks(Without::RowAfterLostAnswer) {
                    actions.push(Action::Lose(at, draw));
                }
            }
        }
        if world.handlers.len() < self.handlers {
            for (message, event) in self.events.iter().enumerate() {
                // Only an assignment is first tried blind.
                if matches!(event.request, OrderRequest::Assign(_)) {
                    actions.push(Action::Deliver(message, true));
                }
                actions.push(Action::Deliver(message, false));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let next = match action {
            Action::Tick => {
                world.now = world.now.after(1);
                None
            }
            Action::Deliver(message, blind) => {
                let Event { order_id, version, request } = self.events[message];
                let attempt = Attempt::new(order_id, *version, request, blind);
                self.go_on(&mut world, message, attempt, false)
            }
            Action::Again(at) => {
                let Handler { message, attempt, taught, .. } = world.handlers.remove(at);
                self.go_on(&mut world, message, attempt.get(), taught)
            }
            Action::Write(at, draw) => {
                let handler = world.handlers.remove(at);
                self.write(&mut world, &handler, draw, true)
            }
            Action::WriteInVain(at, draw) => {
                let handler = world.handlers.remove(at);
                self.write(&mut world, &handler, draw, false)
            }
            Action::Lose(at, draw) => {
                let handler = world.handlers.remove(at);
                self.lose(&mut world, &handler, draw);
                None
            }
        };
        world.handlers.extend(next);
        // Which of them began first makes no difference.
        world.handlers.sort_by_key(|handler| handler.message);
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        truth::properties()
    }
}

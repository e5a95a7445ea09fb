//! The claim protocol, checked exhaustively: every order of every step, for a few
//! orders and numbers.
//!
//! **Real code**: what an event does to a row (`masking::decide`), what is then to
//! be written (`masking::Change`, `masking::Learnt`), what is announced
//! (`masking::Order::announcement`) and what a call gets (`masking::answer`).
//!
//! **Modelled**: what runs them ([`Action`] names the code of each step), and the
//! tables with the conditions of their writes (`masking_memory`). The queue delivers in any
//! order and as often as it likes, also what was finished, also twice at once. The
//! index shows any numbers as free, be they or not, and hides any. A write's request
//! or its answer gets lost, a handler dies at any point, a clock ticks at any time: a
//! plan may be written long after its moment.
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
//! [`Without`] takes one condition out, to show that the model would notice.
#![expect(clippy::indexing_slicing, reason = "a model stops at the first surprise")]

mod truth;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use masking::{
    Asked, Change, Decision, Learnt, Next, Number, Order, OrderId, Plan, Row, State, Timestamp,
    Write, decide,
};
use masking_memory::{Commit, Condition, OrderRow, Tables};
use stateright::{Model, Property};

pub use crate::truth::{COOLDOWN, GRACE, Truth, Wrong};

/// A condition, or another safeguard, that is taken out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// A condition of the transaction.
    Condition(Condition),
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
    pub events: Vec<Event>,
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
    pub asked: Asked<'static>,
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
    /// What comes next.
    pub phase: Phase,
}

/// What a handler does next, and all that it knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Writes what it planned at that moment.
    Write(Seen, Lost, Timestamp),
    /// Decides again from the same row, and from writes that were lost.
    Again(Seen, Lost),
}

/// What is known of an order's row: `masking::Row`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nothing.
    Unread,
    /// It was read.
    Read(Option<OrderRow>),
}

/// Writes of earlier attempts that taught something: what `masking::Learnt` is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost(Vec<Write>);

/// A step, and the code that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A second passes, or a minute.
    Tick,
    /// A queue delivers this message, be it for the first time or not, and its handler
    /// decides, blind or from the order's row: `AssignNumbers::handle`,
    /// `ReleaseNumbers::handle`, `masking_store::Orders::order`, `masking::decide`.
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

/// What a handler is to do after it decided.
enum Decided {
    /// Nothing: the event does nothing.
    Ignore,
    /// Announce the row.
    AnnounceAgain,
    /// Write this. Not the whole of what was asked if the pool is dry.
    Write { plan: Plan, whole: bool },
    /// Nothing for now: the pool is dry, and nothing is to be ended.
    Dry,
}

impl<T: Clone + Hash> Shared<T> {
    fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new(value), hasher.finish())
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = T::clone(&self.0);
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

impl Hash for Lost {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for write in &self.0 {
            // What is learnt is of a kind of write, a number and a caller; all of
            // which the debug form shows. Rare enough for it to cost nothing.
            format!("{write:?}").hash(hasher);
        }
    }
}

impl Lost {
    /// Takes in writes whose conditions did not hold. Nothing is kept of those that only
    /// steer the next draw, since any draw is tried anyway: states stay few.
    fn add(&mut self, writes: Vec<&Write>) {
        let teaches = |write: &&Write| {
            !matches!(write, Write::ClaimNumber { .. } | Write::OpenRoute { kept: false, .. })
        };
        self.0.extend(writes.into_iter().filter(teaches).cloned());
    }

    fn learnt(&self) -> Learnt {
        let mut learnt = Learnt::default();
        learnt.lost(&self.0);
        learnt
    }
}

impl Claims {
    fn lacks(&self, what: Without) -> bool {
        self.without == Some(what)
    }

    /// The row as `decide` gets it; with one of its rules taken out, as if the row
    /// gave that rule no reason.
    fn row(&self, event: &Event, seen: &Seen) -> Row {
        let Seen::Read(row) = seen else { return Row::Unread };
        let Some(row) = row else { return Row::Absent };
        let mut order = Order::clone(&row.0);
        if self.lacks(Without::Version) {
            order.version = event.version.saturating_sub(1);
        }
        match &mut order.state {
            state @ State::Closed(_) if self.lacks(Without::Closed) => {
                *state = State::Unassigned(masking::Unassigned::Told);
            }
            State::Assigned(holding) if self.lacks(Without::Waiting) => holding.waiting = false,
            _ => {}
        }
        Row::Present(order)
    }

    /// The numbers that the index may show to a handler: each way to draw as many as it
    /// needs, and too few. Of numbers that were never used it makes no difference which
    /// is drawn: the first.
    fn draws(&self, tables: &Tables, handler: &Handler) -> Vec<Option<Vec<Number>>> {
        let Phase::Write(seen, lost, now) = &handler.phase else { return Vec::new() };
        let event = &self.events[handler.message];
        let (row, learnt) = (self.row(event, seen), lost.learnt());
        let change = event.change(&row, &learnt, *now);
        let Ok(Decision::Become(Next::Assigned { wish, .. })) =
            decide(&row, event.version, &event.asked, *now)
        else {
            return vec![Some(Vec::new())];
        };
        let wanted = change.wanted(&wish.people);
        let unused = |number: &Number| {
            !tables.routes.keys().any(|(it, _)| it == number)
                && tables.numbers[number].in_circulation
        };
        let mut draws = vec![Vec::new()];
        for _ in 0..wanted.count() {
            let longer = |draw: Vec<Number>| {
                let numbers = || tables.numbers.keys().filter(|number| !draw.contains(number));
                let first_unused = numbers().find(|number| unused(number));
                let drawn = numbers().filter(|it| !unused(it) || Some(*it) == first_unused);
                drawn
                    .map(|number| [&draw[..], std::slice::from_ref(number)].concat())
                    .collect::<Vec<_>>()
            };
            draws = draws.into_iter().flat_map(longer).collect();
        }
        if !self.lacks(Without::OwnNumbers) {
            draws.retain(|draw| wanted.pick(draw).as_ref() == Some(draw));
        }
        let dry = (0 < wanted.count()).then_some(None);
        draws.into_iter().map(Some).chain(dry).collect()
    }

    /// What a handler does about its event: a turn of the loop in
    /// `order_events::apply` up to the write, with its `plan`.
    fn decide(
        &self,
        event: &Event,
        seen: &Seen,
        lost: &Lost,
        now: Timestamp,
        fresh: Option<Vec<Number>>,
    ) -> Decided {
        let (row, learnt) = (self.row(event, seen), lost.learnt());
        let change = event.change(&row, &learnt, now);
        let next = match decide(&row, event.version, &event.asked, now) {
            Ok(Decision::Become(next)) => next,
            Ok(Decision::AnnounceAgain) => return Decided::AnnounceAgain,
            Ok(Decision::Ignore(_)) | Err(_) => return Decided::Ignore,
        };
        let plan = match next {
            Next::Assigned { wish, terms, expires_at } => {
                match fresh.and_then(|fresh| change.assign(wish, terms, expires_at, fresh)) {
                    Some(plan) => plan,
                    // Only the row tells whether the event needs as many as it seemed.
                    None if *seen == Seen::Unread => return Decided::Dry,
                    None => {
                        return change
                            .end_alone(wish, expires_at)
                            .map_or(Decided::Dry, |plan| Decided::Write { plan, whole: false });
                    }
                }
            }
            Next::Expired { wish } => change.expire(wish),
            Next::Unassigned => change.unassign(),
            Next::Closed(why) => change.close(why),
        };
        Decided::Write { plan, whole: true }
    }

    /// What comes of a turn: the handler that goes on, if any.
    fn turn(&self, world: &mut World, message: usize, seen: Seen, lost: Lost) -> Option<Handler> {
        match self.decide(&self.events[message], &seen, &lost, world.now, None) {
            Decided::AnnounceAgain => {
                if let (Seen::Read(Some(row)), false) = (&seen, self.lacks(Without::AnnouncedAgain))
                {
                    world.truth.change(|truth| truth.hear(&row.0, world.now));
                }
                world.finished.insert(message);
                None
            }
            Decided::Ignore => {
                world.finished.insert(message);
                None
            }
            Decided::Write { .. } | Decided::Dry => {
                Some(Handler { message, phase: Phase::Write(seen, lost, world.now) })
            }
        }
    }

    /// What comes of a write that arrives: the handler that goes on, if any.
    fn write(
        &self,
        world: &mut World,
        handler: Handler,
        draw: Option<Vec<Number>>,
        answered: bool,
    ) -> Option<Handler> {
        let Handler { message, phase } = handler;
        let Phase::Write(seen, mut lost, now) = phase else { return None };
        let event = &self.events[message];
        let decided = self.decide(event, &seen, &lost, now, draw);
        let Decided::Write { plan, whole } = decided else { return None };
        let was = world.tables.clone();
        let mut is = Tables::clone(&was);
        match is.commit_unless(&plan, now, |it| self.lacks(Without::Condition(it))) {
            Commit::Done => {
                world.tables = Shared::new(is);
                let tables = &world.tables;
                world.truth.change(|it| it.written(&was, tables, &plan, now, world.now));
                if whole && (answered || self.lacks(Without::RowAfterLostAnswer)) {
                    world.truth.change(|truth| truth.say(&plan, now, &world.tables));
                    world.finished.insert(message);
                } else if whole && self.lacks(Without::AnnouncedFirst) {
                    world.finished.insert(message);
                }
            }
            Commit::Lost(writes) if answered => {
                lost.add(writes);
                // With nothing learnt it is as good as one that begins anew.
                if lost != Lost::default() {
                    return Some(Handler { message, phase: Phase::Again(seen, lost) });
                }
            }
            Commit::Lost(_) | Commit::Moved => {}
        }
        None
    }

    /// What comes of a write that does not arrive.
    fn lose(&self, world: &mut World, handler: Handler, draw: Option<Vec<Number>>) {
        let Handler { message, phase } = handler;
        let Phase::Write(seen, lost, now) = phase else { return };
        if self.lacks(Without::RowAfterLostAnswer)
            && let Decided::Write { plan, whole: true } =
                self.decide(&self.events[message], &seen, &lost, now, draw)
        {
            world.truth.change(|truth| truth.say(&plan, now, &world.tables));
            world.finished.insert(message);
        }
    }
}

impl Event {
    fn change<'a>(&'a self, row: &'a Row, learnt: &'a Learnt, now: Timestamp) -> Change<'a> {
        Change { row, order_id: &self.order_id, version: self.version, learnt, now }
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
            if let Phase::Again(..) = handler.phase {
                actions.push(Action::Again(at));
            }
            for draw in self.draws(&world.tables, handler) {
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
                if matches!(event.asked, Asked::Assign(_)) {
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
                let row = world.tables.orders.get(&self.events[message].order_id).cloned();
                let seen = if blind { Seen::Unread } else { Seen::Read(row) };
                self.turn(&mut world, message, seen, Lost::default())
            }
            Action::Again(at) => {
                let Handler { message, phase } = world.handlers.remove(at);
                let Phase::Again(seen, lost) = phase else { return None };
                self.turn(&mut world, message, seen, lost)
            }
            Action::Write(at, draw) => {
                let handler = world.handlers.remove(at);
                self.write(&mut world, handler, draw, true)
            }
            Action::WriteInVain(at, draw) => {
                let handler = world.handlers.remove(at);
                self.write(&mut world, handler, draw, false)
            }
            Action::Lose(at, draw) => {
                let handler = world.handlers.remove(at);
                self.lose(&mut world, handler, draw);
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

//! The claim protocol, checked exhaustively: every order of every step, for a few
//! orders and numbers.
//!
//! **Real code**: what an event does to a row (`masking::decide`), what is then to
//! be written (`masking::Change`, `masking::Learnt`), what is announced
//! (`masking::Order::announcement`) and what a call gets (`masking::answer`).
//!
//! **Modelled**: what runs them. A handler is a chain of steps, each of which does
//! one thing that the outside can see ([`Action`] names the code of each), and any
//! steps of any handlers may come between. The tables and the conditions of their
//! writes are in [`tables`]. The queue delivers in any order and as often as it
//! likes, also what was finished, also twice at once. The index shows any numbers as
//! free, be they or not, and hides any. A write's request or its answer gets lost, a
//! handler dies between any two steps, a clock ticks at any time: a plan may be
//! written long after its moment.
//!
//! **Left out**: the wait for a dry pool and its announcement `unavailable` (a dry
//! event comes again), the bound on tries (a handler may give up at any time: it
//! dies), rows that expire by TTL, refills and imports.
//!
//! [`Without`] takes one condition out, to show that the model would notice.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a model stops at the first surprise"
)]

pub mod tables;
mod truth;

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use masking::{
    Asked, Caller, Change, Decision, Learnt, Next, Number, Order, OrderId, Plan, Row, State,
    Timestamp, Write, decide,
};
use stateright::{Model, Property};

use crate::tables::{Commit, OrderRow, Tables};
pub use crate::truth::{COOLDOWN, GRACE, Truth, Wrong};

/// A condition, or another safeguard, that is taken out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
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
    pub tables: Tables,
    /// Messages that were handled to their end, and deleted.
    pub finished: BTreeSet<usize>,
    /// Messages being handled.
    pub handlers: Vec<Handler>,
    /// What checks remember.
    pub truth: Truth,
}

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
    /// Reads the order's row.
    Read,
    /// Decides from the row and from the writes that were lost.
    Decide(Seen, Lost),
    /// Writes what was planned at that moment, with these numbers from the index;
    /// nothing where it showed too few.
    Write(Seen, Lost, Timestamp, Option<Vec<Number>>),
    /// Announces this row, past its expiry or not.
    Announce(OrderRow, bool),
    /// Deletes its message.
    Finish,
}

/// What is known of an order's row: `masking::Row`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nothing.
    Unread,
    /// It was read, or came with a refusal.
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
    /// A queue delivers a message, be it for the first time or not:
    /// `assign_numbers::handle`, `release_numbers::handle`.
    Deliver(usize),
    /// A handler dies, is given up or gives up; its message stays.
    Crash(usize),
    /// A handler reads its order's row: `masking_store::Orders::order`.
    Read(usize),
    /// A handler decides, and draws numbers if it needs any: one turn of
    /// `order_events::apply` with `plan`, `masking::decide`, `Stock::take`.
    Decide(usize, Option<Vec<Number>>),
    /// A handler writes its plan: `masking_store::Orders::commit`.
    Write(usize, Fate),
    /// A handler announces: `order_events::Intake::announce`.
    Announce(usize),
    /// A handler's batch answers that the message is done: `lambda_support::sqs::for_each`.
    Finish(usize),
}

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It is answered by a conflict with another one: nothing is written.
    Busy,
    /// It does not arrive.
    RequestLost,
    /// It arrives; its answer does not.
    AnswerLost,
}

/// What a handler is to do after it decided.
enum Decided {
    /// Nothing: the event does nothing.
    Ignore,
    /// Announce the row.
    AnnounceAgain,
    /// Write this. Not the whole of what was asked if the pool is dry.
    Write { plan: Plan, whole: bool },
    /// The pool is dry: read the row, to know whether the event needs what it seems to.
    ReadFirst,
    /// The pool is dry, and nothing is to be ended.
    Dry,
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
    /// Takes in writes whose conditions did not hold; of those that teach nothing
    /// nothing is kept, so that states of the model stay few.
    fn add(&mut self, writes: Vec<Write>) {
        let teaches = |write: &Write| {
            !matches!(write, Write::ClaimNumber { .. } | Write::OpenRoute { kept: false, .. })
        };
        self.0.extend(writes.into_iter().filter(teaches));
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

    /// The numbers that the index may show to a handler that decides now: each way to
    /// draw as many as it needs, and too few. One empty draw where it needs none.
    fn draws(&self, event: &Event, seen: &Seen, lost: &Lost, now: Timestamp) -> Vec<Option<Vec<Number>>> {
        let (row, learnt) = (self.row(event, seen), lost.learnt());
        let change = event.change(&row, &learnt, now);
        let missing = match decide(&row, event.version, &event.asked, now) {
            Ok(Decision::Become(Next::Assigned { wish, .. })) => change.missing(&wish.people),
            _ => 0,
        };
        let mut draws = vec![Vec::new()];
        for _ in 0..missing {
            let mut longer = Vec::new();
            for draw in draws {
                for number in self.tables.numbers.keys() {
                    let own = !self.lacks(Without::OwnNumbers)
                        && change.own_numbers().contains(number);
                    if !own && !draw.contains(number) {
                        longer.push([&draw[..], &[number.clone()]].concat());
                    }
                }
            }
            draws = longer;
        }
        let dry = (0 < missing).then_some(None);
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
                    None if *seen == Seen::Unread => return Decided::ReadFirst,
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

    /// What a handler does after it decided: `None` where it is done for now, and its
    /// message comes again.
    fn decided(&self, handler: &Handler, now: Timestamp, fresh: Option<Vec<Number>>) -> Option<Phase> {
        let Phase::Decide(seen, lost) = &handler.phase else { return None };
        let event = &self.events[handler.message];
        match (self.decide(event, seen, lost, now, fresh.clone()), seen) {
            (Decided::AnnounceAgain, Seen::Read(Some(row)))
                if !self.lacks(Without::AnnouncedAgain) =>
            {
                Some(row.said_at(now))
            }
            (Decided::Ignore | Decided::AnnounceAgain, _) => Some(Phase::Finish),
            (Decided::Write { .. }, _) => {
                Some(Phase::Write(seen.clone(), lost.clone(), now, fresh))
            }
            (Decided::ReadFirst, _) => Some(Phase::Read),
            (Decided::Dry, _) => None,
        }
    }

    /// What a handler does after its write.
    fn written(&self, world: &mut World, handler: &Handler, fate: Fate) -> Option<Phase> {
        let Phase::Write(seen, lost, now, fresh) = &handler.phase else { return None };
        let event = &self.events[handler.message];
        let decided = self.decide(event, seen, lost, *now, fresh.clone());
        let Decided::Write { plan, whole } = decided else { return None };
        let was = world.tables.clone();
        let commit = match fate {
            Fate::Busy => return Some(Phase::Decide(seen.clone(), lost.clone())),
            Fate::RequestLost => None,
            Fate::Answered | Fate::AnswerLost => {
                Some(world.tables.commit(&plan, *now, self.without))
            }
        };
        if let Some(Commit::Done) = commit {
            world.truth.written(&was, &world.tables, &plan, *now, world.now);
        }
        let taken_for_done = self.lacks(Without::RowAfterLostAnswer);
        match (fate, commit) {
            (Fate::Answered, Some(Commit::Moved(row))) => {
                Some(Phase::Decide(Seen::Read(row), Lost::default()))
            }
            (Fate::Answered, Some(Commit::Lost(writes))) => {
                let mut lost = lost.clone();
                lost.add(writes);
                Some(Phase::Decide(seen.clone(), lost))
            }
            (Fate::RequestLost | Fate::AnswerLost, _) if !taken_for_done => Some(Phase::Read),
            _ if whole => {
                if self.lacks(Without::AnnouncedFirst) {
                    world.finished.insert(handler.message);
                }
                world.truth.to_be_said(&plan, &world.tables);
                Some(OrderRow(Arc::new(plan.order)).said_at(*now))
            }
            _ => None,
        }
    }
}

impl Event {
    fn change<'a>(&'a self, row: &'a Row, learnt: &'a Learnt, now: Timestamp) -> Change<'a> {
        Change { row, order_id: &self.order_id, version: self.version, learnt, now }
    }
}

impl OrderRow {
    /// The announcement of the row at that moment. The revision is left out: nothing
    /// announced depends on it.
    fn said_at(&self, now: Timestamp) -> Phase {
        let order = Order { revision: 0, ..Order::clone(&self.0) };
        let over = matches!(&order.state, State::Assigned(holding) if holding.expires_at <= now);
        Phase::Announce(Self(Arc::new(order)), over)
    }
}

impl Model for Claims {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: Timestamp::from_seconds(0),
            truth: Truth::new(&self.tables),
            tables: self.tables.clone(),
            finished: BTreeSet::new(),
            handlers: Vec::new(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now.seconds() < self.last_tick {
            actions.push(Action::Tick);
        }
        if world.handlers.len() < self.handlers {
            actions.extend((0..self.events.len()).map(Action::Deliver));
        }
        for (at, handler) in world.handlers.iter().enumerate() {
            actions.push(Action::Crash(at));
            match &handler.phase {
                Phase::Read => actions.push(Action::Read(at)),
                Phase::Decide(seen, lost) => {
                    let event = &self.events[handler.message];
                    let draws = self.draws(event, seen, lost, world.now);
                    actions.extend(draws.into_iter().map(|draw| Action::Decide(at, draw)));
                }
                Phase::Write(..) => {
                    let fates =
                        [Fate::Answered, Fate::Busy, Fate::RequestLost, Fate::AnswerLost];
                    actions.extend(fates.map(|fate| Action::Write(at, fate)));
                }
                Phase::Announce(..) => actions.push(Action::Announce(at)),
                Phase::Finish => actions.push(Action::Finish(at)),
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let (at, next) = match action {
            Action::Tick => {
                world.now = world.now.after(1);
                return Some(world);
            }
            Action::Deliver(message) => {
                // An assignment first tries blind.
                let phase = match self.events[message].asked {
                    Asked::Assign(_) => Phase::Decide(Seen::Unread, Lost::default()),
                    Asked::Unassign | Asked::Close(_) => Phase::Read,
                };
                world.handlers.push(Handler { message, phase });
                world.handlers.sort_by_key(|handler| handler.message);
                return Some(world);
            }
            Action::Crash(at) => (at, None),
            Action::Read(at) => {
                let event = &self.events[last.handlers[at].message];
                let row = world.tables.orders.get(&event.order_id).cloned();
                (at, Some(Phase::Decide(Seen::Read(row), Lost::default())))
            }
            Action::Decide(at, fresh) => (at, self.decided(&last.handlers[at], last.now, fresh)),
            Action::Write(at, fate) => (at, self.written(&mut world, &last.handlers[at], fate)),
            Action::Announce(at) => {
                let Phase::Announce(row, over) = &last.handlers[at].phase else { return None };
                world.truth.hear(row, *over);
                (at, Some(Phase::Finish))
            }
            Action::Finish(at) => {
                world.finished.insert(last.handlers[at].message);
                (at, None)
            }
        };
        match next {
            Some(phase) => world.handlers[at].phase = phase,
            None => drop(world.handlers.remove(at)),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        truth::properties()
    }
}

//! The handling of a message: what drives an attempt, in place of `order_events::apply`.

use masking::{
    Attempt, Commit, KnownRow, Number, Outcome, State, Task, Timestamp, Unassigned, Write,
};
use masking_memory::Tables;

use crate::{Claims, Event, Handler, Phase, Shared, Without, World};

impl Claims {
    /// The row of an order as an attempt sees it. Where a rule of `decide` is taken out,
    /// the row gives that rule no reason.
    fn row(&self, event: &Event, tables: &Tables) -> KnownRow {
        let mut row = tables.order(&event.order_id);
        if let KnownRow::Present(order) = &mut row {
            if self.lacks(Without::Version) {
                order.version = event.version.saturating_sub(1);
            }
            match &mut order.state {
                state @ State::Closed(_) if self.lacks(Without::Closed) => {
                    *state = State::Unassigned(Unassigned::ByEvent);
                }
                State::Assigned(holding) if self.lacks(Without::Waiting) => holding.waiting = false,
                _ => {}
            }
        }
        row
    }

    /// Lets an attempt go on until it needs numbers or writes: the handler that does, if
    /// that was not the end of it.
    pub(crate) fn go_on(
        &self,
        world: &mut World,
        message: usize,
        mut attempt: Attempt<'static>,
        taught: bool,
    ) -> Option<Handler> {
        loop {
            match attempt.next(world.now) {
                Task::ReadRow => attempt.saw(self.row(self.events[message], &world.tables)),
                Task::PutBack { .. } | Task::Forget { .. } | Task::Pause { .. } => {}
                Task::TakeNumbers(_) | Task::Commit { .. } => break,
                Task::Done(Outcome::Announce(announcement)) => {
                    if !self.lacks(Without::AnnouncedAgain) {
                        world.truth.change(|truth| truth.hear(announcement));
                    }
                    world.finished.insert(message);
                    return None;
                }
                Task::Done(Outcome::Ignored { .. } | Outcome::Refused(_)) => {
                    world.finished.insert(message);
                    return None;
                }
                Task::Done(Outcome::Dry | Outcome::Contended) => return None,
            }
        }
        Some(Handler { message, attempt: Shared::new(attempt), phase: Phase::Write, taught })
    }

    /// The numbers that the index may show to a handler: each way to draw as many as it
    /// needs, and too few. Of numbers that were never used it makes no difference which
    /// is drawn: the first.
    pub(crate) fn draws(&self, world: &World, handler: &Handler) -> Vec<Option<Vec<Number>>> {
        let tables = &*world.tables;
        let mut attempt = handler.attempt.get();
        let Task::TakeNumbers(needed) = attempt.next(world.now) else {
            return vec![Some(Vec::new())];
        };
        let unused = |number: &Number| {
            !tables.routes.keys().any(|(it, _)| it == number)
                && tables.numbers[number].in_circulation
        };
        let mut draws = vec![Vec::new()];
        for _ in 0..needed.count() {
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
            draws.retain(|draw| needed.pick(draw).as_ref() == Some(draw));
        }
        draws.into_iter().map(Some).chain([None]).collect()
    }

    /// What comes of a write that arrives: the handler that goes on, if any.
    pub(crate) fn write(
        &self,
        world: &mut World,
        handler: &Handler,
        draw: Option<Vec<Number>>,
        answered: bool,
    ) -> Option<Handler> {
        let mut attempt = handler.attempt.get();
        attempt.took(draw);
        let Task::Commit { plan, now } = attempt.next(world.now) else { return None };
        let was = world.tables.clone();
        match self.commit(world, plan, now) {
            Commit::Done => {
                let tables = &world.tables;
                world.truth.change(|it| it.written(&was, tables, plan, now, world.now));
                if answered || self.lacks(Without::RowAfterLostAnswer) {
                    self.announce(world, handler.message, attempt, now);
                } else if self.lacks(Without::AnnouncedFirst) {
                    attempt.answered(Commit::Done);
                    if let Task::Done(Outcome::Announce(_)) = attempt.next(world.now) {
                        world.finished.insert(handler.message);
                    }
                }
                None
            }
            Commit::Lost(mut lost) if answered => {
                // Any draw is tried anyway: states stay few if nothing is kept of writes
                // that only steer the next one.
                lost.retain(|write| {
                    !matches!(
                        write,
                        Write::ClaimNumber { .. } | Write::OpenRoute { kept: false, .. }
                    )
                });
                // A handler that has learnt of no conflict is as good as one that begins anew.
                if !handler.taught && lost.is_empty() {
                    return None;
                }
                attempt.answered(Commit::Lost(lost));
                let attempt = Shared::new(attempt.with_all_tries());
                let message = handler.message;
                Some(Handler { message, attempt, phase: Phase::Again, taught: true })
            }
            Commit::Lost(_) | Commit::Moved(_) | Commit::Busy => None,
        }
    }

    /// What comes of a write that does not arrive.
    pub(crate) fn lose(&self, world: &mut World, handler: &Handler, draw: Option<Vec<Number>>) {
        if !self.lacks(Without::RowAfterLostAnswer) {
            return;
        }
        let mut attempt = handler.attempt.get();
        attempt.took(draw);
        if let Task::Commit { now, .. } = attempt.next(world.now) {
            self.announce(world, handler.message, attempt, now);
        }
    }

    /// Tells an attempt that its plan of that moment is written. Announces, and finishes
    /// the message, if the plan was all that the event asks for.
    fn announce(
        &self,
        world: &mut World,
        message: usize,
        mut attempt: Attempt<'static>,
        planned_at: Timestamp,
    ) {
        attempt.answered(Commit::Done);
        if let Task::Done(Outcome::Announce(announcement)) = attempt.next(world.now) {
            let row = world.tables.order(&self.events[message].order_id);
            world.truth.change(|truth| truth.say(announcement, &row, planned_at));
            world.finished.insert(message);
        }
    }
}

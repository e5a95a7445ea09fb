//! The handling of a message: it drives an attempt, as `order_events::apply` does.

use masking::{
    Attempt, Commit, KnownRow, Number, Outcome, State, Task, Timestamp, Unassigned, Write,
};
use masking_memory::Tables;

use crate::{Claims, Event, Handler, Phase, Shared, SystemState, Without};

impl Claims {
    /// The row of an order as an attempt sees it. To take a rule of `decide` out, the row is
    /// changed so that the rule does not apply.
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

    /// Continues an attempt until it needs numbers or a write. Returns its handler, unless
    /// the attempt has ended.
    pub(crate) fn go_on(
        &self,
        state: &mut SystemState,
        message: usize,
        mut attempt: Attempt<'static>,
        taught: bool,
    ) -> Option<Handler> {
        loop {
            match attempt.next(state.now) {
                Task::ReadRow => attempt.saw(self.row(self.events[message], &state.tables)),
                Task::PutBack { .. } | Task::Forget { .. } | Task::Pause { .. } => {}
                Task::TakeNumbers(_) | Task::Commit { .. } => break,
                Task::Done(Outcome::Announce(announcement)) => {
                    if !self.lacks(Without::AnnouncedAgain) {
                        state.truth.change(|truth| truth.hear(announcement));
                    }
                    state.finished.insert(message);
                    return None;
                }
                Task::Done(Outcome::Ignored { .. } | Outcome::Refused(_)) => {
                    state.finished.insert(message);
                    return None;
                }
                Task::Done(Outcome::Dry { .. } | Outcome::Contended) => return None,
            }
        }
        Some(Handler { message, attempt: Shared::new(attempt), phase: Phase::Write, taught })
    }

    /// The numbers that the index may show to a handler: each way to draw as many as it needs,
    /// and too few. All numbers that were never used are alike, so only the first is drawn.
    pub(crate) fn draws(&self, state: &SystemState, handler: &Handler) -> Vec<Option<Vec<Number>>> {
        let tables = &*state.tables;
        let mut attempt = handler.attempt.get();
        let Task::TakeNumbers(needed) = attempt.next(state.now) else {
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

    /// A write arrives. Returns the handler, unless it has ended.
    pub(crate) fn write(
        &self,
        state: &mut SystemState,
        handler: &Handler,
        draw: Option<Vec<Number>>,
        answered: bool,
    ) -> Option<Handler> {
        let mut attempt = handler.attempt.get();
        attempt.took(draw);
        let Task::Commit { plan, now } = attempt.next(state.now) else { return None };
        let was = state.tables.clone();
        match self.commit(state, plan, now) {
            Commit::Done => {
                let tables = &state.tables;
                state.truth.change(|it| it.written(&was, tables, plan, now, state.now));
                if answered || self.lacks(Without::RowAfterLostAnswer) {
                    self.announce(state, handler.message, attempt, now);
                } else if self.lacks(Without::AnnouncedFirst) {
                    attempt.answered(Commit::Done);
                    if let Task::Done(Outcome::Announce(_)) = attempt.next(state.now) {
                        state.finished.insert(handler.message);
                    }
                }
                None
            }
            Commit::Lost(mut lost) if answered => {
                // The model tries every draw anyway. Forgetting the conflicts that only steer
                // the next draw keeps the states few.
                lost.retain(|write| {
                    !matches!(
                        write,
                        Write::ClaimNumber { .. } | Write::OpenRoute { kept: false, .. }
                    )
                });
                // A handler without a known conflict is the same as a redelivery.
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

    /// A write does not arrive.
    pub(crate) fn lose(
        &self,
        state: &mut SystemState,
        handler: &Handler,
        draw: Option<Vec<Number>>,
    ) {
        if !self.lacks(Without::RowAfterLostAnswer) {
            return;
        }
        let mut attempt = handler.attempt.get();
        attempt.took(draw);
        if let Task::Commit { now, .. } = attempt.next(state.now) {
            self.announce(state, handler.message, attempt, now);
        }
    }

    /// Tells an attempt that its plan is written. Announces and finishes the message if the
    /// plan was all that the event asks for.
    fn announce(
        &self,
        state: &mut SystemState,
        message: usize,
        mut attempt: Attempt<'static>,
        planned_at: Timestamp,
    ) {
        attempt.answered(Commit::Done);
        if let Task::Done(Outcome::Announce(announcement)) = attempt.next(state.now) {
            let row = state.tables.order(&self.events[message].order_id);
            state.truth.change(|truth| truth.say(announcement, &row, planned_at));
            state.finished.insert(message);
        }
    }
}

//! Which numbers and people are in use: a number or a person counts while a route of
//! theirs is live or cooling.

use std::collections::{HashMap, VecDeque};

use masking::{Number, PhoneHash, Timestamp, Write};

/// The routes that are live or cooling.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    numbers: HashMap<Number, u64>,
    callers: HashMap<PhoneHash, u64>,
    /// In the order in which they cool down, since all take equally long.
    cooling: VecDeque<(Timestamp, Number, PhoneHash)>,
    /// The most routes at once on one number.
    pub(crate) busiest_number: u64,
    /// Who had the most routes at once, and how many.
    pub(crate) busiest_caller: Option<(u64, PhoneHash)>,
}

impl Usage {
    /// Takes in what was written.
    pub(crate) fn written(&mut self, write: &Write) {
        match write {
            Write::OpenRoute { number, caller, .. } => {
                let on_number = self.numbers.entry(number.clone()).or_default();
                *on_number += 1;
                self.busiest_number = self.busiest_number.max(*on_number);
                let of_caller = self.callers.entry(caller.clone()).or_default();
                *of_caller += 1;
                if self.busiest_caller.as_ref().is_none_or(|(most, _)| most < of_caller) {
                    self.busiest_caller = Some((*of_caller, caller.clone()));
                }
            }
            Write::EndRoute { number, caller, reusable_at, .. } => {
                self.cooling.push_back((*reusable_at, number.clone(), caller.clone()));
            }
            Write::ClaimNumber { .. } | Write::KeepNumber { .. } | Write::ReleaseNumber { .. } => {}
        }
    }

    /// A route that has cooled down by now, if there is one. It counts no longer.
    pub(crate) fn cooled(&mut self, now: Timestamp) -> Option<(Number, PhoneHash)> {
        let (_, number, caller) = self.cooling.pop_front_if(|(at, _, _)| *at <= now)?;
        if let Some(routes) = self.numbers.get_mut(&number) {
            *routes -= 1;
            if *routes == 0 {
                self.numbers.remove(&number);
            }
        }
        if let Some(routes) = self.callers.get_mut(&caller) {
            *routes -= 1;
            if *routes == 0 {
                self.callers.remove(&caller);
            }
        }
        Some((number, caller))
    }

    /// How many numbers are in use.
    pub(crate) fn numbers(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// How many routes the busiest person had at most.
    pub(crate) fn most_of_busiest_caller(&self) -> u64 {
        self.busiest_caller.as_ref().map_or(0, |(routes, _)| *routes)
    }

    /// How many routes the person has who has the most now.
    pub(crate) fn most_of_a_caller(&self) -> u64 {
        self.callers.values().copied().max().unwrap_or(0)
    }
}

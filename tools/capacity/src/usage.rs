//! The numbers and people in use: a number or a person counts while it has a route that is live
//! or in its cool-down.

use std::collections::{HashMap, VecDeque};

use masking::{Number, PhoneHash, Timestamp, Write};

/// The routes that are live or in their cool-down.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    numbers: HashMap<Number, u64>,
    callers: HashMap<PhoneHash, u64>,
    /// By the end of their cool-down, which is equally long for all.
    cooling: VecDeque<(Timestamp, Number, PhoneHash)>,
    routes: u64,
    /// The most routes at once.
    pub(crate) most_routes: u64,
    /// The most routes at once on one number, each of another person.
    pub(crate) busiest_number: u64,
    /// The person with the most routes at once, and their number.
    pub(crate) busiest_caller: Option<(u64, PhoneHash)>,
}

impl Usage {
    /// Records a write.
    pub(crate) fn written(&mut self, write: &Write) {
        match write {
            Write::OpenRoute { number, caller, .. } => {
                self.routes += 1;
                self.most_routes = self.most_routes.max(self.routes);
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

    /// Removes and returns a route whose cool-down has ended, if there is one.
    pub(crate) fn cooled(&mut self, now: Timestamp) -> Option<(Number, PhoneHash)> {
        let (_, number, caller) = self.cooling.pop_front_if(|(at, _, _)| *at <= now)?;
        self.routes -= 1;
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

    /// The numbers in use.
    pub(crate) fn numbers(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// The most routes that one person has had.
    pub(crate) fn most_of_busiest_caller(&self) -> u64 {
        self.busiest_caller.as_ref().map_or(0, |(routes, _)| *routes)
    }

    /// The most routes that one person has now.
    pub(crate) fn most_of_a_caller(&self) -> u64 {
        self.callers.values().copied().max().unwrap_or(0)
    }
}

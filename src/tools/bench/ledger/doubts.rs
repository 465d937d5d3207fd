//! Two orders of which it is not known yet which is right.

use std::collections::HashMap;

use super::Id;

/// Messages that a member showed before others that were shown by then. Either that is its order, or it lacks the
/// others: it is known once it shows one of them.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// How often each of the former came late to somebody.
    late: HashMap<Id, u64>,
    /// By member and the first of the others.
    by_next: HashMap<(u32, Id), Vec<Id>>,
}

impl Doubts {
    /// Returns true if all orders are known.
    pub(super) fn is_empty(&self) -> bool {
        self.by_next.is_empty()
    }

    /// Notes that a member showed a message where the others show the next one.
    pub(super) fn add(&mut self, member: u32, id: Id, next: Id) {
        self.late.insert(id, 0);
        self.by_next.entry((member, next)).or_default().push(id);
    }

    /// Notes that a message came late to somebody; returns true if it is not known which order is right.
    pub(super) fn is_late(&mut self, id: Id) -> bool {
        let late = self.late.get_mut(&id);
        late.map(|late| *late += 1).is_some()
    }

    /// Notes that a member shows a message; returns how many came late by the order that this makes sure.
    pub(super) fn settle(&mut self, member: u32, id: Id) -> u64 {
        let earlier = self.by_next.remove(&(member, id)).unwrap_or_default();
        let late = earlier.iter().filter_map(|id| self.late.remove(id));
        late.sum()
    }
}

//! The order of a room, as its members show it.

use super::{Id, Ledger};

/// How often what all members have passed is dropped from the order: each time it is so long.
pub(super) const PRUNE: usize = 1024;

impl Ledger {
    /// Moves a member over a message; returns false if it has shown it before.
    pub(super) fn put(&mut self, member: u32, id: Id, place: Option<u64>) -> bool {
        let at = self.members[member as usize].place;
        let end = self.base + self.order.len() as u64;
        if !self.doubts.is_empty() {
            self.tally.reordered += self.doubts.settle(member, id);
        }
        match place {
            Some(place) if place == at => {}
            Some(place) if place > at => {
                for passed in at..place {
                    let index = usize::try_from(passed - self.base).expect("it is in memory");
                    self.passed.insert((member, self.order[index]));
                }
            }
            Some(_) => {
                if !self.passed.remove(&(member, id)) {
                    return false;
                }
                if !self.doubts.is_late(id) {
                    self.tally.reordered += 1;
                }
                return true;
            }
            None if at == end => self.append(id),
            None => {
                self.insert(member, at, id);
                self.members[member as usize].place = at + 1;
                return true;
            }
        }
        self.members[member as usize].place = place.unwrap_or(at) + 1;
        true
    }

    /// Puts a message at the end of the room's order.
    fn append(&mut self, (who, n): Id) {
        let end = self.base + self.order.len() as u64;
        self.order.push_back((who, n));
        let sender = &mut self.senders[who as usize];
        if n < sender.next {
            self.tally.reordered += 1;
        }
        sender.next = sender.next.max(n + 1);
        sender.place(n, end);
        if self.order.len() >= PRUNE && self.order.len().is_power_of_two() {
            self.prune();
        }
    }

    /// Puts a message where a member shows it, though others are past that: those have passed it.
    fn insert(&mut self, member: u32, at: u64, id: Id) {
        let index = usize::try_from(at - self.base).expect("it is in memory");
        self.doubts.add(member, id, self.order[index]);
        self.order.insert(index, id);
        for (member, state) in (0_u32..).zip(&mut self.members) {
            if state.place > at {
                state.place += 1;
                if state.counts {
                    self.passed.insert((member, id));
                }
            }
        }
        self.senders[id.0 as usize].place(id.1, at);
        for index in index + 1..self.order.len() {
            let (who, n) = self.order[index];
            let sender = &mut self.senders[who as usize];
            if let Some(index) = n.checked_sub(sender.first) {
                let place = &mut sender.messages[index as usize].place;
                *place = place.map(|place| place + 1);
            }
        }
    }

    fn prune(&mut self) {
        let present = self.members.iter().filter(|member| member.counts);
        let passed = present.map(|member| member.place).min();
        let Some(passed) = passed else { return };
        let count = usize::try_from(passed.saturating_sub(self.base)).unwrap_or(0);
        self.order.drain(..count.min(self.order.len()));
        self.base = self.base.max(passed);
    }
}

//! Which rooms the node wants, and which of them its wire has.
//!
//! Asking only notes the wish; the difference between wishes and wire makes the next batch. So whatever order rooms are
//! asked for and left in, the last wish wins, and a confirmation counts only for the generation that it was asked for.

use std::collections::{HashMap, VecDeque};

use crate::protocol::RoomName;

/// The rooms of one node.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    rooms: HashMap<RoomName, Room>,
    /// Rooms whose wish may differ from the wire, each once.
    changed: VecDeque<RoomName>,
    confirmed: usize,
}

#[derive(Debug, Default)]
struct Room {
    /// Generation asked for last; `None` when the room is to be left.
    wanted: Option<u64>,
    /// Generation that the wire confirmed.
    confirmed: Option<u64>,
    /// Whether the wire may carry the room's payloads.
    on_wire: bool,
    /// Whether the room is in `changed`.
    queued: bool,
    /// Whether payloads may be missing since the last confirmation.
    interrupted: bool,
}

/// What the wire is to be told next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// Rooms to subscribe with the generation that asks.
    pub(super) enter: Vec<(RoomName, u64)>,
    /// Rooms to unsubscribe.
    pub(super) leave: Vec<RoomName>,
}

/// A subscription that the wire has confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Confirmed {
    pub(super) room: RoomName,
    pub(super) generation: u64,
    /// Whether it was interrupted before.
    pub(super) again: bool,
}

impl Wanted {
    /// Notes that a room is wanted; `interrupted` tells that payloads may be missing already.
    pub(super) fn want(&mut self, room: RoomName, generation: u64, interrupted: bool) {
        let state = self.rooms.entry(room.clone()).or_default();
        state.wanted = Some(generation);
        state.interrupted |= interrupted;
        self.queue(room);
    }

    /// Forgets the rooms that the wire has no part in any more; returns those that are wanted.
    pub(super) fn give_away(
        &mut self,
        is_foreign: impl Fn(&RoomName) -> bool,
    ) -> Vec<(RoomName, u64)> {
        let mut given = Vec::new();
        let confirmed = &mut self.confirmed;
        self.rooms.retain(|room, state| {
            let stays = !is_foreign(room);
            if !stays {
                *confirmed -= usize::from(state.confirmed.is_some());
                given.extend(state.wanted.map(|generation| (room.clone(), generation)));
            }
            stays
        });
        given
    }

    /// Notes that the server did not take a room: it is to be subscribed again.
    pub(super) fn refused(&mut self, room: &RoomName) {
        if let Some(state) = self.rooms.get_mut(room) {
            state.interrupted = true;
            self.queue(room.clone());
        }
    }

    /// Notes that a room is wanted no more, if this generation asked last.
    pub(super) fn leave(&mut self, room: RoomName, generation: u64) {
        if let Some(state) = self.rooms.get_mut(&room)
            && state.wanted == Some(generation)
        {
            state.wanted = None;
            self.queue(room);
        }
    }

    /// Returns the next differences, at most `limit` rooms; `None` if there are none.
    pub(super) fn next(&mut self, limit: usize) -> Option<Batch> {
        let mut batch = Batch::default();
        while batch.enter.len() + batch.leave.len() < limit {
            let Some(room) = self.changed.pop_front() else {
                break;
            };
            let Some(state) = self.rooms.get_mut(&room) else {
                continue;
            };
            state.queued = false;
            match state.wanted {
                Some(generation) if state.confirmed == Some(generation) => {}
                Some(generation) => batch.enter.push((room, generation)),
                None if state.on_wire => batch.leave.push(room),
                None => drop(self.rooms.remove(&room)),
            }
        }
        (!batch.enter.is_empty() || !batch.leave.is_empty()).then_some(batch)
    }

    /// Notes that the wire did what the batch says; returns the confirmations that are still wanted.
    pub(super) fn done(&mut self, batch: Batch) -> Vec<Confirmed> {
        for room in batch.leave {
            if let Some(state) = self.rooms.get_mut(&room) {
                state.on_wire = false;
                self.confirmed -= usize::from(state.confirmed.take().is_some());
                if state.wanted.is_none() && !state.queued {
                    self.rooms.remove(&room);
                }
            }
        }
        batch
            .enter
            .into_iter()
            .filter_map(|(room, generation)| self.confirm(room, generation))
            .collect()
    }

    fn confirm(&mut self, room: RoomName, generation: u64) -> Option<Confirmed> {
        let state = self.rooms.get_mut(&room)?;
        state.on_wire = true;
        self.confirmed += usize::from(state.confirmed.replace(generation).is_none());
        if state.wanted != Some(generation) {
            return None;
        }
        let again = std::mem::take(&mut state.interrupted);
        Some(Confirmed {
            room,
            generation,
            again,
        })
    }

    /// Notes that the server ended a subscription unasked; returns true if the room is wanted.
    pub(super) fn lost(&mut self, room: &RoomName) -> bool {
        let Some(state) = self.rooms.get_mut(room) else {
            return false;
        };
        state.on_wire = false;
        state.interrupted = true;
        self.confirmed -= usize::from(state.confirmed.take().is_some());
        let is_wanted = state.wanted.is_some();
        self.queue(room.clone());
        is_wanted
    }

    /// Notes that the wire is gone: every room still wanted is to be subscribed again. Returns those that it carried.
    pub(super) fn cut(&mut self) -> Vec<RoomName> {
        self.confirmed = 0;
        self.rooms.retain(|_, state| state.wanted.is_some());
        self.changed.clear();
        let mut carried = Vec::new();
        for (room, state) in &mut self.rooms {
            if state.confirmed.take().is_some() {
                state.interrupted = true;
                carried.push(room.clone());
            }
            state.on_wire = false;
            state.queued = true;
            self.changed.push_back(room.clone());
        }
        carried
    }

    /// Returns true if the wire carries the room for the generation that asked last.
    pub(super) fn is_confirmed(&self, room: &RoomName) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|state| state.wanted.is_some() && state.confirmed == state.wanted)
    }

    /// Returns how many rooms the wire carries.
    pub(super) fn confirmed(&self) -> usize {
        self.confirmed
    }

    fn queue(&mut self, room: RoomName) {
        if let Some(state) = self.rooms.get_mut(&room)
            && !std::mem::replace(&mut state.queued, true)
        {
            self.changed.push_back(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn confirmed(name: &str, generation: u64, again: bool) -> Confirmed {
        Confirmed {
            room: room(name),
            generation,
            again,
        }
    }

    #[test]
    fn a_batch_holds_what_differs_and_no_more_than_its_limit() {
        let mut wanted = Wanted::default();
        for index in 0..5 {
            wanted.want(room(&format!("r{index}")), 1, false);
        }
        assert_eq!(wanted.next(3).unwrap().enter.len(), 3);
        assert_eq!(wanted.next(3).unwrap().enter.len(), 2);
        assert_eq!(wanted.next(3), None);
    }

    #[test]
    fn a_confirmation_counts_only_for_the_generation_that_asked_last() {
        let mut wanted = Wanted::default();
        wanted.want(room("a"), 1, false);
        let first = wanted.next(9).unwrap();
        wanted.leave(room("a"), 1);
        wanted.want(room("a"), 2, false);
        assert_eq!(wanted.done(first), []);
        assert!(!wanted.is_confirmed(&room("a")));
        let second = wanted.next(9).unwrap();
        assert_eq!(second.enter, [(room("a"), 2)]);
        assert_eq!(wanted.done(second), [confirmed("a", 2, false)]);
        assert!(wanted.is_confirmed(&room("a")));
    }

    #[test]
    fn only_the_last_generation_can_leave() {
        let mut wanted = Wanted::default();
        wanted.want(room("a"), 1, false);
        wanted.want(room("a"), 2, false);
        wanted.leave(room("a"), 1);
        let batch = wanted.next(9).unwrap();
        assert_eq!(wanted.done(batch), [confirmed("a", 2, false)]);
        wanted.leave(room("a"), 2);
        let batch = wanted.next(9).unwrap();
        assert_eq!(batch.leave, [room("a")]);
        assert_eq!(wanted.done(batch), []);
        assert_eq!((wanted.confirmed(), wanted.rooms.len()), (0, 0));
    }

    #[test]
    fn a_room_left_before_it_was_asked_for_costs_nothing() {
        let mut wanted = Wanted::default();
        wanted.want(room("a"), 1, false);
        wanted.leave(room("a"), 1);
        assert_eq!(wanted.next(9), None);
        assert!(wanted.rooms.is_empty());
    }

    #[test]
    fn a_cut_asks_again_for_what_is_wanted() {
        let mut wanted = Wanted::default();
        wanted.want(room("a"), 1, false);
        wanted.want(room("b"), 1, false);
        let batch = wanted.next(9).unwrap();
        wanted.done(batch);
        wanted.leave(room("b"), 1);
        wanted.want(room("c"), 1, false);
        wanted.cut();
        assert_eq!(wanted.confirmed(), 0);
        let batch = wanted.next(9).unwrap();
        let mut again = wanted.done(batch);
        again.sort_by(|one, other| one.room.cmp(&other.room));
        assert_eq!(again, [confirmed("a", 1, true), confirmed("c", 1, false)]);
    }

    #[test]
    fn a_subscription_ended_unasked_is_asked_for_again() {
        let mut wanted = Wanted::default();
        wanted.want(room("a"), 1, false);
        let batch = wanted.next(9).unwrap();
        wanted.done(batch);
        assert!(wanted.lost(&room("a")));
        assert!(!wanted.lost(&room("b")));
        let batch = wanted.next(9).unwrap();
        assert_eq!(wanted.done(batch), [confirmed("a", 1, true)]);
    }

    proptest! {
        /// Whatever is asked, left, cut and lost between batches: in the end the wire has exactly the wanted rooms,
        /// each confirmed for the generation that asked last.
        #[test]
        fn the_wire_ends_with_what_is_wanted(steps in prop::collection::vec((0_u8..6, 0_u8..4), 0..60)) {
            let mut wanted = Wanted::default();
            let (mut generation, mut wire, mut asked) = (0, HashMap::new(), HashMap::new());
            let mut in_flight = None;
            for (step, index) in steps.into_iter().chain([(9, 0), (9, 0), (9, 0)]) {
                let name = room(&format!("r{index}"));
                match step {
                    0 | 1 => {
                        generation += 1;
                        asked.insert(name.clone(), generation);
                        wanted.want(name, generation, false);
                    }
                    2 => if let Some(last) = asked.remove(&name) { wanted.leave(name, last) },
                    3 => { wanted.cut(); wire.clear(); in_flight = None; }
                    4 => if wire.remove(&name).is_some() { wanted.lost(&name); },
                    _ => {
                        if let Some(Batch { enter, leave }) = in_flight.take() {
                            for (room, generation) in &enter { wire.insert(room.clone(), *generation); }
                            for room in &leave { wire.remove(room); }
                            for confirmed in wanted.done(Batch { enter, leave }) {
                                prop_assert_eq!(asked.get(&confirmed.room), Some(&confirmed.generation));
                            }
                        }
                        in_flight = wanted.next(2);
                    }
                }
            }
            while let Some(batch) = in_flight.take().or_else(|| wanted.next(2)) {
                for (room, generation) in &batch.enter { wire.insert(room.clone(), *generation); }
                for room in &batch.leave { wire.remove(room); }
                wanted.done(batch);
            }
            prop_assert_eq!(&wire, &asked);
            prop_assert_eq!(wanted.confirmed(), asked.len());
            for room in asked.keys() { prop_assert!(wanted.is_confirmed(room)); }
        }
    }
}

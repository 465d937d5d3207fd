//! What has changed about this node's users and is not written yet.
//!
//! The changes of a room gather for a moment and become one call; of each user only the last one counts. While Redis is
//! away they wait, never more than users who are or were here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::super::super::PresenceChange;
use super::BIG_ROOM;
use crate::protocol::{RoomName, UserId};

/// How long the changes of a room gather.
const GATHER: Duration = Duration::from_millis(150);

/// How long those of a big room gather, so that it hears of its members once a second from each node.
const GATHER_BIG: Duration = Duration::from_secs(1);

/// Changes of one call: some milliseconds for Redis.
const MAX_CALL: usize = 500;

/// Changes of all rooms; pure state.
#[derive(Debug, Default)]
pub(super) struct Changes {
    rooms: HashMap<RoomName, Room>,
    due: BinaryHeap<Reverse<(Instant, RoomName)>>,
    /// How often all was begun anew.
    era: u64,
}

#[derive(Debug, Default)]
struct Room {
    /// Users that the lease may hold: their coming was written, or tried.
    here: HashSet<UserId>,
    pending: HashMap<UserId, PresenceChange>,
    is_due: bool,
    is_big: bool,
    /// Whether the lease's index names the room.
    is_indexed: bool,
}

/// Changes of one room for one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) room: RoomName,
    pub(super) changes: Vec<PresenceChange>,
    /// Whether the lease's index names the room already.
    pub(super) is_indexed: bool,
    era: u64,
}

impl Changes {
    /// Adds changes of a room.
    pub(super) fn add(&mut self, room: &RoomName, changes: Vec<PresenceChange>, now: Instant) {
        let state = self.rooms.entry(room.clone()).or_default();
        for change in changes {
            let id = user_of(&change).clone();
            // Who was never written needs not to be taken out.
            if matches!(change, PresenceChange::Gone(_)) && !state.here.contains(&id) {
                state.pending.remove(&id);
            } else {
                state.pending.insert(id, change);
            }
        }
        let gather = if state.is_big { GATHER_BIG } else { GATHER };
        self.settle(room, now + gather);
    }

    /// Returns when the next room is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Returns what is due, at most about `limit` changes.
    pub(super) fn take(&mut self, now: Instant, limit: usize) -> Vec<Batch> {
        let (mut batches, mut taken) = (Vec::new(), 0);
        while taken < limit && self.next_due().is_some_and(|at| at <= now) {
            let Some(Reverse((_, room))) = self.due.pop() else {
                break;
            };
            let Some(state) = self.rooms.get_mut(&room) else {
                continue;
            };
            state.is_due = false;
            let ids: Vec<UserId> = state.pending.keys().take(MAX_CALL).cloned().collect();
            let changes: Vec<_> = ids
                .iter()
                .filter_map(|id| state.pending.remove(id))
                .collect();
            for change in &changes {
                if let PresenceChange::Here(user) = change {
                    state.here.insert(user.id.clone());
                }
            }
            taken += changes.len();
            let is_indexed = state.is_indexed;
            self.settle(&room, now);
            if !changes.is_empty() {
                batches.push(Batch {
                    room,
                    changes,
                    is_indexed,
                    era: self.era,
                });
            }
        }
        batches
    }

    /// Notes that the lease's index names the room.
    pub(super) fn indexed(&mut self, batch: &Batch) {
        if batch.era == self.era
            && let Some(state) = self.rooms.get_mut(&batch.room)
        {
            state.is_indexed = true;
        }
    }

    /// Notes how far a batch was written, and how many users the room has; the rest is due again at `again`.
    pub(super) fn written(&mut self, batch: Batch, written: usize, count: u64, again: Instant) {
        if batch.era != self.era {
            return;
        }
        let Some(state) = self.rooms.get_mut(&batch.room) else {
            return;
        };
        state.is_big = count > BIG_ROOM;
        for change in batch.changes.iter().take(written) {
            if let PresenceChange::Gone(id) = change {
                state.here.remove(id);
            }
        }
        self.give_back(batch, written, again);
    }

    /// Notes that it is not known whether a batch was written; it is due again at `again`.
    pub(super) fn unknown(&mut self, batch: Batch, again: Instant) {
        if batch.era == self.era {
            self.give_back(batch, 0, again);
        }
    }

    /// Forgets the rooms that nobody is in and returns those that the lease's index names.
    pub(super) fn forget_empty<'a>(
        &mut self,
        rooms: impl IntoIterator<Item = &'a RoomName>,
    ) -> Vec<RoomName> {
        let mut indexed = Vec::new();
        for room in rooms {
            if self.rooms.get(room).is_some_and(Room::is_empty)
                && self
                    .rooms
                    .remove(room)
                    .is_some_and(|state| state.is_indexed)
            {
                indexed.push(room.clone());
            }
        }
        indexed
    }

    /// Begins anew: another lease holds nobody yet, and the hub tells everybody again.
    pub(super) fn restart(&mut self) {
        *self = Self {
            era: self.era + 1,
            ..Self::default()
        };
    }

    fn give_back(&mut self, batch: Batch, from: usize, again: Instant) {
        let Some(state) = self.rooms.get_mut(&batch.room) else {
            return;
        };
        for change in batch.changes.into_iter().skip(from) {
            state
                .pending
                .entry(user_of(&change).clone())
                .or_insert(change);
        }
        self.settle(&batch.room, again);
    }

    /// Makes a room due if it has changes, and forgets one that was never written and has none.
    fn settle(&mut self, room: &RoomName, at: Instant) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        if !state.pending.is_empty() && !state.is_due {
            state.is_due = true;
            self.due.push(Reverse((at, room.clone())));
        } else if state.is_empty() && !state.is_indexed && !state.is_due {
            self.rooms.remove(room);
        }
    }
}

impl Room {
    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.pending.is_empty()
    }
}

fn user_of(change: &PresenceChange) -> &UserId {
    match change {
        PresenceChange::Here(user) => &user.id,
        PresenceChange::Gone(id) => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{User, UserName};

    fn room() -> RoomName {
        RoomName::parse("a").unwrap()
    }

    fn id(index: usize) -> UserId {
        UserId::parse(&format!("u{index}")).unwrap()
    }

    fn here(index: usize, name: &str) -> PresenceChange {
        PresenceChange::Here(User {
            id: id(index),
            name: UserName::parse(name).unwrap(),
            bot: None,
        })
    }

    fn gone(index: usize) -> PresenceChange {
        PresenceChange::Gone(id(index))
    }

    /// Takes the one batch that is due.
    fn take(changes: &mut Changes, now: Instant) -> Batch {
        let mut batches = changes.take(now, 1000);
        assert_eq!(batches.len(), 1);
        batches.remove(0)
    }

    #[test]
    fn changes_gather_and_the_last_of_each_user_counts() {
        let (mut changes, now) = (Changes::default(), Instant::now());
        changes.add(&room(), vec![here(1, "Ann"), here(2, "Bob")], now);
        changes.add(&room(), vec![here(1, "Anna"), gone(2)], now + GATHER / 2);
        assert_eq!(changes.next_due(), Some(now + GATHER));
        assert_eq!(changes.take(now, 1000), []);
        assert_eq!(take(&mut changes, now + GATHER).changes, [here(1, "Anna")]);
        assert_eq!(changes.next_due(), None);
    }

    #[test]
    fn who_came_and_went_unwritten_leaves_nothing_behind() {
        let (mut changes, now) = (Changes::default(), Instant::now());
        changes.add(&room(), vec![here(1, "Ann")], now);
        changes.add(&room(), vec![gone(1)], now);
        assert_eq!(changes.take(now + GATHER, 1000), []);
        assert!(changes.rooms.is_empty());
    }

    #[test]
    fn what_may_have_been_written_is_taken_out() {
        let (mut changes, now) = (Changes::default(), Instant::now());
        changes.add(&room(), vec![here(1, "Ann")], now);
        let batch = take(&mut changes, now + GATHER);
        changes.add(&room(), vec![gone(1)], now + GATHER);
        changes.unknown(batch, now + GATHER);
        let batch = take(&mut changes, now + 2 * GATHER);
        assert_eq!(batch.changes, [gone(1)]);
        changes.indexed(&batch);
        changes.written(batch, 1, 0, now);
        assert_eq!(changes.forget_empty([&room()]), [room()]);
        assert!(changes.rooms.is_empty());
    }

    #[test]
    fn what_was_not_written_comes_again_unless_something_newer_did() {
        let (mut changes, now) = (Changes::default(), Instant::now());
        changes.add(
            &room(),
            vec![here(1, "Ann"), here(2, "Bob"), here(3, "Cho")],
            now,
        );
        let batch = take(&mut changes, now + GATHER);
        let [first, second, third] = [0, 1, 2].map(|index| batch.changes[index].clone());
        changes.add(
            &room(),
            vec![PresenceChange::Gone(user_of(&second).clone())],
            now + GATHER,
        );
        changes.written(batch, 1, 1, now + GATHER);
        let again = take(&mut changes, now + 2 * GATHER).changes;
        assert!(
            !again.contains(&first) && !again.contains(&second) && again.contains(&third),
            "{again:?}"
        );
        assert_eq!(again.len(), 2);
    }

    #[test]
    fn many_changes_are_several_calls_and_a_big_room_waits_longer() {
        let (mut changes, now) = (Changes::default(), Instant::now());
        changes.add(
            &room(),
            (0..MAX_CALL + 1).map(|index| here(index, "Ann")).collect(),
            now,
        );
        let now = now + GATHER;
        let batches = changes.take(now, usize::MAX);
        assert_eq!(
            batches
                .iter()
                .map(|batch| batch.changes.len())
                .collect::<Vec<_>>(),
            [MAX_CALL, 1]
        );
        for batch in batches {
            let count = batch.changes.len();
            changes.written(batch, count, 501, now);
        }
        changes.add(&room(), vec![gone(1)], now);
        assert_eq!(changes.next_due(), Some(now + GATHER_BIG));
    }

    #[test]
    fn nothing_of_another_lease_comes_back() {
        let (mut changes, now) = (Changes::default(), Instant::now());
        changes.add(&room(), vec![here(1, "Ann"), here(2, "Bob")], now);
        let batch = take(&mut changes, now + GATHER);
        changes.restart();
        changes.unknown(batch, now);
        assert_eq!(changes.next_due(), None);
        changes.add(&room(), vec![here(1, "Ann")], now);
        let batch = take(&mut changes, now + GATHER);
        assert!(!batch.is_indexed);
        assert_eq!(batch.changes, [here(1, "Ann")]);
    }
}

//! What this node has delivered: the highest seq of each room's recent epochs.
//!
//! A publish passes it to Redis, where a log that ends below it was rewound. Told at every delivery, so the map is cut
//! into shards by room.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::chain::CHAIN_LENGTH;
use crate::protocol::{Epoch, Position, RoomName};

const SHARDS: usize = 32;

type Delivered = HashMap<RoomName, Vec<(Epoch, u64)>>;

/// Highest delivered seq per room and epoch. No lock is held across an await.
#[derive(Debug)]
pub struct Positions {
    shards: Vec<Mutex<Delivered>>,
    hasher: RandomState,
}

impl Positions {
    /// Begins without any room.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
        }
    }

    /// Raises the room's mark in the position's epoch, or forgets the room.
    pub fn deliver(&self, room: &RoomName, position: Option<&Position>) {
        let mut shard = self.shard(room);
        let Some(Position { epoch, seq }) = position else {
            shard.remove(room);
            return;
        };
        let Some(epoch) = epoch else {
            return;
        };
        let Some(marks) = shard.get_mut(room) else {
            shard.insert(room.clone(), vec![(epoch.clone(), *seq)]);
            return;
        };
        if let Some((_, highest)) = marks.iter_mut().find(|(known, _)| known == epoch) {
            *highest = (*highest).max(*seq);
            return;
        }
        if marks.len() == CHAIN_LENGTH {
            marks.remove(0);
        }
        marks.push((epoch.clone(), *seq));
    }

    /// Returns the room's marks, the epoch that was new last at the end; at most as many as a chain has epochs.
    #[must_use]
    pub fn of(&self, room: &RoomName) -> Vec<(Epoch, u64)> {
        self.shard(room).get(room).cloned().unwrap_or_default()
    }

    fn shard(&self, room: &RoomName) -> MutexGuard<'_, Delivered> {
        let index = usize::try_from(self.hasher.hash_one(room) % SHARDS as u64).unwrap_or(0);
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Positions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(name: &str) -> Epoch {
        Epoch::parse(name).unwrap()
    }

    #[test]
    fn the_highest_seq_of_each_epoch_stays() {
        let (positions, room) = (Positions::new(), RoomName::trusted("lobby"));
        for (name, seq) in [("a", 3), ("a", 7), ("a", 5), ("b", 4), ("a", 6)] {
            positions.deliver(&room, Some(&Position::new(epoch(name), seq)));
        }
        assert_eq!(positions.of(&room), [(epoch("a"), 7), (epoch("b"), 4)]);
        assert_eq!(positions.of(&RoomName::trusted("other")), []);
    }

    #[test]
    fn the_position_of_an_empty_room_says_nothing() {
        let (positions, room) = (Positions::new(), RoomName::trusted("lobby"));
        positions.deliver(&room, Some(&Position::EMPTY));
        assert_eq!(positions.of(&room), []);
    }

    #[test]
    fn a_forgotten_room_is_gone() {
        let (positions, room) = (Positions::new(), RoomName::trusted("lobby"));
        positions.deliver(&room, Some(&Position::new(epoch("a"), 3)));
        positions.deliver(&room, None);
        assert_eq!(positions.of(&room), []);
    }

    #[test]
    fn only_the_newest_epochs_are_kept() {
        let (positions, room) = (Positions::new(), RoomName::trusted("lobby"));
        for number in 1..=20_u64 {
            positions.deliver(
                &room,
                Some(&Position::new(epoch(&format!("e{number}")), number)),
            );
        }
        let kept: Vec<u64> = positions.of(&room).iter().map(|(_, seq)| *seq).collect();
        assert_eq!(kept, (13..=20).collect::<Vec<_>>());
    }
}

//! All numbers that any node saw, and what they named.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use madang::broker::Entry;
use madang::protocol::{Epoch, RoomName};

type Name = (RoomName, Epoch, u64);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<HashMap<Name, Bytes>>);

impl Ledger {
    /// Notes what a number names.
    ///
    /// # Panics
    /// If it named something else before.
    pub(crate) fn note(&self, room: &RoomName, epoch: &Epoch, seq: u64, m: &Bytes) {
        let name = (room.clone(), epoch.clone(), seq);
        let mut names = self.0.lock().unwrap();
        let known = names.entry(name).or_insert_with(|| m.clone());
        assert_eq!(known, m, "({room}, {epoch}, {seq}) names two entries");
    }

    /// Notes entries, and that they ascend.
    pub(crate) fn note_all(&self, room: &RoomName, entries: &[Entry]) {
        for entry in entries {
            self.note(room, &entry.epoch, entry.seq, &entry.m);
        }
        let ascends = entries
            .windows(2)
            .all(|pair| pair[0].seq < pair[1].seq && pair[0].at <= pair[1].at);
        assert!(ascends, "{entries:?} do not ascend");
    }

    /// Returns how many entries have a number.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

//! A sink that remembers, for tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::super::{Event, Sink};
use super::testing::eventually;
use crate::protocol::{Position, RoomName};

/// Remembers every event, or refuses all while it is told to.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    events: Mutex<Vec<Event>>,
    is_full: AtomicBool,
}

impl Sink for Recorder {
    fn event(&self, event: Event) -> bool {
        let has_room = !self.is_full.load(Ordering::Relaxed);
        if has_room {
            self.events().push(event);
        }
        has_room
    }
}

impl Recorder {
    pub(super) fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap()
    }

    pub(super) fn refuse(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Forgets what came.
    pub(super) fn clear(&self) {
        self.events().clear();
    }

    pub(super) fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.events().iter().filter(|event| matches(event)).count()
    }

    /// Waits for an event.
    pub(super) async fn expect(&self, what: &str, matches: impl Fn(&Event) -> bool) {
        eventually(what, || self.count(&matches) > 0).await;
    }

    pub(super) async fn expect_up(&self) {
        self.expect("up", |event| *event == Event::Up).await;
    }

    pub(super) async fn expect_subscribed(&self, room: &RoomName, generation: u64) {
        let wanted = Event::Subscribed {
            room: room.clone(),
            generation,
        };
        self.expect("subscribed", |event| *event == wanted).await;
    }

    pub(super) async fn expect_probed(&self, room: &RoomName, position: &Position) {
        let wanted = Event::Probed {
            room: room.clone(),
            position: position.clone(),
        };
        self.expect("probed", |event| *event == wanted).await;
    }

    /// Returns the seqs of a room's entries in the order that they came.
    pub(super) fn seqs(&self, of: &RoomName) -> Vec<u64> {
        let mut seqs = Vec::new();
        for event in self.events().iter() {
            if let Event::Entries { room, entries } = event
                && room == of
            {
                seqs.extend(entries.iter().map(|entry| entry.seq));
            }
        }
        seqs
    }
}

//! What the store does later: one list of deadlines, and the task that keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::Entry;
use super::MemoryBroker;
use crate::protocol::RoomName;

/// Something to be done at its time.
#[derive(Debug)]
pub(super) enum Due {
    /// Tell a room's nodes what changed in its presence.
    Announce(RoomName),
    /// Drop an ended lease from all rooms.
    Sweep(u64),
    /// Tell nodes which rooms lost entries at a full sink.
    Suspects,
    /// Carry a payload that was held up.
    Payload(RoomName, Vec<Entry>),
    /// Show nodes where a room's log ends.
    Probe(RoomName),
    /// Drop what is past its time.
    Tidy,
}

/// Deadlines in their order; equal ones in the order they were made.
#[derive(Debug)]
pub(super) struct Agenda {
    due: BTreeMap<(Instant, u64), Due>,
    made: u64,
    wake: Arc<Notify>,
}

impl Agenda {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self {
            due: BTreeMap::new(),
            made: 0,
            wake,
        }
    }

    /// Adds a deadline.
    pub(super) fn after(&mut self, delay: Duration, due: Due) {
        self.made += 1;
        let at = (now() + delay, self.made);
        if self
            .due
            .first_key_value()
            .is_none_or(|(first, _)| at < *first)
        {
            self.wake.notify_one();
        }
        self.due.insert(at, due);
    }

    /// Takes the first deadline that has passed.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Returns when the next deadline passes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}

/// Returns the time by tokio's clock, which tests may pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Keeps a store's deadlines until the store is gone.
pub(super) async fn keep_time(store: Weak<MemoryBroker>, wake: Arc<Notify>) {
    while let Some(next) = store.upgrade().map(|store| store.keep_up()) {
        let passed = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = passed => {}
            () = wake.notified() => {}
        }
    }
}

//! A node's sink that keeps all it hears.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use madang::broker::{Entry, Ephemeral, Event, Sink};
use madang::protocol::RoomName;
use tokio::sync::Notify;

use super::Ledger;
use crate::support::PATIENCE;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Ear {
    heard: Mutex<Vec<Event>>,
    /// What a sink cannot say by panicking, since it runs in the broker's tasks.
    fault: Mutex<Option<String>>,
    changed: Notify,
    ledger: Arc<Ledger>,
}

impl Sink for Ear {
    fn event(&self, event: Event) -> bool {
        if let Event::Entries { room, entries } = &event {
            let check = || self.ledger.note_all(room, entries);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err() {
                *self.fault.lock().unwrap() = Some(format!("{event:?}"));
            }
        }
        self.heard.lock().unwrap().push(event);
        self.changed.notify_waiters();
        true
    }
}

impl Ear {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            heard: Mutex::default(),
            fault: Mutex::default(),
            changed: Notify::new(),
            ledger,
        }
    }

    /// Returns all events so far.
    pub(crate) fn heard(&self) -> Vec<Event> {
        let fault = self.fault.lock().unwrap().clone();
        assert_eq!(fault, None, "the node heard what contradicts the ledger");
        self.heard.lock().unwrap().clone()
    }

    /// Returns how many events there are so far.
    pub(crate) fn mark(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// Waits until the events satisfy a condition; fails with `what` and the events if they never do.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let begun = Instant::now();
        loop {
            let changed = self.changed.notified();
            let heard = self.heard();
            if holds(&heard) {
                return heard;
            }
            let rest = PATIENCE.saturating_sub(begun.elapsed());
            if tokio::time::timeout(rest, changed).await.is_err() {
                let last = &heard[heard.len().saturating_sub(20)..];
                panic!(
                    "never heard: {what}; the last of {} events are {last:#?}",
                    heard.len()
                );
            }
        }
    }

    /// Waits until the room's payloads arrive for this generation, counted from an earlier [`Ear::mark`].
    pub(crate) async fn until_subscribed(&self, room: &RoomName, generation: u64, since: usize) {
        let wanted = Event::Subscribed {
            room: room.clone(),
            generation,
        };
        self.until("the room is subscribed", |events| {
            events[since..].contains(&wanted)
        })
        .await;
    }

    /// Waits until an entry of this text has come; returns all entries of the room until then.
    pub(crate) async fn until_text(&self, room: &RoomName, text: &str) -> Vec<Entry> {
        let text = text.as_bytes();
        let is_wanted = |entry: &Entry| entry.m.windows(text.len()).any(|part| part == text);
        let heard = self
            .until("an entry", |events| {
                entries(events, room).iter().any(is_wanted)
            })
            .await;
        entries(&heard, room)
    }
}

/// Returns the entries of a room among events.
pub(crate) fn entries(events: &[Event], wanted: &RoomName) -> Vec<Entry> {
    let of_room = |event: &Event| match event {
        Event::Entries { room, entries } if room == wanted => entries.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(of_room).collect()
}

/// Returns the ephemeral things of a room among events.
pub(crate) fn ephemerals(events: &[Event], wanted: &RoomName) -> Vec<Ephemeral> {
    let of_room = |event: &Event| match event {
        Event::Ephemeral { room, ephemeral } if room == wanted => Some(ephemeral.clone()),
        _ => None,
    };
    events.iter().filter_map(of_room).collect()
}

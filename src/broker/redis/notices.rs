//! Events that must not be lost, on their way to the sink.
//!
//! What happened to the subscriptions goes past the payloads, so that no full queue holds it up. Where the sink has no
//! room it is kept and told again, the newest of its kind for each room: what is kept never outgrows the rooms.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::{Event, Sink};
use crate::protocol::RoomName;

/// How long the sink gets to make room before it is asked again.
const RETRY: Duration = Duration::from_millis(5);

/// Keeps events until the sink has taken them.
#[derive(Debug)]
pub(super) struct Notices {
    sink: Arc<dyn Sink>,
    kept: Mutex<Kept>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    down: Option<String>,
    up: bool,
    lease_renewed: bool,
    subscribed: HashMap<RoomName, u64>,
    suspects: HashSet<RoomName>,
}

impl Notices {
    pub(super) fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            kept: Mutex::default(),
            added: Notify::new(),
        }
    }

    /// Tells that the way works; a cut not yet told is told first.
    pub(super) fn up(&self) {
        self.add(|kept| kept.up = true);
    }

    /// Tells that the way is cut; confirmations of before mean nothing any more.
    pub(super) fn down(&self, reason: &str) {
        self.add(|kept| {
            kept.down = Some(reason.to_owned());
            kept.up = false;
            kept.subscribed.clear();
        });
    }

    /// Tells that a room's payloads arrive.
    pub(super) fn subscribed(&self, room: RoomName, generation: u64) {
        self.add(|kept| {
            kept.subscribed.insert(room, generation);
        });
    }

    /// Tells that a payload of the room may be missing.
    pub(super) fn suspect(&self, room: RoomName) {
        self.add(|kept| {
            kept.suspects.insert(room);
        });
    }

    /// Tells that the node has another lease.
    pub(super) fn lease_renewed(&self) {
        self.add(|kept| kept.lease_renewed = true);
    }

    /// Gives the sink what is kept, for as long as it is polled.
    pub(super) async fn run(&self) {
        loop {
            self.added.notified().await;
            while !self.tell() {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    fn add(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.kept());
        self.added.notify_one();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers everything once; returns false if something stays.
    fn tell(&self) -> bool {
        // The sink is called without the lock: it may ask for a room at once.
        let mut told = std::mem::take(&mut *self.kept());
        if let Some(reason) = &told.down {
            if !self.sink.event(Event::Down {
                reason: reason.clone(),
            }) {
                return self.put_back(told);
            }
            told.down = None;
        }
        if told.up {
            if !self.sink.event(Event::Up) {
                return self.put_back(told);
            }
            told.up = false;
        }
        told.lease_renewed = told.lease_renewed && !self.sink.event(Event::LeaseRenewed);
        told.subscribed.retain(|room, generation| {
            !self.sink.event(Event::Subscribed {
                room: room.clone(),
                generation: *generation,
            })
        });
        told.suspects
            .retain(|room| !self.sink.event(Event::Suspect { room: room.clone() }));
        told.is_empty() || self.put_back(told)
    }

    /// Keeps what the sink did not take, unless something newer has replaced it; returns false.
    fn put_back(&self, left: Kept) -> bool {
        let mut kept = self.kept();
        if kept.down.is_none() {
            kept.down = left.down;
            kept.up |= left.up;
            for (room, generation) in left.subscribed {
                kept.subscribed.entry(room).or_insert(generation);
            }
        }
        kept.lease_renewed |= left.lease_renewed;
        kept.suspects.extend(left.suspects);
        false
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        !self.lease_renewed && self.subscribed.is_empty() && self.suspects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Takes as many events as it has room for.
    #[derive(Default)]
    struct Narrow {
        room: AtomicUsize,
        taken: Mutex<Vec<Event>>,
    }

    impl Sink for Narrow {
        fn event(&self, event: Event) -> bool {
            let has_room = self
                .room
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                    room.checked_sub(1)
                });
            if has_room.is_ok() {
                self.taken.lock().unwrap().push(event);
            }
            has_room.is_ok()
        }
    }

    fn narrow() -> (Arc<Narrow>, Notices) {
        let sink = Arc::new(Narrow::default());
        let notices = Notices::new(Arc::<Narrow>::clone(&sink));
        (sink, notices)
    }

    fn tell(sink: &Narrow, notices: &Notices, room: usize) -> Vec<Event> {
        sink.room.store(room, Ordering::Relaxed);
        notices.tell();
        std::mem::take(&mut *sink.taken.lock().unwrap())
    }

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn what_finds_no_room_is_told_later_and_once() {
        let (sink, notices) = narrow();
        notices.suspect(room("a"));
        notices.suspect(room("a"));
        notices.lease_renewed();
        assert_eq!(tell(&sink, &notices, 0), []);
        assert_eq!(tell(&sink, &notices, 1), [Event::LeaseRenewed]);
        assert_eq!(
            tell(&sink, &notices, 9),
            [Event::Suspect { room: room("a") }]
        );
        assert_eq!(tell(&sink, &notices, 9), []);
    }

    #[test]
    fn a_cut_comes_before_what_follows_it_and_voids_what_came_before() {
        let (sink, notices) = narrow();
        notices.subscribed(room("a"), 1);
        notices.down("gone");
        assert_eq!(tell(&sink, &notices, 0), []);
        notices.up();
        notices.subscribed(room("b"), 2);
        let down = Event::Down {
            reason: "gone".to_owned(),
        };
        assert_eq!(tell(&sink, &notices, 1), [down]);
        assert_eq!(
            tell(&sink, &notices, 9),
            [
                Event::Up,
                Event::Subscribed {
                    room: room("b"),
                    generation: 2
                }
            ]
        );
    }

    #[test]
    fn the_newest_generation_is_told() {
        let (sink, notices) = narrow();
        notices.subscribed(room("a"), 1);
        assert_eq!(tell(&sink, &notices, 0), []);
        notices.subscribed(room("a"), 2);
        assert_eq!(
            tell(&sink, &notices, 9),
            [Event::Subscribed {
                room: room("a"),
                generation: 2
            }]
        );
    }
}

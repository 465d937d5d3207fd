//! What happened, as the people saw it: every event with its time, in one list.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A talker, by its number.
pub(crate) type Who = usize;
/// A room, by its number.
pub(crate) type RoomIndex = usize;

/// Where an entry stands in its room.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
}

/// What can happen to somebody in a room.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A message is made; it is sent until it is answered.
    Made {
        key: String,
        text: String,
        number: u64,
    },
    /// Its sender was told where it stands by an answer, or saw it.
    Accepted {
        key: String,
        place: Place,
        is_answer: bool,
    },
    /// It is too old to be sent again by itself: the person is asked.
    Asked { key: String },
    /// A membership that begins behind this number.
    Joined { seq: u64 },
    /// The membership ends because the person wants it.
    Left,
    /// A message is shown.
    Shown {
        key: String,
        user: String,
        text: String,
        place: Place,
    },
    /// What stands between two numbers, both included, is told as missing.
    Gap { from: u64, to: u64, reason: String },
    /// Everything from a number on is withdrawn, whatever its epoch.
    Rewound { from: u64 },
    /// A session is open, by the node of this name.
    Opened { node: String },
    /// A session ended.
    Ended { why: String },
    /// A send was refused for now.
    Postponed { code: String, after: Duration },
    /// The node says that it does not reach its broker, or that it does again.
    Degraded(bool),
    /// These users are told to have left.
    Presence { left: Vec<String> },
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) who: Who,
    pub(crate) room: RoomIndex,
    pub(crate) what: What,
}

impl Event {
    /// Returns true if it tells its member that a message does not come.
    fn tells_of(&self, room: RoomIndex, seq: u64) -> bool {
        matches!(&self.what, What::Gap { from, to, .. } if self.room == room && (*from..=*to).contains(&seq))
    }
}

/// A message that not everybody has shown yet.
#[derive(Debug)]
struct Open {
    made: Instant,
    room: RoomIndex,
    place: Option<Place>,
    owed: HashSet<Who>,
}

/// From when to when a message was not everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) made: Instant,
    pub(crate) whole: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    members: HashMap<RoomIndex, HashSet<Who>>,
    open: HashMap<String, Open>,
    ways: Vec<Way>,
    shown: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Inner>);

impl History {
    /// Notes an event, now.
    pub(crate) fn note(&self, who: Who, room: RoomIndex, what: What) {
        let mut inner = self.lock();
        let event = Event {
            at: Instant::now(),
            who,
            room,
            what,
        };
        inner.follow(&event);
        inner.events.push(event);
    }

    /// Returns a copy of all events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// Returns how many messages made before a moment are not yet accepted and shown by all who were members then.
    pub(crate) fn open_before(&self, moment: Instant) -> usize {
        self.lock()
            .open
            .values()
            .filter(|open| open.made < moment)
            .count()
    }

    /// Describes some of the messages that are not everywhere, for a report.
    pub(crate) fn some_open(&self) -> String {
        let inner = self.lock();
        let some: Vec<String> = inner
            .open
            .iter()
            .take(3)
            .map(|(key, open)| format!("{key} at {:?} owed to {:?}", open.place, open.owed))
            .collect();
        some.join("; ")
    }

    /// Returns how many messages were shown so far, by all members together.
    pub(crate) fn shown(&self) -> u64 {
        self.lock().shown
    }

    /// Returns how often an event of some sort happened since a moment.
    pub(crate) fn count_since(&self, moment: Instant, is_it: impl Fn(&What) -> bool) -> usize {
        let inner = self.lock();
        let late = inner
            .events
            .iter()
            .rev()
            .take_while(|event| event.at >= moment);
        late.filter(|event| is_it(&event.what)).count()
    }

    /// Returns when an event of some sort happened first since a moment.
    pub(crate) fn first_since(
        &self,
        moment: Instant,
        is_it: impl Fn(&What) -> bool,
    ) -> Option<Instant> {
        let inner = self.lock();
        let late = inner
            .events
            .iter()
            .rev()
            .take_while(|event| event.at >= moment);
        late.filter(|event| is_it(&event.what))
            .map(|event| event.at)
            .last()
    }

    /// Returns when an event of some sort happened last since a moment.
    pub(crate) fn last_since(
        &self,
        moment: Instant,
        is_it: impl Fn(&What) -> bool,
    ) -> Option<Instant> {
        let inner = self.lock();
        let last = inner.events.iter().rev().find(|event| is_it(&event.what));
        last.map(|event| event.at).filter(|at| *at >= moment)
    }

    /// Returns the way of every message that is everywhere.
    pub(crate) fn ways(&self) -> Vec<Way> {
        self.lock().ways.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Keeps the tables that say what is under way.
    fn follow(&mut self, event: &Event) {
        let (who, room) = (event.who, event.room);
        match &event.what {
            What::Made { key, .. } => {
                let owed = self.members.get(&room).cloned().unwrap_or_default();
                let open = Open {
                    made: event.at,
                    room,
                    place: None,
                    owed,
                };
                self.open.insert(key.clone(), open);
            }
            What::Accepted { key, place, .. } => {
                if let Some(open) = self.open.get_mut(key) {
                    open.place = Some(place.clone());
                    // Whoever sends again what it had no answer to may have been told before that it will not get it.
                    let events = self.events.iter().rev();
                    let since = events.take_while(|event| event.at >= open.made);
                    for told in since.filter(|event| event.tells_of(room, place.seq)) {
                        open.owed.remove(&told.who);
                    }
                }
                self.close(key, event.at);
            }
            What::Asked { key } => {
                self.open.remove(key);
            }
            What::Joined { .. } => {
                self.members.entry(room).or_default().insert(who);
            }
            What::Left => {
                self.members.entry(room).or_default().remove(&who);
                self.excuse(event, |_| true);
            }
            What::Shown { key, .. } => {
                self.shown += 1;
                if let Some(open) = self.open.get_mut(key) {
                    open.owed.remove(&who);
                }
                self.close(key, event.at);
            }
            What::Gap { from, to, .. } => self.excuse(event, |seq| (*from..=*to).contains(&seq)),
            What::Rewound { from, .. } => self.excuse(event, |seq| seq >= *from),
            _ => {}
        }
    }

    /// Takes off the debt of one member what it was told that it will not get. What is withdrawn from one is owed to
    /// nobody: whoever had not seen it need not be told.
    fn excuse(&mut self, event: &Event, is_told: impl Fn(u64) -> bool) {
        let is_left = matches!(event.what, What::Left);
        let is_for_all = matches!(event.what, What::Rewound { .. });
        let mut done = Vec::new();
        for (key, open) in &mut self.open {
            let is_its = open.room == event.room;
            if is_its && (is_left || open.place.as_ref().is_some_and(|place| is_told(place.seq))) {
                if is_for_all {
                    open.owed.clear();
                }
                open.owed.remove(&event.who);
                done.push(key.clone());
            }
        }
        for key in done {
            self.close(&key, event.at);
        }
    }

    fn close(&mut self, key: &str, at: Instant) {
        let is_done = self
            .open
            .get(key)
            .is_some_and(|open| open.place.is_some() && open.owed.is_empty());
        if is_done && let Some(open) = self.open.remove(key) {
            self.ways.push(Way {
                made: open.made,
                whole: at,
            });
        }
    }
}

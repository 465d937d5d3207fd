//! What was sent, accepted and shown, and the verdict: pure code without time or I/O.
//!
//! A member that shows every number of a room in order, where each number stands for one message and each message for
//! one number, has shown every message once and in order. So it is enough to keep one position per member, and one
//! table of numbers per room.

use std::collections::HashMap;

use serde::Serialize;

use crate::protocol::{Epoch, Key};

/// A talker, by its number. It is a member of one room.
pub(super) type Who = usize;

/// What the ledger counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Messages handed to a node, each counted once however often it was sent.
    pub(super) sends: u64,
    /// Messages whose sender was told that they are kept.
    pub(super) accepted: u64,
    /// Messages shown, one for each member.
    pub(super) delivered: u64,
    /// Numbers that a member missed without a word.
    pub(super) lost: u64,
    /// Messages that a member showed twice.
    pub(super) doubled: u64,
    /// Messages shown out of order, of the room or of their sender.
    pub(super) reordered: u64,
    /// Numbers that stand for two messages, and messages that nobody sent.
    pub(super) phantom: u64,
    /// Numbers that were missed and told as a gap.
    pub(super) gaps: u64,
    /// Numbers that were shown and withdrawn.
    pub(super) withdrawn: u64,
}

impl Counts {
    /// True if nothing was lost, doubled, reordered or made up.
    pub(super) const fn is_good(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.reordered == 0 && self.phantom == 0
    }
}

/// How far behind the slowest member a message is forgotten; what comes later than that counts as made up.
const KEPT: u64 = 2_000;

/// A number in a room.
type Place = (Epoch, u64);

#[derive(Debug)]
struct Message {
    from: Who,
    /// Its number among the messages of its sender.
    number: u64,
    is_accepted: bool,
    /// True if the log lost it and its members were told.
    is_withdrawn: bool,
    place: Option<Place>,
    /// The tick in which it was made.
    made: u64,
}

#[derive(Debug, Default)]
struct Room {
    places: HashMap<Place, Key>,
    /// Of each sender the number of its message that was shown last.
    said: HashMap<Who, u64>,
    /// The highest number that was shown.
    end: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Ledger {
    counts: Counts,
    ticks: u64,
    messages: HashMap<Key, Message>,
    sent: Vec<u64>,
    room_of: Vec<usize>,
    rooms: Vec<Room>,
    /// The number up to which each member has shown its room; nothing before it has joined.
    positions: Vec<Option<u64>>,
}

impl Ledger {
    /// Begins with the room of each talker.
    pub(super) fn new(room_of: Vec<usize>) -> Self {
        let rooms = room_of.iter().max().map_or(0, |last| last + 1);
        Self {
            counts: Counts::default(),
            ticks: 0,
            messages: HashMap::new(),
            sent: vec![0; room_of.len()],
            positions: vec![None; room_of.len()],
            rooms: (0..rooms).map(|_| Room::default()).collect(),
            room_of,
        }
    }

    /// Returns what was counted.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Says that time has passed.
    pub(super) const fn tick(&mut self) {
        self.ticks += 1;
    }

    /// Returns how many messages that were made at least so many ticks ago are not yet answered and shown by everybody.
    pub(super) fn overdue(&self, ticks: u64) -> usize {
        let slowest: Vec<u64> = (0..self.rooms.len())
            .map(|room| self.slowest(room))
            .collect();
        let is_overdue = |message: &&Message| {
            let shown = slowest[self.room_of[message.from]];
            let is_shown = message.place.as_ref().is_some_and(|(_, seq)| *seq <= shown);
            message.made + ticks <= self.ticks && !message.is_withdrawn && !is_shown
        };
        self.messages.values().filter(is_overdue).count()
    }

    /// A talker has made a message and will send it until it is answered.
    pub(super) fn sent(&mut self, from: Who, key: &Key) {
        self.counts.sends += 1;
        self.sent[from] += 1;
        let message = Message {
            from,
            number: self.sent[from],
            is_accepted: false,
            is_withdrawn: false,
            place: None,
            made: self.ticks,
        };
        self.messages.insert(key.clone(), message);
    }

    /// The sender was told that its message stands at this place.
    pub(super) fn accepted(&mut self, key: &Key, epoch: &Epoch, seq: u64) {
        let Some(message) = self.messages.get_mut(key) else {
            self.counts.phantom += 1;
            return;
        };
        if !message.is_accepted {
            message.is_accepted = true;
            self.counts.accepted += 1;
        }
        message.is_withdrawn = false;
        let from = message.from;
        self.stands(from, key, (epoch.clone(), seq));
    }

    /// A talker is a member from now on, and begins behind this number.
    pub(super) fn joined(&mut self, who: Who, seq: u64) {
        self.positions[who] = Some(seq);
    }

    /// A member shows a message.
    pub(super) fn shown(&mut self, who: Who, key: &Key, epoch: &Epoch, seq: u64) {
        self.counts.delivered += 1;
        let place = (epoch.clone(), seq);
        let room = self.room_of[who];
        let before = self.positions[who].unwrap_or(0);
        if seq <= before {
            // Shown before at this very place, or a lower number behind a higher one.
            if self.rooms[room].places.get(&place) == Some(key) {
                self.counts.doubled += 1;
            } else {
                self.counts.reordered += 1;
            }
            return;
        }
        self.counts.lost += seq - before - 1;
        self.positions[who] = Some(seq);
        if !self.stands(who, key, place) {
            return;
        }
        let message = &self.messages[key];
        let room = &mut self.rooms[room];
        if room.end < seq {
            room.end = seq;
            let said = room.said.entry(message.from).or_default();
            if message.number < *said {
                self.counts.reordered += 1;
            }
            *said = message.number.max(*said);
        }
        if seq.is_multiple_of(KEPT) {
            self.forget(who);
        }
    }

    /// A member was told that it misses what stands between two numbers, both included.
    pub(super) fn gap(&mut self, who: Who, from: u64, to: u64) {
        self.counts.gaps += (to + 1).saturating_sub(from);
        self.positions[who] = Some(to);
    }

    /// A member was told that everything from a number on is withdrawn, whatever its epoch; the new one is none while
    /// nothing was written in it.
    pub(super) fn rewound(&mut self, who: Who, epoch: Option<&Epoch>, from: u64) {
        let shown = self.positions[who].unwrap_or(0);
        self.counts.withdrawn += (shown + 1).saturating_sub(from);
        self.positions[who] = Some(from.saturating_sub(1));
        let room = &mut self.rooms[self.room_of[who]];
        let messages = &mut self.messages;
        room.places.retain(|(its, seq), key| {
            let stays = *seq < from || Some(its) == epoch;
            if !stays && let Some(message) = messages.get_mut(key) {
                message.place = None;
                message.is_withdrawn = true;
            }
            stays
        });
        room.end = room.places.keys().map(|(_, seq)| *seq).max().unwrap_or(0);
        room.said.clear();
        for message in room.places.values().filter_map(|key| messages.get(key)) {
            let said = room.said.entry(message.from).or_default();
            *said = message.number.max(*said);
        }
    }

    /// Returns how many messages are remembered.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.messages.len()
    }

    /// Notes where a message stands. Returns false if that cannot be.
    fn stands(&mut self, who: Who, key: &Key, place: Place) -> bool {
        let places = &mut self.rooms[self.room_of[who]].places;
        let Some(message) = self.messages.get_mut(key) else {
            self.counts.phantom += 1;
            return false;
        };
        match places.get(&place) {
            Some(other) if other == key => return true,
            Some(_) => {
                self.counts.phantom += 1;
                return false;
            }
            None => {}
        }
        if message.place.is_some() {
            self.counts.doubled += 1;
            return false;
        }
        message.place = Some(place.clone());
        places.insert(place, key.clone());
        true
    }

    /// Returns the number up to which all members of a room have shown it.
    fn slowest(&self, room: usize) -> u64 {
        let members = (0..self.room_of.len()).filter(|who| self.room_of[*who] == room);
        members
            .filter_map(|who| self.positions[who])
            .min()
            .unwrap_or(0)
    }

    /// Forgets what all members of a talker's room have left far behind.
    fn forget(&mut self, who: Who) {
        let room = self.room_of[who];
        let below = self.slowest(room).saturating_sub(KEPT);
        let messages = &mut self.messages;
        self.rooms[room].places.retain(|(_, seq), key| {
            let stays = *seq > below;
            if !stays {
                messages.remove(key);
            }
            stays
        });
    }
}

//! How what comes live reaches the members: in succession to the room's position, or not before a read.
//!
//! A read that begins after an entry came tells what became of it. So while the room needs a read, only what comes
//! during one is kept.

use super::Room;
use crate::broker::Entry;
use crate::hub::lines;
use crate::hub::seat::Line;
use crate::protocol::Spliced;

/// Entries kept while a read is under way; with more of them another read tells all.
pub(super) const MAX_PARKED: usize = 4096;

/// Entries that came while a read was under way.
#[derive(Debug)]
pub(super) struct Parked {
    entries: Vec<Entry>,
    bound: usize,
}

impl Parked {
    /// Makes a place for at most `bound` entries.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            entries: Vec::new(),
            bound,
        }
    }

    /// Adds entries; returns false if they are too many: then all are gone.
    fn add(&mut self, entries: Vec<Entry>) -> bool {
        let fits = self.entries.len() + entries.len() <= self.bound;
        if fits {
            self.entries.extend(entries);
        } else {
            self.clear();
        }
        fits
    }

    /// Forgets all: the read that begins now tells what became of them.
    pub(super) fn clear(&mut self) {
        self.entries = Vec::new();
    }

    fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }
}

impl Room {
    /// Takes entries as they came live.
    pub fn entries(&mut self, entries: Vec<Entry>) {
        if self.reads.is_needed() {
            self.park(entries);
        } else {
            self.take_live(entries);
        }
    }

    fn park(&mut self, entries: Vec<Entry>) {
        if self.reads.is_in_flight() && !self.parked.add(entries) {
            self.reads.need();
        }
    }

    /// Takes up what came while a read was under way that has told all before it.
    pub(super) fn unpark(&mut self) {
        for run in self.parked.take().chunk_by(follows) {
            self.entries(run.to_vec());
        }
    }

    fn take_live(&mut self, mut entries: Vec<Entry>) {
        let (Some(position), Some(first), Some(last)) =
            (&self.position, entries.first(), entries.last())
        else {
            return;
        };
        let is_same_epoch =
            position.epoch.as_ref() == Some(&first.epoch) && first.epoch == last.epoch;
        if is_same_epoch && last.seq <= position.seq {
            return;
        }
        let next = position.seq + 1;
        if is_same_epoch && first.seq <= next && is_consecutive(&entries) {
            entries.retain(|entry| entry.seq >= next);
            let lines: Vec<_> = entries.iter().map(|entry| self.encode(entry)).collect();
            self.deliver(lines);
        } else {
            self.reads.need();
            self.park(entries);
        }
    }

    /// Encodes an entry as a `message`, once for all members.
    pub(super) fn encode(&self, entry: &Entry) -> Line {
        let (line, spliced) = lines::message(&self.name, entry);
        if spliced == Spliced::Unreadable {
            self.metrics.unreadable_entries.inc();
        }
        line
    }

    /// Takes messages in succession, and gaps between them, for all live members.
    pub(super) fn deliver(&mut self, lines: Vec<Line>) {
        let held = self.reads.is_in_flight();
        for line in &lines {
            if line.at.is_some() {
                self.tail.push(line.clone(), held);
            } else {
                self.tail.reset(line.position.seq);
            }
        }
        self.queue(lines);
    }
}

fn is_consecutive(entries: &[Entry]) -> bool {
    entries.windows(2).all(|pair| follows(&pair[0], &pair[1]))
}

fn follows(before: &Entry, entry: &Entry) -> bool {
    entry.seq == before.seq + 1 && entry.epoch == before.epoch
}

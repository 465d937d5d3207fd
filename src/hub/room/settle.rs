//! What a read of the log means for the room's own position: what is missing, gone or withdrawn.

use std::time::Instant;

use super::reads::Flight;
use super::{ReadRequest, Room, is_consecutive};
use crate::broker::{Chain, Snapshot, Span, Unavailable, Verdict};
use crate::hub::lines;
use crate::hub::seat::Line;
use crate::protocol::{GapReason, Position};

/// Entries per read: a page of texts of the longest kind stays below 4 MiB.
pub const PAGE: usize = 256;

/// A snapshot whose entries have been encoded.
#[derive(Debug)]
pub(super) struct Page {
    /// It holds the entries above this seq.
    pub(super) after: u64,
    /// Messages, ascending, holes left out.
    pub(super) lines: Vec<Line>,
    /// Where the log ended.
    pub(super) end: u64,
    /// Whether the log holds more than the page.
    pub(super) more: bool,
}

impl Room {
    /// Returns the read to begin now, if one is due; its result goes into [`Room::read`].
    pub fn begin_read(&mut self, now: Instant) -> Option<ReadRequest> {
        if !self.subscribed || !self.reads.may_begin(now) {
            return None;
        }
        let after = match &self.position {
            Some(position) if self.reads.is_needed() => position.seq,
            // A cursor may be ahead of the room; the page must still begin where the room stands.
            Some(position) => self.lowest_cursor()?.min(position.seq),
            // The first read only asks where the log stands, unless somebody comes back to it.
            None => self.lowest_cursor().unwrap_or(u64::MAX),
        };
        let flight = self.reads.begin(after, self.position.clone());
        Some(ReadRequest { number: flight.number, span: Span::After(after) })
    }

    /// Takes the result of a read; returns when to ask for the next one if it failed.
    pub fn read(&mut self, number: u64, result: Result<Snapshot, Unavailable>, now: Instant) -> Option<Instant> {
        let flight = self.reads.end(number)?;
        let Ok(snapshot) = result else { return Some(self.reads.fail(now)) };
        let page = Page {
            after: flight.after,
            lines: snapshot.entries.iter().map(|entry| self.encode(entry)).collect(),
            end: snapshot.end,
            more: snapshot.more,
        };
        if !self.settle(&flight, snapshot.chain, &page) {
            self.reads.need();
            self.reads.apply(number);
            return None;
        }
        let is_settled = self.reads.apply(number);
        self.checked = is_settled && self.subscribed;
        self.advance_all(Some(&page), now);
        if is_settled {
            self.unpark();
        }
        None
    }

    /// Brings the room's position in line with the log; returns false if another read is needed for it.
    fn settle(&mut self, flight: &Flight, chain: Chain, page: &Page) -> bool {
        let Some(position) = self.position.clone() else {
            let epoch = chain.epoch_at(page.end).cloned();
            self.chain = chain;
            self.tail.reset(page.end);
            self.position = Some(Position { epoch, seq: page.end });
            self.moved = true;
            return true;
        };
        let begun_at = flight.position.as_ref().map_or(0, |position| position.seq);
        if flight.position.as_ref() != Some(&position) {
            // Live entries came while the read was under way: the snapshot may lie between, but not elsewhere.
            if chain.newest() != position.epoch.as_ref() || page.end < begun_at {
                return false;
            }
            self.chain = chain;
        } else {
            let verdict = chain.judge(page.end, &position);
            self.chain = chain;
            if let Verdict::Cut(cut) = verdict {
                self.rewind(cut);
                return cut == page.end;
            }
        }
        self.follow(page)
    }

    /// Tells the members that everything above `cut` is withdrawn.
    fn rewind(&mut self, cut: u64) {
        self.metrics.epochs_told.inc();
        self.tail.cut(cut);
        let line = lines::rewind(&self.name, self.chain.epoch_at(cut), cut);
        self.fan_out(&[line]);
    }

    /// Delivers what the page holds above the room's position; returns false if the log holds more.
    fn follow(&mut self, page: &Page) -> bool {
        let at = self.position.as_ref().map_or(0, |position| position.seq);
        let found = self.bridge(page, at, page.end);
        let repaired = found.iter().filter(|line| line.at.is_some()).count();
        self.metrics.gaps_repaired.inc_by(repaired as u64);
        self.deliver(found);
        !page.more || self.position.as_ref().is_some_and(|position| position.seq >= page.end)
    }

    /// Returns the page's lines above `at` and up to `end`, with a gap for every hole.
    pub(super) fn bridge(&self, page: &Page, mut at: u64, end: u64) -> Vec<Line> {
        let mut found = Vec::new();
        for line in page.lines.iter().filter(|line| line.position.seq <= end) {
            if line.position.seq <= at {
                continue;
            }
            if line.position.seq > at + 1 {
                found.extend(self.gap(at + 1, line.position.seq - 1, GapReason::Trimmed));
            }
            at = line.position.seq;
            found.push(line.clone());
        }
        let last = page.end.min(end);
        if !page.more && at < last {
            found.extend(self.gap(at + 1, last, GapReason::Trimmed));
        }
        found
    }

    /// Encodes a gap; a room without epochs has none.
    pub(super) fn gap(&self, from: u64, to: u64, reason: GapReason) -> Option<Line> {
        // Below the oldest epoch that the chain still knows, that one stands for those before it.
        let oldest = self.chain.pairs().first().map(|(epoch, _)| epoch);
        let epoch = self.chain.epoch_at(to).or(oldest)?;
        self.metrics.gaps_told.with_label_values(&[reason.as_str()]).inc();
        Some(lines::gap(&self.name, epoch, from, to, reason))
    }

    /// Takes up what came live while a read was needed.
    fn unpark(&mut self) {
        let mut parked = std::mem::take(&mut self.parked);
        while !parked.is_empty() {
            // One run of consecutive numbers at a time, as they came.
            let length = (1..parked.len())
                .find(|length| !is_consecutive(&parked[length - 1..=*length]))
                .unwrap_or(parked.len());
            let rest = parked.split_off(length);
            self.entries(parked);
            parked = rest;
        }
    }
}

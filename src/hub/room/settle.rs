//! What a read of the log means for the room's own position: what is missing, gone or withdrawn.

use std::time::Instant;

use super::reads::Flight;
use super::{ReadRequest, Room};
use crate::broker::{Chain, Entry, Snapshot, Span, Unavailable, Verdict};
use crate::hub::lines;
use crate::hub::seat::Line;
use crate::protocol::{GapReason, MAX_SEQ, Position};

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

/// How far a read has brought the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// To where the log ended.
    Whole,
    /// The room agrees with the log, but the log goes on.
    Part,
    /// The log was rewound while live entries came: only a later read can tell where.
    Torn,
}

impl Room {
    /// Returns the read to begin now, if one is due; its result goes into [`Room::read`].
    pub fn begin_read(&mut self, now: Instant) -> Option<ReadRequest> {
        if !self.subscribed || !self.reads.may_begin(now) {
            return None;
        }
        let after = match &self.position {
            Some(position) if self.reads.is_needed() => position.seq,
            Some(position) => self.wanted_page(position.seq)?,
            // The first read only asks where the log stands, unless somebody comes back to it.
            None => self.lowest_return().unwrap_or(MAX_SEQ),
        };
        self.parked.clear();
        let flight = self.reads.begin(after, self.position.clone());
        Some(ReadRequest {
            number: flight.number,
            span: Span::After(after),
        })
    }

    /// Takes the result of a read; returns when to ask for the next one if it failed.
    pub fn read(
        &mut self,
        number: u64,
        result: Result<Snapshot, Unavailable>,
        now: Instant,
    ) -> Option<Instant> {
        let flight = self.reads.end(number)?;
        self.spread();
        let Ok(snapshot) = result else {
            return Some(self.reads.fail(now));
        };
        self.reads.retry_now();
        let page = self.page(flight.after, &snapshot);
        self.reads.sweep(
            &flight,
            page.lines
                .last()
                .filter(|_| page.more)
                .map(|line| line.position.seq),
        );
        let settled = self.settle(&flight, snapshot.chain, &page);
        if settled == Settled::Torn {
            self.reads.need();
            return None;
        }
        let is_settled = settled == Settled::Whole && self.reads.apply(number);
        self.checked |= is_settled && self.subscribed;
        self.advance_all(Some(&page), now);
        if is_settled {
            self.unpark();
            self.tail.adopt(&page.lines);
        }
        self.tail.rest();
        None
    }

    fn page(&self, after: u64, snapshot: &Snapshot) -> Page {
        let line = |entry: &Entry| {
            let mut line = self.encode(entry);
            // An entry may be older than all epochs of the chain; who stands behind it stands in the oldest one.
            line.position = place(&snapshot.chain, entry.seq);
            line
        };
        Page {
            after,
            lines: snapshot.entries.iter().map(line).collect(),
            // A log without epochs holds nothing, whatever its last number was.
            end: if snapshot.chain.pairs().is_empty() {
                0
            } else {
                snapshot.end
            },
            more: snapshot.more,
        }
    }

    /// Brings the room's position in line with the log.
    fn settle(&mut self, flight: &Flight, chain: Chain, page: &Page) -> Settled {
        let Some(position) = self.position.clone() else {
            self.chain = chain;
            self.tail.reset(page.end);
            self.position = Some(place(&self.chain, page.end));
            self.moved = true;
            return Settled::Whole;
        };
        if flight.position.as_ref() != Some(&position) {
            // Live entries came while the read was under way: the snapshot may lie between, but not elsewhere.
            let begun_at = flight.position.as_ref().map_or(0, |position| position.seq);
            if chain.newest() != position.epoch.as_ref() || page.end < begun_at {
                return Settled::Torn;
            }
            self.chain = chain;
        } else {
            let verdict = chain.judge(page.end, &position);
            self.chain = chain;
            if let Verdict::Cut(cut) = verdict {
                return self.rewind(cut, page.end);
            }
        }
        self.follow(page)
    }

    /// Tells the members that everything above `cut` is withdrawn.
    fn rewind(&mut self, cut: u64, end: u64) -> Settled {
        self.metrics.epochs_told.inc();
        self.tail.cut(cut);
        self.members
            .iter_mut()
            .for_each(|member| member.stage.rewind(cut));
        let line = lines::rewind(&self.name, place(&self.chain, cut));
        self.queue(vec![line]);
        self.spread();
        if cut == end {
            return Settled::Whole;
        }
        self.reads.need();
        Settled::Part
    }

    /// Delivers what the page holds above the room's position.
    fn follow(&mut self, page: &Page) -> Settled {
        let at = self.position.as_ref().map_or(0, |position| position.seq);
        let found = self.bridge(page, at, page.end);
        let repaired = found.iter().filter(|line| line.at.is_some()).count();
        self.metrics.gaps_repaired.inc_by(repaired as u64);
        self.deliver(found);
        self.spread();
        let is_whole = self
            .position
            .as_ref()
            .is_some_and(|position| position.seq >= page.end);
        if is_whole {
            Settled::Whole
        } else {
            Settled::Part
        }
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
        let epoch = place(&self.chain, to).epoch?;
        self.metrics
            .gaps_told
            .with_label_values(&[reason.as_str()])
            .inc();
        Some(lines::gap(&self.name, &epoch, from, to, reason))
    }
}

/// Returns the position at a seq; below the oldest epoch that the chain still knows, that one stands for those before.
pub(super) fn place(chain: &Chain, seq: u64) -> Position {
    let oldest = || chain.pairs().first().map(|(epoch, _)| epoch);
    let epoch = if seq == 0 {
        None
    } else {
        chain.epoch_at(seq).or_else(oldest)
    };
    Position {
        epoch: epoch.cloned(),
        seq,
    }
}

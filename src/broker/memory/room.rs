//! What the broker keeps of one room's entries: the log, the meta beside it, and how they number.
//!
//! Pure and without a clock. The rule is the one of every broker: the log is the authority on numbers, and whatever
//! may have been rewound goes on under a new epoch, so that no (epoch, seq) ever names two entries.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::{Chain, Entry, Snapshot, Span};
use crate::protocol::{Epoch, Position};

/// The recent entries of a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// The highest seq ever numbered here; stands when its entry is gone.
    pub(super) last: u64,
    /// Ascending by seq, with holes.
    pub(super) entries: VecDeque<Entry>,
}

/// What stands beside a log to prove that it was not rewound.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    epoch: Epoch,
    chain: Chain,
    lineage: u64,
    seq: u64,
    at: u64,
}

/// Log and meta of a room; both are missing until the first entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) log: Option<Log>,
    pub(super) meta: Option<Meta>,
}

/// What numbering an entry depends on besides the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbering<'a> {
    /// The store's lineage now.
    pub(super) lineage: u64,
    /// What the publishing node has delivered: the highest seq of each recent epoch.
    pub(super) delivered: &'a [(Epoch, u64)],
    /// The broker's time, in Unix milliseconds.
    pub(super) now_ms: u64,
    /// Entries that the log keeps.
    pub(super) keep: usize,
}

impl Record {
    /// Returns true if the room has neither log nor meta.
    pub(super) fn is_empty(&self) -> bool {
        self.log.is_none() && self.meta.is_none()
    }

    /// Numbers an entry and puts it into the log.
    pub(super) fn append(&mut self, m: Bytes, numbering: Numbering<'_>) -> Entry {
        let seq = self.end() + 1;
        let (epoch, chain) = match self.standing_epoch(numbering) {
            Some(meta) => (meta.epoch.clone(), meta.chain.clone()),
            None => {
                let fresh = Epoch::random();
                (fresh.clone(), self.chain().begin(fresh, seq))
            }
        };
        let at = numbering.now_ms.max(self.last_at());
        let entry = Entry {
            epoch: epoch.clone(),
            seq,
            at,
            m,
        };
        let log = self.log.get_or_insert_default();
        log.last = seq;
        log.entries.push_back(entry.clone());
        let surplus = log.entries.len().saturating_sub(numbering.keep);
        log.entries.drain(..surplus);
        self.meta = Some(Meta {
            epoch,
            chain,
            lineage: numbering.lineage,
            seq,
            at,
        });
        entry
    }

    /// Returns the meta if its epoch goes on: nothing is missing, and nothing shows that the log was rewound.
    fn standing_epoch(&self, numbering: Numbering<'_>) -> Option<&Meta> {
        let (log, meta) = (self.log.as_ref()?, self.meta.as_ref()?);
        let of_epoch = |(epoch, seq): &(Epoch, u64)| (*epoch == meta.epoch).then_some(*seq);
        let delivered = numbering
            .delivered
            .iter()
            .filter_map(of_epoch)
            .max()
            .unwrap_or(0);
        let is_whole = log.last >= meta.seq && log.last >= delivered;
        (meta.lineage == numbering.lineage && is_whole).then_some(meta)
    }

    /// Returns the highest seq that the log, or the meta where it is missing, knows of.
    fn end(&self) -> u64 {
        match (&self.log, &self.meta) {
            (Some(log), _) => log.last,
            (None, Some(meta)) => meta.seq,
            (None, None) => 0,
        }
    }

    fn last_at(&self) -> u64 {
        let of_log = self
            .log
            .as_ref()
            .and_then(|log| log.entries.back())
            .map_or(0, |entry| entry.at);
        of_log.max(self.meta.as_ref().map_or(0, |meta| meta.at))
    }

    fn chain(&self) -> Chain {
        match (&self.meta, &self.log) {
            (Some(meta), _) => meta.chain.clone(),
            (None, Some(log)) => {
                Chain::rebuild(log.entries.iter().map(|entry| (&entry.epoch, entry.seq)))
            }
            (None, None) => Chain::default(),
        }
    }

    /// Returns what the tail probe of a node would see.
    pub(super) fn probe(&self) -> Position {
        self.meta.as_ref().map_or(Position::EMPTY, |meta| {
            Position::new(meta.epoch.clone(), meta.seq)
        })
    }

    /// Reads a part of the log.
    pub(super) fn read(&self, span: Span, limit: usize) -> Snapshot {
        let none = VecDeque::new();
        let kept = self.log.as_ref().map_or(&none, |log| &log.entries);
        let (begin, end) = match span {
            Span::After(seq) => (kept.partition_point(|entry| entry.seq <= seq), kept.len()),
            Span::Before(seq) => (0, kept.partition_point(|entry| entry.seq < seq)),
            Span::Newest => (0, kept.len()),
        };
        let more = end - begin > limit;
        let taken = match span {
            Span::After(_) => begin..end.min(begin.saturating_add(limit)),
            Span::Before(_) | Span::Newest => begin.max(end.saturating_sub(limit))..end,
        };
        Snapshot {
            chain: self.chain(),
            first: kept.front().map_or(0, |entry| entry.seq),
            end: self.end(),
            entries: kept.range(taken).cloned().collect(),
            more,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::Verdict;
    use super::*;

    /// A room, all that it ever numbered, and what its only node has delivered.
    #[derive(Default)]
    struct Walk {
        record: Record,
        lineage: u64,
        images: Vec<Record>,
        numbered: Vec<Entry>,
        delivered: Vec<(Epoch, u64)>,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append,
        LoseLog,
        LoseMeta,
        Trim(usize),
        Keep,
        Rewind(usize),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::Append),
            1 => Just(Step::LoseLog),
            1 => Just(Step::LoseMeta),
            1 => (0_usize..4).prop_map(Step::Trim),
            2 => Just(Step::Keep),
            2 => (0_usize..4).prop_map(Step::Rewind),
            1 => Just(Step::Restart),
        ]
    }

    impl Walk {
        fn append(&mut self, now_ms: u64) -> Entry {
            let m = Bytes::from(self.numbered.len().to_string());
            let numbering = Numbering {
                lineage: self.lineage,
                delivered: &self.delivered,
                now_ms,
                keep: 6,
            };
            let entry = self.record.append(m, numbering);
            self.delivered.push((entry.epoch.clone(), entry.seq));
            self.numbered.push(entry.clone());
            entry
        }

        fn take(&mut self, step: &Step) {
            match step {
                Step::Append => {
                    self.append(1_000);
                }
                Step::LoseLog => self.record.log = None,
                Step::LoseMeta => self.record.meta = None,
                Step::Trim(count) => {
                    if let Some(log) = &mut self.record.log {
                        log.entries.drain(..*count.min(&log.entries.len()));
                    }
                }
                Step::Keep => self.images.push(self.record.clone()),
                Step::Rewind(back) => {
                    if let Some(image) = self.images.iter().rev().nth(*back) {
                        self.record = image.clone();
                    }
                }
                Step::Restart => self.lineage += 1,
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_lost_or_rewound_no_number_names_two_entries(steps in prop::collection::vec(step(), 1..60)) {
            let mut walk = Walk::default();
            for step in &steps {
                walk.take(step);
                let seen = walk.record.read(Span::Newest, usize::MAX);
                for entry in &seen.entries {
                    let epoch = seen.chain.epoch_at(entry.seq);
                    prop_assert!(epoch.is_none_or(|epoch| *epoch == entry.epoch), "{:?} in {:?}", entry, seen.chain);
                }
                for entry in &walk.numbered {
                    let position = Position::new(entry.epoch.clone(), entry.seq);
                    if seen.chain.judge(seen.end, &position) == Verdict::Good {
                        let kept = seen.entries.iter().find(|kept| kept.seq == entry.seq);
                        prop_assert!(kept.is_none_or(|kept| kept == entry), "{:?} is good but {:?} is kept", entry, kept);
                    }
                }
            }
            let mut names: Vec<_> = walk.numbered.iter().map(|entry| (entry.epoch.clone(), entry.seq)).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), walk.numbered.len());
        }

        #[test]
        fn a_read_is_a_part_of_the_log(
            length in 0_usize..12,
            holes in prop::collection::vec(1_u64..=12, 0..5),
            edge in 0_u64..15,
            limit in 0_usize..6,
        ) {
            let mut walk = Walk::default();
            for _ in 0..length {
                walk.append(1_000);
            }
            if let Some(log) = &mut walk.record.log {
                log.entries.retain(|entry| !holes.contains(&entry.seq));
            }
            let kept: Vec<Entry> = walk.record.log.iter().flat_map(|log| log.entries.clone()).collect();
            for span in [Span::After(edge), Span::Before(edge), Span::Newest] {
                let matching: Vec<&Entry> = kept.iter().filter(|entry| match span {
                    Span::After(seq) => entry.seq > seq,
                    Span::Before(seq) => entry.seq < seq,
                    Span::Newest => true,
                }).collect();
                let count = matching.len().min(limit);
                let wanted = match span {
                    Span::After(_) => &matching[..count],
                    _ => &matching[matching.len() - count..],
                };
                let read = walk.record.read(span, limit);
                prop_assert_eq!(read.entries.iter().collect::<Vec<_>>(), wanted, "{:?}", span);
                prop_assert_eq!(read.more, matching.len() > limit);
                prop_assert_eq!(read.first, kept.first().map_or(0, |entry| entry.seq));
                prop_assert_eq!(read.end, length as u64);
            }
        }
    }

    #[test]
    fn time_never_goes_back_in_a_room() {
        let mut walk = Walk::default();
        let ats = [5, 3, 9].map(|now_ms| walk.append(now_ms).at);
        walk.record.meta = None;
        assert_eq!((ats, walk.append(4).at), ([5, 5, 9], 9));
    }

    #[test]
    fn a_restart_that_loses_nothing_leaves_positions_good() {
        let mut walk = Walk::default();
        let before = walk.append(1);
        walk.lineage += 1;
        let after = walk.append(1);
        assert_ne!(before.epoch, after.epoch);
        assert_eq!(after.seq, 2);
        let read = walk.record.read(Span::Newest, 9);
        for entry in [before, after] {
            let position = Position::new(entry.epoch, entry.seq);
            assert_eq!(read.chain.judge(read.end, &position), Verdict::Good);
        }
    }
}

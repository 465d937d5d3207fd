//! The reference: what the broker's scripts do to the keys of a room.
//!
//! It keeps every rule of numbering on its own, so that the rooms are not tested against themselves. What the rules
//! cannot see is left out by [`Keys::is_seen`]: a log restored with its lineage, followed by a publish of a node that
//! never delivered what is gone.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::broker::{Chain, Entry, Snapshot, Span};
use crate::protocol::{Epoch, Position};

/// Epochs that meta keeps.
const CHAIN: usize = 8;
/// Backups to go back to.
const BACKUPS: usize = 6;

/// The name of one text: what a page shows once or never.
pub(super) type Key = u32;

#[derive(Clone, Debug)]
struct Meta {
    epoch: Epoch,
    chain: Vec<(Epoch, u64)>,
    lineage: u64,
    seq: u64,
}

#[derive(Clone, Debug, Default)]
struct Log {
    last: u64,
    entries: BTreeMap<u64, (Epoch, Key)>,
}

#[derive(Clone, Debug, Default)]
struct State {
    log: Option<Log>,
    meta: Option<Meta>,
    dedupe: HashMap<Key, (Epoch, u64)>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Keys {
    now: State,
    backups: Vec<State>,
    /// The master's lineage; a node passes the one it connected under.
    pub(super) lineage: u64,
    epochs: u64,
    issued: HashMap<(Epoch, u64), Key>,
    highest: HashMap<Epoch, u64>,
}

impl Keys {
    /// Returns true if a publish now would notice every rewind that matters, as the contract promises.
    pub(super) fn is_seen(&self, lineage: u64, delivered: &HashMap<Epoch, u64>) -> bool {
        let (Some(meta), Some(log)) = (&self.now.meta, &self.now.log) else {
            return true;
        };
        let was_issued = self
            .highest
            .get(&meta.epoch)
            .is_some_and(|highest| *highest > log.last);
        !was_issued || self.is_rewound(lineage, delivered)
    }

    fn is_rewound(&self, lineage: u64, delivered: &HashMap<Epoch, u64>) -> bool {
        let (Some(meta), Some(log)) = (&self.now.meta, &self.now.log) else {
            return true;
        };
        let high = delivered.get(&meta.epoch).copied().unwrap_or(0);
        meta.lineage != lineage || log.last < meta.seq || log.last < high
    }

    /// Publishes a batch in one call; returns the new entries.
    pub(super) fn publish(
        &mut self,
        lineage: u64,
        delivered: &HashMap<Epoch, u64>,
        batch: &[Key],
    ) -> Vec<Entry> {
        let begins = self.is_rewound(lineage, delivered);
        let first = self.end() + 1;
        let epoch = match &self.now.meta {
            Some(meta) if !begins => meta.epoch.clone(),
            _ => self.fresh_epoch(),
        };
        let mut added = Vec::new();
        for key in batch {
            if self.now.dedupe.contains_key(key) {
                continue;
            }
            let seq = first + added.len() as u64;
            self.now.dedupe.insert(*key, (epoch.clone(), seq));
            let before = self.issued.insert((epoch.clone(), seq), *key);
            assert_eq!(before, None, "({epoch}, {seq}) names two texts");
            added.push(entry(&epoch, seq, *key));
        }
        if added.is_empty() {
            return added;
        }
        let mut chain = self.chain();
        if begins {
            chain.retain(|(_, begin)| *begin < first);
            chain.push((epoch.clone(), first));
        }
        let surplus = chain.len().saturating_sub(CHAIN);
        let last = first + added.len() as u64 - 1;
        let log = self.now.log.get_or_insert_default();
        log.last = last;
        log.entries.extend(
            added
                .iter()
                .map(|entry| (entry.seq, (epoch.clone(), key_of(entry)))),
        );
        self.highest
            .entry(epoch.clone())
            .and_modify(|highest| *highest = last.max(*highest))
            .or_insert(last);
        self.now.meta = Some(Meta {
            epoch,
            chain: chain.split_off(surplus),
            lineage,
            seq: last,
        });
        added
    }

    fn fresh_epoch(&mut self) -> Epoch {
        self.epochs += 1;
        Epoch::parse(&format!("e{}", self.epochs)).unwrap()
    }

    /// Returns the highest seq of the log's lineage.
    pub(super) fn end(&self) -> u64 {
        match (&self.now.log, &self.now.meta) {
            (Some(log), _) => log.last,
            (None, Some(meta)) => meta.seq,
            (None, None) => 0,
        }
    }

    /// Returns the epochs with their first seq: meta's, or what the kept entries show.
    pub(super) fn chain(&self) -> Vec<(Epoch, u64)> {
        if let Some(meta) = &self.now.meta {
            return meta.chain.clone();
        }
        let mut chain: Vec<(Epoch, u64)> = Vec::new();
        for (seq, (epoch, _)) in self.entries() {
            if chain.last().is_none_or(|(last, _)| last != epoch) {
                chain.push((epoch.clone(), seq));
            }
        }
        let surplus = chain.len().saturating_sub(CHAIN);
        chain.split_off(surplus)
    }

    /// Returns the entries that the log holds.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &(Epoch, Key))> {
        self.now
            .log
            .iter()
            .flat_map(|log| log.entries.iter().map(|(seq, text)| (*seq, text)))
    }

    /// Answers a read with at most `limit` entries.
    pub(super) fn read(&self, span: Span, limit: usize) -> Snapshot {
        let Span::After(after) = span else {
            panic!("a room reads forward")
        };
        let entries = self
            .now
            .log
            .iter()
            .flat_map(|log| log.entries.range(after + 1..));
        let mut found: Vec<_> = entries
            .take(limit + 1)
            .map(|(seq, (epoch, key))| entry(epoch, *seq, *key))
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        Snapshot {
            chain: Chain::new(self.chain()),
            first: self.entries().next().map_or(0, |(seq, _)| seq),
            end: self.end(),
            entries: found,
            more,
        }
    }

    /// Returns what the tail probe sees.
    pub(super) fn probe(&self) -> Position {
        self.now.meta.as_ref().map_or(Position::EMPTY, |meta| {
            Position::new(meta.epoch.clone(), meta.seq)
        })
    }

    /// Keeps a backup: what a replica has, or a file.
    pub(super) fn back_up(&mut self) {
        self.backups.push(self.now.clone());
        let surplus = self.backups.len().saturating_sub(BACKUPS);
        self.backups.drain(..surplus);
    }

    /// Restarts the server with all its data.
    pub(super) fn restart(&mut self) {
        self.lineage += 1;
        self.backups.clear();
    }

    /// Goes back to a backup, under a new lineage: a failover, a cut file.
    pub(super) fn rewind(&mut self, choose: impl FnOnce(usize) -> usize) {
        self.restore(choose);
        self.restart();
    }

    /// Goes back to a backup under the same lineage: an operator's `RESTORE`.
    pub(super) fn restore(&mut self, choose: impl FnOnce(usize) -> usize) {
        if !self.backups.is_empty() {
            self.now = self.backups[choose(self.backups.len())].clone();
        }
    }

    /// Loses everything, under the same lineage.
    pub(super) fn flush(&mut self) {
        self.now = State::default();
        self.backups.clear();
    }

    /// Loses the log.
    pub(super) fn lose_log(&mut self) {
        self.now.log = None;
    }

    /// Loses meta.
    pub(super) fn lose_meta(&mut self) {
        self.now.meta = None;
    }

    /// Drops the `count` oldest entries.
    pub(super) fn trim(&mut self, count: usize) {
        if let Some(log) = &mut self.now.log {
            let kept = log.entries.keys().nth(count).copied();
            log.entries = kept.map_or_else(BTreeMap::new, |kept| log.entries.split_off(&kept));
        }
    }

    /// Drops one entry out of the middle.
    pub(super) fn delete(&mut self, choose: impl FnOnce(usize) -> usize) {
        if let Some(log) = self.now.log.as_mut().filter(|log| !log.entries.is_empty()) {
            let seq = log.entries.keys().nth(choose(log.entries.len())).copied();
            seq.and_then(|seq| log.entries.remove(&seq));
        }
    }
}

/// Makes an entry whose text is its key.
pub(super) fn entry(epoch: &Epoch, seq: u64, key: Key) -> Entry {
    Entry {
        epoch: epoch.clone(),
        seq,
        at: seq * 10,
        m: Bytes::from(format!("{{\"key\":\"{key}\"}}")),
    }
}

fn key_of(entry: &Entry) -> Key {
    let digits = entry.m.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |key, digit| key * 10 + u32::from(digit - b'0'))
}

//! What a page shows, strictly by the protocol; it refuses every frame that the protocol does not allow.

use std::collections::{BTreeMap, HashSet};

use super::keys::Key;
use super::told::Told;
use crate::protocol::{Epoch, Position};

/// A gap as it was told.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) is_trimmed: bool,
}

/// How far a join has got.
#[derive(Clone, Debug, Default)]
enum Joining {
    /// Nothing asked.
    #[default]
    No,
    /// Asked, with the limit if it had a position.
    Asked(Option<u64>),
    /// Answered; nothing above this seq may be skipped.
    Joined { skip_to: u64 },
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    position: Option<Position>,
    /// What stands on the screen: seq → epoch and key.
    pub(super) shown: BTreeMap<u64, (Epoch, Key)>,
    keys: HashSet<Key>,
    /// What the page knows it does not show.
    pub(super) gaps: Vec<Gap>,
    /// Everything above this was to be shown.
    pub(super) start: u64,
    /// Times that something was told to be trimmed or withdrawn.
    pub(super) losses: usize,
    /// Times that less was skipped than the limit told: only a rewind after the join explains it.
    pub(super) short_skips: usize,
    joining: Joining,
}

impl Page {
    /// Makes a page that says it stands at `position` and shows nothing.
    pub(super) fn at(position: Position) -> Self {
        Self {
            start: position.seq,
            position: Some(position),
            ..Self::default()
        }
    }

    /// Where the page stands: what it joins with, unless it is new.
    pub(super) fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Asks to join from where it stands.
    pub(super) fn join(&mut self, limit: usize) {
        self.joining = Joining::Asked(self.position.is_some().then_some(limit as u64));
    }

    /// Takes one frame.
    pub(super) fn take(&mut self, told: &Told) {
        match told {
            Told::Joined { epoch, seq } => self.joined(epoch.as_ref(), *seq),
            Told::Message { epoch, seq, .. } => self.message(epoch, *seq, told.key().unwrap()),
            Told::Gap {
                epoch,
                from,
                to,
                reason,
            } => self.gap(epoch, *from, *to, reason == "trimmed"),
            Told::Epoch { epoch, from } => self.rewind(epoch.as_ref(), *from),
            Told::Error { .. } => self.joining = Joining::No,
        }
    }

    fn joined(&mut self, epoch: Option<&Epoch>, seq: u64) {
        let Joining::Asked(limit) = self.joining else {
            panic!("nobody asked to join")
        };
        assert_eq!(epoch.is_none(), seq == 0, "{epoch:?} {seq} is no position");
        if self.position.is_none() {
            *self = Self::at(Position {
                epoch: epoch.cloned(),
                seq,
            });
        }
        let skip_to = limit.map_or(0, |limit| seq.saturating_sub(limit));
        self.joining = Joining::Joined { skip_to };
    }

    fn message(&mut self, epoch: &Epoch, seq: u64, key: Key) {
        let position = self.standing();
        assert_eq!(
            seq,
            position.seq + 1,
            "a silent jump or a repeat: {key} after {position:?}"
        );
        assert!(self.keys.insert(key), "{key} is shown twice");
        self.shown.insert(seq, (epoch.clone(), key));
        self.position = Some(Position::new(epoch.clone(), seq));
    }

    fn gap(&mut self, epoch: &Epoch, from: u64, to: u64, is_trimmed: bool) {
        let position = self.standing();
        assert_eq!(
            from,
            position.seq + 1,
            "a gap that does not begin behind {position:?}"
        );
        assert!(from <= to, "an empty gap: {from} to {to}");
        if !is_trimmed {
            let Joining::Joined { skip_to } = self.joining else {
                panic!("skipped without a join")
            };
            assert!(to <= skip_to, "skipped up to {to}, not {skip_to}");
            self.short_skips += usize::from(to < skip_to);
        }
        self.losses += usize::from(is_trimmed);
        self.gaps.push(Gap {
            from,
            to,
            is_trimmed,
        });
        self.position = Some(Position::new(epoch.clone(), to));
    }

    fn rewind(&mut self, epoch: Option<&Epoch>, from: u64) {
        let position = self.standing();
        assert!(
            from >= 1 && from <= position.seq + 1,
            "withdrawn from {from}, at {position:?}"
        );
        assert_eq!(
            epoch.is_none(),
            from == 1,
            "{epoch:?} {from} is no position"
        );
        for (_, (_, key)) in self.shown.split_off(&from) {
            self.keys.remove(&key);
        }
        self.gaps.retain_mut(|gap| {
            gap.to = gap.to.min(from - 1);
            gap.from <= gap.to
        });
        self.start = self.start.min(from - 1);
        self.losses += 1;
        self.position = Some(Position {
            epoch: epoch.cloned(),
            seq: from - 1,
        });
    }

    fn standing(&self) -> Position {
        assert!(
            matches!(self.joining, Joining::Joined { .. }),
            "the stream begins before `joined`"
        );
        self.position.clone().unwrap()
    }

    /// Returns true if the page was told that it does not show this entry.
    pub(super) fn lacks(&self, seq: u64) -> bool {
        seq <= self.start
            || self
                .gaps
                .iter()
                .any(|gap| (gap.from..=gap.to).contains(&seq))
    }
}

//! The epochs of a room and the rule that judges a position by them.
//!
//! A room's log may be rewound: by a crash, a failover, an operator. Every rewind is a new epoch, and the chain keeps
//! the last eight with the seq at which each begins. A position is good while its epoch still reaches that far; where
//! it does not, [`Verdict::Cut`] tells what of it still stands.

use serde::{Deserialize, Serialize};

use crate::protocol::{Epoch, Position};

/// Epochs kept per room.
pub const CHAIN_LENGTH: usize = 8;

/// The last epochs of a room with the first seq of each, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(Vec<(Epoch, u64)>);

/// What a chain says of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All up to the position stands.
    Good,
    /// Only what is at or below this seq still stands.
    Cut(u64),
}

impl Chain {
    /// Makes a chain of pairs that ascend by first seq; all but the newest eight are dropped.
    #[must_use]
    pub fn new(mut pairs: Vec<(Epoch, u64)>) -> Self {
        let surplus = pairs.len().saturating_sub(CHAIN_LENGTH);
        pairs.drain(..surplus);
        Self(pairs)
    }

    /// Makes the chain that the entries of a log show, for a log whose chain was lost.
    #[must_use]
    pub fn rebuild<'a>(entries: impl IntoIterator<Item = (&'a Epoch, u64)>) -> Self {
        let mut pairs: Vec<(Epoch, u64)> = Vec::new();
        for (epoch, seq) in entries {
            if pairs.last().is_none_or(|(last, _)| last != epoch) {
                pairs.push((epoch.clone(), seq));
            }
        }
        Self::new(pairs)
    }

    /// Adds the epoch that begins at `first`; epochs that began there or later hold nothing any more and go.
    #[must_use]
    pub fn begin(&self, epoch: Epoch, first: u64) -> Self {
        let mut pairs: Vec<_> = self
            .0
            .iter()
            .filter(|(_, begin)| *begin < first)
            .cloned()
            .collect();
        pairs.push((epoch, first));
        Self::new(pairs)
    }

    /// Returns the pairs (epoch, first seq), oldest first.
    #[must_use]
    pub fn pairs(&self) -> &[(Epoch, u64)] {
        &self.0
    }

    /// Returns the epoch that new entries get unless the log is rewound.
    #[must_use]
    pub fn newest(&self) -> Option<&Epoch> {
        self.0.last().map(|(epoch, _)| epoch)
    }

    /// Returns the epoch that numbered `seq`.
    #[must_use]
    pub fn epoch_at(&self, seq: u64) -> Option<&Epoch> {
        self.0
            .iter()
            .rev()
            .find(|(_, first)| *first <= seq)
            .map(|(epoch, _)| epoch)
    }

    /// Judges a position in a log that ends at `end`.
    #[must_use]
    pub fn judge(&self, end: u64, position: &Position) -> Verdict {
        let Some(epoch) = &position.epoch else {
            return if position.seq == 0 {
                Verdict::Good
            } else {
                Verdict::Cut(0)
            };
        };
        let Some(index) = self.0.iter().position(|(name, _)| name == epoch) else {
            return Verdict::Cut(0);
        };
        let last = self
            .0
            .get(index + 1)
            .map_or(u64::MAX, |(_, first)| first - 1);
        if position.seq <= last && position.seq <= end {
            Verdict::Good
        } else {
            Verdict::Cut(end.min(last))
        }
    }
}

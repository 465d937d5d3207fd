//! Whether a node is ready, and why not.
//!
//! Readiness is made of latches: each is set once and stays. So an outage of the broker after the
//! start leaves a node ready: all nodes see the same outage, and taking them all out of the Service
//! would turn a degraded chat into none.

use std::sync::atomic::{AtomicU8, Ordering};

/// Why a node is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Unready {
    /// The listeners do not serve yet.
    Starting = 1,
    /// The broker was never seen.
    Broker = 2,
    /// The node leaves.
    Draining = 4,
}

impl Unready {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Starting, Self::Broker, Self::Draining];

    /// Returns the word in the answer and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Broker => "broker",
            Self::Draining => "draining",
        }
    }

    /// Returns what the word says.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Starting => "the node has not started to serve",
            Self::Broker => "the broker was not seen since the start",
            Self::Draining => "the node leaves",
        }
    }
}

/// The latches of one node.
#[derive(Debug)]
pub struct Readiness {
    /// One bit per reason that holds.
    reasons: AtomicU8,
}

impl Readiness {
    /// Makes the latches of a node that has neither started nor seen the broker.
    #[must_use]
    pub fn new() -> Self {
        Self {
            reasons: AtomicU8::new(Unready::Starting as u8 | Unready::Broker as u8),
        }
    }

    /// Says that the node serves.
    pub fn set_started(&self) {
        self.clear(Unready::Starting);
    }

    /// Says that the broker was seen.
    pub fn set_broker_seen(&self) {
        self.clear(Unready::Broker);
    }

    /// Says that the node leaves; it is never ready again.
    pub fn set_draining(&self) {
        self.reasons
            .fetch_or(Unready::Draining as u8, Ordering::AcqRel);
    }

    /// Returns true if the node leaves.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.holds(Unready::Draining)
    }

    /// Says whether the node is ready.
    ///
    /// # Errors
    /// All reasons why it is not.
    pub fn check(&self) -> Result<(), Vec<Unready>> {
        let reasons: Vec<_> = Unready::ALL
            .into_iter()
            .filter(|reason| self.holds(*reason))
            .collect();
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons)
        }
    }

    fn holds(&self, reason: Unready) -> bool {
        self.reasons.load(Ordering::Acquire) & reason as u8 != 0
    }

    fn clear(&self, reason: Unready) {
        self.reasons.fetch_and(!(reason as u8), Ordering::AcqRel);
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_from_start_and_broker_until_it_leaves() {
        let readiness = Readiness::new();
        assert_eq!(
            readiness.check(),
            Err(vec![Unready::Starting, Unready::Broker])
        );
        readiness.set_started();
        assert_eq!(readiness.check(), Err(vec![Unready::Broker]));
        readiness.set_broker_seen();
        assert_eq!(readiness.check(), Ok(()));
        readiness.set_draining();
        assert_eq!(readiness.check(), Err(vec![Unready::Draining]));
        readiness.set_broker_seen();
        assert!(readiness.is_draining());
    }
}

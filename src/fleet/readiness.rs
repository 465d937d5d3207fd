//! Whether a node is ready, and why not.
//!
//! Readiness is made of latches: each is set once and stays. So an outage of the broker after the
//! start leaves a node ready: all nodes see the same outage, and taking them all out of the Service
//! would turn a degraded chat into none. Two can come back: [`Unready::Peers`], which only nodes without Redis have, and
//! [`Unready::Sick`], which needs other nodes that see the broker and allow it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

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
    /// Without Redis there is another node, or it is not known yet that there is none.
    Peers = 8,
    /// The node alone does not reach the broker, and has the grant to hand its sessions over.
    Sick = 16,
}

impl Unready {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Broker,
        Self::Draining,
        Self::Peers,
        Self::Sick,
    ];

    /// Returns the word in the answer and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Broker => "broker",
            Self::Draining => "draining",
            Self::Peers => "peers",
            Self::Sick => "sick",
        }
    }

    /// Returns what the word says.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Starting => "the node has not started to serve",
            Self::Broker => "the broker was not seen since the start",
            Self::Draining => "the node leaves",
            Self::Peers => "without Redis there can be one node only",
            Self::Sick => "other nodes see the broker and this one does not",
        }
    }
}

/// The latches of one node.
#[derive(Debug)]
pub struct Readiness {
    /// One bit per reason that holds.
    reasons: AtomicU8,
    /// What is known about other nodes while [`Unready::Peers`] holds.
    peers: Mutex<String>,
}

impl Readiness {
    /// Makes the latches of a node that has neither started nor seen the broker.
    #[must_use]
    pub fn new() -> Self {
        Self {
            reasons: AtomicU8::new(Unready::Starting as u8 | Unready::Broker as u8),
            peers: Mutex::default(),
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
        self.hold(Unready::Draining);
    }

    /// Says that there is, or may be, a node that this one has nothing in common with, in a sentence for a person.
    pub fn set_peers(&self, why: &str) {
        why.clone_into(&mut self.peers.lock().unwrap_or_else(PoisonError::into_inner));
        self.hold(Unready::Peers);
    }

    /// Says that no such node stands in the way.
    pub fn set_alone(&self) {
        self.clear(Unready::Peers);
    }

    /// Returns true unless another node stands in the way, or may do so.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        !self.holds(Unready::Peers)
    }

    /// Returns what is known about other nodes while they stand in the way.
    #[must_use]
    pub fn why_peers(&self) -> Option<String> {
        let why = || {
            let why = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
            why.clone()
        };
        self.holds(Unready::Peers).then(why)
    }

    /// Says whether the node has the grant to be unready because it alone does not reach the broker.
    pub fn set_sick(&self, is_sick: bool) {
        if is_sick {
            self.hold(Unready::Sick);
        } else {
            self.clear(Unready::Sick);
        }
    }

    /// Returns true while the node hands its sessions over because it does not reach the broker.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        self.holds(Unready::Sick)
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

    fn hold(&self, reason: Unready) {
        self.reasons.fetch_or(reason as u8, Ordering::AcqRel);
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

    #[test]
    fn peers_stand_in_the_way_for_as_long_as_it_is_said() {
        let readiness = Readiness::new();
        readiness.set_started();
        readiness.set_broker_seen();
        readiness.set_peers("another one");
        assert_eq!(readiness.check(), Err(vec![Unready::Peers]));
        assert_eq!(readiness.why_peers().as_deref(), Some("another one"));
        readiness.set_alone();
        assert_eq!((readiness.check(), readiness.why_peers()), (Ok(()), None));
        readiness.set_peers("again");
        assert!(!readiness.is_alone());
    }

    #[test]
    fn a_sick_node_is_ready_again_once_it_is_not() {
        let readiness = Readiness::new();
        readiness.set_started();
        readiness.set_broker_seen();
        readiness.set_sick(true);
        assert_eq!(readiness.check(), Err(vec![Unready::Sick]));
        readiness.set_sick(false);
        assert_eq!(readiness.check(), Ok(()));
        assert!(!readiness.is_sick());
    }
}

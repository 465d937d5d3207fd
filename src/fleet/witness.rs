//! What a node answers to another one that does not reach the broker: whether it does itself, and whether that one may
//! be unready.
//!
//! The answer comes from a round trip that begins after the question, so that two nodes that were cut off at the same
//! moment do not hold each other for well. Few questions are answered at a time: who floods the internal listener gets
//! no more out of the broker than a node that asks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::broker::{FleetNode, Grant, Health, SharedBroker};
use crate::protocol::NodeId;
use crate::telemetry::Metrics;

/// Where a node says whether it sees the broker, on its internal listener.
pub const SEES: &str = "/sees";
/// Where a node asks another one for the grant to be unready.
pub const GRANT: &str = "/grant";

/// Questions that are answered at a time.
const AT_ONCE: usize = 8;

/// Whether a node sees the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Who answers.
    pub node: NodeId,
    /// Whether a round trip to the broker succeeded just now, and its payloads arrive.
    pub sees: bool,
}

/// A node that asks for the grant to be unready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plea {
    /// Who asks.
    pub node: NodeId,
    /// Sessions that it would hand over.
    pub sessions: u64,
}

/// What became of a plea.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// Whether the grant was given, or renewed.
    pub granted: bool,
    /// Why not, in words for a person.
    #[serde(default)]
    pub why: String,
}

/// A node as others ask it.
#[derive(Debug)]
pub struct Witness {
    node: NodeId,
    broker: SharedBroker,
    metrics: Arc<Metrics>,
    free: Semaphore,
}

impl Witness {
    /// Makes the witness that speaks for `node`.
    #[must_use]
    pub fn new(node: NodeId, broker: SharedBroker, metrics: Arc<Metrics>) -> Self {
        Self {
            node,
            broker,
            metrics,
            free: Semaphore::new(AT_ONCE),
        }
    }

    /// Says whether this node sees the broker now; `None` if too many ask at once.
    pub async fn sees(&self) -> Option<Sight> {
        let _turn = self.free.try_acquire().ok()?;
        let sees = self.look().await;
        Some(Sight {
            node: self.node.clone(),
            sees,
        })
    }

    /// Decides whether a node may be unready; `None` if too many ask at once.
    pub async fn rule(&self, plea: &Plea) -> Option<Ruling> {
        let _turn = self.free.try_acquire().ok()?;
        let (word, ruling) = match self.judge(plea).await {
            Ok(()) => ("granted", Ok(())),
            Err((word, why)) => (word, Err(why)),
        };
        self.metrics.grants.with_label_values(&[word]).inc();
        let why = ruling.err().unwrap_or_default();
        tracing::info!(
            node = plea.node.as_str(),
            ruling = word,
            why,
            "a node that does not reach the broker asks to be unready"
        );
        let granted = word == "granted";
        Some(Ruling { granted, why })
    }

    async fn look(&self) -> bool {
        let is_up = || *self.broker.health().borrow() == Health::Up;
        is_up() && self.broker.sees().await.is_ok() && is_up()
    }

    async fn judge(&self, plea: &Plea) -> Result<(), (&'static str, String)> {
        let blind = |why: String| ("unavailable", why);
        if !self.look().await {
            return Err(blind("this node does not see the broker either".to_owned()));
        }
        let fleet = self.broker.fleet().await;
        let fleet = fleet.map_err(|error| blind(error.to_string()))?;
        let free = free(&fleet, &plea.node);
        if free.is_some_and(|free| free < plea.sessions) {
            let (free, sessions) = (free.unwrap_or_default(), plea.sessions);
            let why = format!(
                "the other nodes have room for {free} sessions, not for {sessions}: raise limits.sessions, or add nodes"
            );
            return Err(("capacity", why));
        }
        match self.broker.grant(&plea.node).await {
            Ok(Grant::Given) => Ok(()),
            Ok(Grant::Refused { most, .. }) => {
                let why = format!("as many nodes as may be ({most}) are unready already");
                Err(("share", why))
            }
            Err(error) => Err(blind(error.to_string())),
        }
    }
}

/// Returns how many more sessions the fleet takes without one node; `None` for any number.
fn free(fleet: &[FleetNode], without: &NodeId) -> Option<u64> {
    let mut free = 0_u64;
    for node in fleet {
        if node.leaving || node.node == *without {
            continue;
        }
        if node.capacity == 0 {
            return None;
        }
        free = free.saturating_add(node.capacity.saturating_sub(node.sessions));
    }
    Some(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, capacity: u64, sessions: u64) -> FleetNode {
        FleetNode {
            capacity,
            sessions,
            ..FleetNode::new(NodeId::parse(name).unwrap())
        }
    }

    #[test]
    fn room_is_what_the_others_have_left() {
        let me = NodeId::parse("me").unwrap();
        let leaving = FleetNode {
            leaving: true,
            ..node("leaving", 0, 0)
        };
        let mut fleet = vec![node("me", 100, 0), node("a", 100, 70), leaving];
        assert_eq!(free(&fleet, &me), Some(30));
        fleet.push(node("b", 100, 130));
        assert_eq!(free(&fleet, &me), Some(30));
        fleet.push(node("c", 0, 5000));
        assert_eq!(free(&fleet, &me), None);
        assert_eq!(free(&[], &me), Some(0));
    }
}

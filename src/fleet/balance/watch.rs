//! Lets sessions go as the balance says.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::pace::{Crowd, Letter};
use super::super::readiness::Readiness;
use super::{Balance, Step, Stop};
use crate::broker::{FleetNode, Health, SharedBroker};
use crate::protocol::{NodeId, ReconnectReason};
use crate::telemetry::Metrics;

/// Time between two steps, over which those of one step come back.
const STEP: Duration = Duration::from_secs(1);

/// A node that takes part in the balance of its fleet.
pub struct Rebalance {
    /// The node.
    pub node: NodeId,
    /// Its way to the leases.
    pub broker: SharedBroker,
    /// Its sessions.
    pub crowd: Arc<dyn Crowd>,
    /// Whether it takes part now.
    pub readiness: Arc<Readiness>,
    /// Where stops are counted.
    pub metrics: Arc<Metrics>,
    /// Setting `fleet.rebalance_percent`.
    pub percent: u32,
    /// Time between two looks at the leases.
    pub look: Duration,
}

impl Rebalance {
    /// Watches for as long as the node lives.
    pub async fn watch(self) {
        let health = self.broker.health();
        let mut balance = Balance::new(self.node.clone(), self.percent, Instant::now());
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut fleet: Vec<FleetNode> = Vec::new();
        let mut read_at: Option<Instant> = None;
        loop {
            let now = steps.tick().await;
            let takes_part = *health.borrow() == Health::Up && self.readiness.check().is_ok();
            if takes_part && read_at.is_none_or(|at| at + self.look <= now) {
                match self.broker.fleet().await {
                    Ok(read) => (fleet, read_at) = (read, Some(now)),
                    Err(_) => read_at = None,
                }
            }
            let step = match takes_part && read_at.is_some() {
                true => balance.step(self.crowd.staying(), &fleet, now),
                false => balance.lose_sight(now),
            };
            self.take(&mut balance, step, now);
        }
    }

    fn take(&self, balance: &mut Balance, step: Step, now: Instant) {
        if step.let_go > 0 {
            let letter = Letter {
                reason: ReconnectReason::Rebalance,
                spread: STEP,
            };
            let told = self.crowd.let_go(step.let_go, letter);
            balance.told(told, now);
            if self.metrics.rebalancing.get() == 0 {
                let sessions = self.crowd.staying();
                tracing::info!(sessions, "other nodes have fewer sessions: some are let go");
            }
            self.metrics.rebalancing.set(1);
        }
        let Some(why) = step.stopped else { return };
        self.metrics.rebalancing.set(0);
        let stops = &self.metrics.rebalance_stops;
        stops.with_label_values(&[why.as_str()]).inc();
        let sessions = self.crowd.staying();
        match why {
            Stop::Balanced | Stop::Changed | Stop::Moved => {
                tracing::info!(
                    reason = why.as_str(),
                    sessions,
                    "no more sessions are let go"
                );
            }
            Stop::Sticky => tracing::warn!(
                reason = why.as_str(),
                sessions,
                "no more sessions are let go: they come back to this node; a load balancer with sticky sessions cannot be \
                 balanced from here: turn that off, or set fleet.rebalance=false"
            ),
        }
    }
}

impl std::fmt::Debug for Rebalance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Rebalance");
        shown.field("node", &self.node).finish_non_exhaustive()
    }
}

//! When a node has so many more sessions than others that it lets some go.
//!
//! After a scale-up the new nodes are empty, and sessions are long: without this they would stay so. But every move is a
//! reconnect for somebody, so there are brakes: only nodes of one generation count, and only once their set has not
//! changed for a while; chance is no imbalance; a session is moved once in ten minutes; and a first few are moved to see
//! whether that helps at all. Behind a load balancer that sends everybody back to where they were, it does not, and the
//! node stops and waits longer each time.

mod watch;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use super::pace::{as_count, as_f64};
use crate::broker::FleetNode;
use crate::protocol::NodeId;

pub use watch::Rebalance;

/// The nodes must be the same for so long before anybody is moved.
const CALM: Duration = Duration::from_secs(10);
/// A node that is so far above the mean, and further than chance explains, begins.
const BEGIN: f64 = 1.15;
/// Times the standard deviation that chance explains, if every session chooses its node by itself.
const CHANCE: f64 = 3.0;
/// A node that is no further above the mean ends.
const END: f64 = 1.1;
/// For so long sessions are let go before it is looked at all whether that helps.
const TRIAL: Duration = Duration::from_secs(5);
/// Time after which it is looked whether the count has fallen, the trial's first.
const WINDOW: Duration = Duration::from_secs(15);
/// Who was let go in the last part of a window may still be on the way, and does not count in it.
const ON_THE_WAY: Duration = Duration::from_secs(6);
/// Of those moved within a window, this part must stay away. If most nodes have too many, most come back to one of them.
const AWAY: f64 = 0.05;
/// So few say nothing.
const TOO_FEW: usize = 5;
/// First pause after it did not help; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(600);
const LONGEST_PAUSE: Duration = Duration::from_secs(7200);
/// Pause when nobody may be moved.
const SHORT_PAUSE: Duration = Duration::from_secs(60);

/// Why a node lets nobody go any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is near the mean.
    Balanced,
    /// Other nodes came or went.
    Changed,
    /// Those who were let go came back to it.
    Sticky,
    /// Everybody who could go was moved a short while ago.
    Moved,
}

impl Stop {
    /// Returns the word in metric and log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Changed => "changed",
            Self::Sticky => "sticky",
            Self::Moved => "moved",
        }
    }
}

/// What a node does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// So many sessions are to be let go.
    pub let_go: usize,
    /// Why it has just stopped.
    pub stopped: Option<Stop>,
}

impl Step {
    const NOTHING: Self = Self {
        let_go: 0,
        stopped: None,
    };
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Watching,
    Moving(Window),
    Pausing { until: Instant },
}

/// What is looked at while sessions are let go.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    from: usize,
    /// Let go early enough to be where they stay.
    settled: usize,
    told: usize,
    /// When one was let go last, in this window or before.
    last: Instant,
    /// The fraction of a session that no step has let go yet.
    owed: f64,
    /// Whether it is the first one.
    is_trial: bool,
}

impl Window {
    const fn new(since: Instant, from: usize, last: Instant, is_trial: bool) -> Self {
        Self {
            last,
            since,
            from,
            is_trial,
            settled: 0,
            told: 0,
            owed: 0.0,
        }
    }

    fn length(&self) -> Duration {
        if self.is_trial {
            TRIAL + ON_THE_WAY
        } else {
            WINDOW
        }
    }

    /// Returns true if enough of those who were let go stay away, or too few were to say.
    fn has_fallen_to(&self, own: usize) -> bool {
        let fallen = as_f64(self.from) - as_f64(own);
        let wanted = (as_f64(self.settled) * AWAY).max(1.0);
        fallen >= wanted || (!self.is_trial && self.settled < TOO_FEW)
    }
}

/// One node's share of the fleet's sessions. It is asked each second.
#[derive(Debug)]
pub struct Balance {
    node: NodeId,
    per_second: f64,
    nodes: Vec<(NodeId, String)>,
    calm_since: Instant,
    phase: Phase,
    pause: Duration,
}

impl Balance {
    /// Makes the balance of a node that lets go `percent` of its sessions per second at most.
    #[must_use]
    pub fn new(node: NodeId, percent: u32, now: Instant) -> Self {
        Self {
            node,
            per_second: f64::from(percent) / 100.0,
            nodes: Vec::new(),
            calm_since: now,
            phase: Phase::Watching,
            pause: PAUSE,
        }
    }

    /// Notes that nothing is known of the fleet now, or that the node does not take part.
    pub fn lose_sight(&mut self, now: Instant) -> Step {
        self.nodes.clear();
        self.restart(now)
    }

    /// Says what to do, with `own` sessions that stay here and these leases.
    pub fn step(&mut self, own: usize, fleet: &[FleetNode], now: Instant) -> Step {
        let staying = fleet.iter().filter(|it| !it.leaving);
        let nodes: Vec<_> = staying
            .clone()
            .map(|it| (it.node.clone(), it.generation.clone()))
            .collect();
        if nodes != self.nodes {
            self.nodes = nodes;
            return self.restart(now);
        }
        let is_one_generation = self.nodes.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let is_known = self.nodes.iter().any(|(node, _)| *node == self.node);
        if !is_one_generation || !is_known || self.nodes.len() < 2 {
            return self.restart(now);
        }
        if now - self.calm_since < CALM {
            return Step::NOTHING;
        }
        let others = staying.filter(|it| it.node != self.node);
        let others: u64 = others.map(|it| it.sessions).sum();
        let all = own.saturating_add(usize::try_from(others).unwrap_or(usize::MAX));
        let mean = as_f64(all) / as_f64(self.nodes.len());
        self.go_on(own, mean, now)
    }

    /// Notes how many were let go of those that a step asked for.
    pub fn told(&mut self, count: usize, now: Instant) {
        if let Phase::Moving(window) = &mut self.phase {
            window.told += count;
            if count > 0 {
                window.last = now;
            }
            if window.is_trial || now - window.since < WINDOW - ON_THE_WAY {
                window.settled += count;
            }
        }
    }

    fn go_on(&mut self, own: usize, mean: f64, now: Instant) -> Step {
        let goal = (mean * END).max(mean + 1.0);
        let excess = as_count(as_f64(own) - goal);
        match self.phase {
            Phase::Watching => {
                let begin = (mean * BEGIN).max(mean + CHANCE * mean.sqrt());
                if as_f64(own) <= begin || excess == 0 {
                    return Step::NOTHING;
                }
                self.phase = Phase::Moving(Window::new(now, own, now, true));
                self.go_on(own, mean, now)
            }
            Phase::Moving(window) if excess == 0 && now - window.last >= ON_THE_WAY => {
                self.pause = PAUSE;
                self.stop(Stop::Balanced)
            }
            Phase::Moving(window) if now - window.since < window.length() => {
                self.let_go(window, own, excess, now)
            }
            Phase::Moving(window) if window.told == 0 => {
                self.pause_for(SHORT_PAUSE, Stop::Moved, now)
            }
            Phase::Moving(window) if window.has_fallen_to(own) => {
                self.phase = Phase::Moving(Window::new(now, own, window.last, false));
                Step::NOTHING
            }
            Phase::Moving(_) => self.be_sticky(now),
            Phase::Pausing { until } if now < until => Step::NOTHING,
            Phase::Pausing { .. } => {
                self.phase = Phase::Watching;
                Step::NOTHING
            }
        }
    }

    fn let_go(&mut self, mut window: Window, own: usize, excess: usize, now: Instant) -> Step {
        if window.is_trial && now - window.since >= TRIAL {
            return Step::NOTHING;
        }
        window.owed += (as_f64(own) * self.per_second).max(1.0);
        let due = window.owed.floor();
        window.owed -= due;
        self.phase = Phase::Moving(window);
        Step {
            let_go: as_count(due).min(excess),
            stopped: None,
        }
    }

    fn stop(&mut self, why: Stop) -> Step {
        self.phase = Phase::Watching;
        Step {
            let_go: 0,
            stopped: Some(why),
        }
    }

    fn pause_for(&mut self, pause: Duration, why: Stop, now: Instant) -> Step {
        let step = self.stop(why);
        self.phase = Phase::Pausing { until: now + pause };
        step
    }

    fn be_sticky(&mut self, now: Instant) -> Step {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.pause_for(pause, Stop::Sticky, now)
    }

    /// Begins anew: what was found out about other nodes means nothing for these.
    fn restart(&mut self, now: Instant) -> Step {
        self.calm_since = now;
        self.pause = PAUSE;
        let was_moving = matches!(self.phase, Phase::Moving(_));
        self.phase = Phase::Watching;
        Step {
            let_go: 0,
            stopped: was_moving.then_some(Stop::Changed),
        }
    }
}

//! A node that does not reach the broker finds out whether the fault is its own.
//!
//! Most outages are shared: then being unready helps nobody, and taking nodes out of the Service turns a degraded chat
//! into none. So a node turns unready only if others say, twice over five seconds, that they see the broker, and one of
//! those took a grant for it there. With the grant it lets its sessions go to them; when nobody renews the grant any
//! more, it is ready again. A fault of the configuration is told as such and never doubted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ask;
use super::pace::{Crowd, let_all_go};
use super::readiness::Readiness;
use super::witness::{self, Plea, Ruling, Sight};
use crate::broker::grant::GRANT_LIFE;
use crate::broker::{FleetNode, Health, SharedBroker};
use crate::protocol::{NodeId, ReconnectReason};
use crate::telemetry::Metrics;

/// Time between two questions.
const ROUND: Duration = Duration::from_secs(1);
/// Others must say for so long that they see the broker.
const TWICE: Duration = Duration::from_secs(5);
/// Time between two renewals of a grant.
const RENEW: Duration = Duration::from_secs(4);
/// How long a peer may take to answer: longer than its own look at the broker.
const ANSWER: Duration = Duration::from_millis(1500);
/// Peers that are asked at a time; which ones changes from round to round.
const ASKED: usize = 5;
/// Time over which a sick node lets its sessions go; five seconds with their last answers.
const HAND_OVER: Duration = Duration::from_secs(4);

/// What a peer answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It sees the broker.
    Sees,
    /// It does not.
    DoesNot,
    /// It did not answer.
    Unreachable,
}

impl Seen {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sees => "sees",
            Self::DoesNot => "does_not",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The way to other nodes.
pub trait Others: Send + Sync + 'static {
    /// Asks a node whether it sees the broker.
    fn sees(&self, node: NodeId, address: SocketAddr) -> BoxFuture<'static, Seen>;

    /// Asks a node for the grant to be unready. `Err` says why there is none.
    fn grant(&self, address: SocketAddr, plea: Plea) -> BoxFuture<'static, Result<(), String>>;
}

/// The internal listeners of other nodes.
#[derive(Debug)]
pub struct Listeners;

impl Others for Listeners {
    fn sees(&self, node: NodeId, address: SocketAddr) -> BoxFuture<'static, Seen> {
        Box::pin(async move {
            let answer = timeout(ANSWER, ask::get(address, witness::SEES)).await;
            let sight = match answer {
                Ok(Ok(answer)) if answer.status == 200 => serde_json::from_str(&answer.body).ok(),
                _ => None,
            };
            match sight {
                Some(Sight { node: who, sees }) if who == node => match sees {
                    true => Seen::Sees,
                    false => Seen::DoesNot,
                },
                // Another node has the address now, or something else.
                _ => Seen::Unreachable,
            }
        })
    }

    fn grant(&self, address: SocketAddr, plea: Plea) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            let plea = serde_json::to_string(&plea).map_err(|error| error.to_string())?;
            let answer = timeout(2 * ANSWER, ask::post(address, witness::GRANT, &plea)).await;
            let answer = answer.map_err(|_| format!("{address} does not answer"))??;
            match serde_json::from_str::<Ruling>(&answer.body) {
                Ok(Ruling { granted: true, .. }) => Ok(()),
                Ok(Ruling { why, .. }) => Err(why),
                Err(_) => Err(format!("{address} answers {}", answer.status)),
            }
        })
    }
}

/// A node that may doubt itself.
pub struct Doubt {
    /// The node.
    pub node: NodeId,
    /// Its way to the broker.
    pub broker: SharedBroker,
    /// Its sessions.
    pub crowd: Arc<dyn Crowd>,
    /// What is decided here.
    pub readiness: Arc<Readiness>,
    /// Where answers are counted.
    pub metrics: Arc<Metrics>,
    /// The way to other nodes.
    pub others: Arc<dyn Others>,
    /// Time between two looks at who there is: the setting `fleet.lease`.
    pub look: Duration,
}

/// The nodes that were there when the broker was seen last.
type Known = BTreeMap<NodeId, SocketAddr>;

impl Doubt {
    /// Watches the way to the broker for as long as the node lives.
    pub async fn watch(self) {
        let mut health = self.broker.health();
        let mut known = Known::new();
        loop {
            let is_up = *health.borrow_and_update() == Health::Up;
            if is_up {
                tokio::select! {
                    fleet = self.broker.fleet() => if let Ok(fleet) = fleet {
                        known = self.others_of(fleet);
                    },
                    // An answer that does not come is no reason to doubt later.
                    changed = health.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                }
            }
            if is_doubtful(&health) {
                let mut ends = health.clone();
                tokio::select! {
                    () = self.doubt(&known) => {}
                    ended = ends.wait_for(|health| !doubts(health)) => if ended.is_err() { return },
                }
                self.recover();
                if *health.borrow() == Health::Up
                    && let Err(error) = self.broker.give_back(&self.node).await
                {
                    tracing::debug!(%error, "the grant to be unready ends by itself");
                }
                continue;
            }
            tokio::select! {
                changed = health.changed() => if changed.is_err() { return },
                () = sleep(self.look / 2) => {}
            }
        }
    }

    fn others_of(&self, fleet: Vec<FleetNode>) -> Known {
        let others = fleet
            .into_iter()
            .filter(|it| it.node != self.node && !it.leaving);
        others
            .filter_map(|it| Some((it.node, it.address.parse().ok()?)))
            .collect()
    }

    /// Asks others, for as long as the way is cut.
    async fn doubt(&self, known: &Known) {
        let mut seen_since = None;
        let mut told = String::new();
        let mut tell = |what: String| {
            if told != what {
                tracing::warn!(reason = "sick", "{what}");
                told = what;
            }
        };
        for round in 0.. {
            let asked = Instant::now();
            let seeing = self.ask(known, round).await;
            if seeing.is_empty() {
                seen_since = None;
                tell("no other node says that it sees the broker: this node stays ready and keeps its sessions".to_owned());
            } else if asked - *seen_since.get_or_insert(asked) >= TWICE {
                match self.plead(&seeing).await {
                    Ok(at) => {
                        tell("other nodes see the broker and this one does not: not ready, its sessions are handed over".to_owned());
                        self.be_sick(known, at).await;
                        tell("the grant to be unready was not renewed: ready again".to_owned());
                        self.recover();
                        seen_since = None;
                    }
                    Err(why) => tell(format!(
                        "other nodes see the broker and this one does not, but it stays ready: {why}"
                    )),
                }
            }
            sleep_until(asked + ROUND).await;
        }
    }

    /// Hands the sessions over while the grant is renewed; returns when it has ended.
    async fn be_sick(&self, known: &Known, granted: Instant) {
        self.readiness.set_sick(true);
        self.metrics.sick.set(1);
        let mut handing_over = JoinSet::new();
        let (crowd, metrics) = (Arc::clone(&self.crowd), Arc::clone(&self.metrics));
        handing_over.spawn(async move {
            loop {
                let_all_go(crowd.as_ref(), HAND_OVER, ReconnectReason::Sick, &metrics).await;
                // Who comes all the same finds a closed door; who was on the way leaves too.
                while crowd.staying() == 0 {
                    sleep(ROUND).await;
                }
            }
        });
        let mut until = granted + GRANT_LIFE;
        let mut round = 0;
        loop {
            let next = Instant::now() + RENEW;
            let renewed = timeout(RENEW, async {
                round += 1;
                let seeing = self.ask(known, round).await;
                self.plead(&seeing).await.ok()
            });
            if let Ok(Some(at)) = renewed.await {
                until = at + GRANT_LIFE;
            }
            if next >= until {
                sleep_until(until).await;
                return;
            }
            sleep_until(next).await;
        }
    }

    fn recover(&self) {
        if self.readiness.is_sick() {
            tracing::info!("ready again");
        }
        self.readiness.set_sick(false);
        self.metrics.sick.set(0);
    }

    /// Asks a few of the known nodes; returns those that see the broker.
    async fn ask(&self, known: &Known, round: usize) -> Vec<SocketAddr> {
        let from = if known.len() > ASKED {
            round * ASKED % known.len()
        } else {
            0
        };
        let asked = known.iter().cycle().skip(from).take(ASKED.min(known.len()));
        let asked = asked.map(|(node, address)| async {
            (*address, self.others.sees(node.clone(), *address).await)
        });
        let mut seeing = Vec::new();
        for (address, seen) in join_all(asked).await {
            let answers = &self.metrics.peer_answers;
            answers.with_label_values(&[seen.as_str()]).inc();
            if seen == Seen::Sees {
                seeing.push(address);
            }
        }
        seeing
    }

    /// Asks those that see the broker, one after the other, for a grant; returns since when it stands at least.
    async fn plead(&self, seeing: &[SocketAddr]) -> Result<Instant, String> {
        let mut refused = "nobody sees the broker any more".to_owned();
        for address in seeing {
            let asked = Instant::now();
            let plea = Plea {
                node: self.node.clone(),
                sessions: self.crowd.staying() as u64,
            };
            match self.others.grant(*address, plea).await {
                Ok(()) => return Ok(asked),
                Err(why) => refused = why,
            }
        }
        Err(refused)
    }
}

impl std::fmt::Debug for Doubt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Doubt");
        shown.field("node", &self.node).finish_non_exhaustive()
    }
}

fn is_doubtful(health: &watch::Receiver<Health>) -> bool {
    doubts(&health.borrow())
}

/// Returns true if others may see what this node does not.
fn doubts(health: &Health) -> bool {
    matches!(health, Health::Down(outage) if !outage.is_configuration)
}

#[cfg(test)]
mod tests;

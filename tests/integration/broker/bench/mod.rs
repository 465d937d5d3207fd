//! A broker of one kind or the other, its nodes, and the faults that both kinds can have.

mod ear;
mod faults;
mod ledger;
mod node;

use std::sync::Arc;
use std::time::Duration;

use madang::broker::memory::{self, MemoryBroker, hooks};
use madang::broker::redis::{self, RedisBroker};
use madang::broker::{FleetNode, Health, SharedBroker, Sink};
use madang::config::Settings;
use madang::protocol::{NodeId, RoomName};
use madang::telemetry::Metrics;
use tokio::sync::watch;

use crate::support::PATIENCE;
use crate::support::redis::{RedisOptions, RedisServer};

pub(crate) use ear::{Ear, entries, ephemerals};
pub(crate) use ledger::Ledger;
pub(crate) use node::{Draft, Node, judge, user};

/// What the nodes share.
#[derive(Debug)]
enum Kind {
    Memory(Arc<MemoryBroker>),
    Redis(Box<RedisServer>),
    /// A topology of somebody else's, which is not broken.
    Elsewhere,
}

/// What was kept of a room by [`Bench::image`].
#[derive(Clone, Debug)]
pub(crate) enum Image {
    Memory(hooks::Image),
    /// Each key of the room's log and meta with its dump; `None` for a key that was missing.
    Redis(Vec<(String, Option<Vec<u8>>)>),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Bench {
    kind: Kind,
    settings: Settings,
    pub(crate) ledger: Arc<Ledger>,
    health: Vec<watch::Receiver<Health>>,
}

/// Returns settings under which what is due comes soon.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.history.entries = 10_000;
    settings.fleet.debounce = Duration::from_millis(300);
    settings.fleet.lease = Duration::from_secs(2);
    settings.limits.send_timeout = Duration::from_secs(1);
    settings
}

impl Bench {
    /// Makes a memory broker without nodes.
    pub(crate) fn memory() -> Self {
        let settings = settings();
        let store = MemoryBroker::new(memory::Options::from(&settings));
        Self::of(Kind::Memory(store), settings)
    }

    /// Starts a Redis that loses nothing when it is killed, without nodes.
    pub(crate) async fn redis() -> Self {
        let options = RedisOptions {
            is_durable: true,
            ..RedisOptions::default()
        };
        let server = RedisServer::start_with(options).await;
        let variables = [("MADANG_REDIS__URL".to_owned(), server.url())];
        let loaded = Settings::load(None, variables).expect("the URL of the server is allowed");
        let settings = Settings {
            redis: loaded.settings.redis,
            ..settings()
        };
        Self::of(Kind::Redis(Box::new(server)), settings)
    }

    /// Takes the Redis at a URL, without nodes, under a prefix of its own.
    pub(crate) fn at(url: &str, prefix: &str) -> Self {
        let variables = [("REDIS__URL", url), ("REDIS__PREFIX", prefix)]
            .map(|(name, value)| (format!("MADANG_{name}"), value.to_owned()));
        let loaded = Settings::load(None, variables).expect("the URL of the topology is allowed");
        let settings = Settings {
            redis: loaded.settings.redis,
            ..settings()
        };
        Self::of(Kind::Elsewhere, settings)
    }

    fn of(kind: Kind, settings: Settings) -> Self {
        Self {
            kind,
            settings,
            ledger: Arc::default(),
            health: Vec::new(),
        }
    }

    /// Starts a node and waits until it reaches the broker.
    pub(crate) async fn node(&mut self, name: &str) -> Node {
        let ear = Arc::new(Ear::new(self.ledger.clone()));
        let metrics = Arc::new(Metrics::new());
        let broker = self.start(name, ear.clone(), metrics.clone());
        self.health.push(broker.health());
        self.until_up().await;
        Node::new(broker, ear, metrics, self.ledger.clone())
    }

    fn start(&self, name: &str, sink: Arc<dyn Sink>, metrics: Arc<Metrics>) -> SharedBroker {
        match &self.kind {
            Kind::Memory(store) => store.join(as_lease(name), sink, metrics),
            Kind::Redis(_) | Kind::Elsewhere => {
                let options = redis::Options::from(&self.settings);
                RedisBroker::start(&options, as_lease(name), sink, metrics)
                    .expect("the settings are right")
            }
        }
    }

    /// Waits until every node that has not ended reaches the broker.
    pub(crate) async fn until_up(&mut self) {
        for health in &mut self.health {
            // A node that has ended never does, and tells so by ending its health.
            if health.has_changed().is_err() {
                continue;
            }
            let up = health.wait_for(|health| *health == Health::Up);
            let is_reached = tokio::time::timeout(PATIENCE, up).await.is_ok();
            assert!(
                is_reached,
                "a node has not reached the broker: {:?}",
                *health.borrow()
            );
        }
    }

    /// Returns how long a node's lease lasts unless it is renewed.
    pub(crate) fn lease(&self) -> Duration {
        self.settings.fleet.lease
    }

    /// Returns how long a publish may take.
    pub(crate) fn send_timeout(&self) -> Duration {
        self.settings.limits.send_timeout
    }
}

/// Returns a room's name.
pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("tests name rooms as people may")
}

/// Returns what a node of this name tells the fleet.
pub(crate) fn as_lease(name: &str) -> FleetNode {
    FleetNode {
        start: 1_700_000_000_000,
        version: format!("1.0.0-{name}"),
        generation: "5d4f".to_owned(),
        pod: format!("madang-{name}"),
        address: "[fd00::1]:9090".to_owned(),
        capacity: 100,
        ..FleetNode::new(NodeId::parse(name).expect("tests name nodes as hosts are"))
    }
}

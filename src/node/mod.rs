//! One server process: its parts joined, started in order and stopped in order.

mod address;
mod identity_key;
mod name;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::broker::memory::{self, MemoryBroker};
use crate::broker::redis::{self, RedisBroker};
use crate::broker::{FleetNode, Health, SharedBroker};
use crate::config::Settings;
use crate::fleet::balance::Rebalance;
use crate::fleet::doubt::{Doubt, Listeners};
use crate::fleet::peers::Look;
use crate::fleet::witness::Witness;
use crate::fleet::{Crowd as _, Letter, Readiness, pace, strangers};
use crate::hub::{Admission, Hub, Timing};
use crate::protocol::{NodeId, ReconnectReason, millis};
use crate::server::api::keys::{Keys, KeysError};
use crate::server::internal::Internal;
use crate::server::{self, Api, Door, Opened, Public};
use crate::session::{self, Context, Identity, Resumes, SessionBounds};
use crate::telemetry::Metrics;

pub use identity_key::KeyFileError;

/// How long sessions may take to end once they have been told to, beyond the longest publish.
const LEAVE_GRACE: Duration = Duration::from_secs(5);

/// Why a node could not start. Each is one sentence that names the setting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error(transparent)]
    Listen(#[from] server::ListenError),
    /// The broker's settings cannot work, whatever the network does.
    #[error(transparent)]
    Broker(#[from] crate::broker::redis::LinkError),
    /// The identity key could not be read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The keys of the HTTP API could not be read.
    #[error(transparent)]
    ApiKeys(#[from] KeysError),
    /// The system failed.
    #[error("the system failed: {0}")]
    System(#[from] std::io::Error),
}

/// A node that serves.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    start: u64,
    address: SocketAddr,
    internal_address: SocketAddr,
    settings: Settings,
    readiness: Arc<Readiness>,
    context: Arc<Context>,
    stop_public: CancellationToken,
    stop_internal: CancellationToken,
    door: Option<Arc<Door>>,
    listeners: Vec<JoinHandle<()>>,
    background: JoinSet<()>,
    _shards: JoinSet<()>,
}

impl Node {
    /// Starts a node on the broker that the settings name: Redis, or the memory of this process.
    ///
    /// A Redis that cannot be reached is no error: the node starts, is not ready, and keeps trying.
    ///
    /// # Errors
    /// [`StartError`] when the node cannot work with these settings on this machine.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let memory = MemoryBroker::new(memory::Options::from(&settings));
        Self::start_beside(settings, &memory).await
    }

    /// Starts a node that, unless its settings name a Redis, shares `memory` with other nodes of this process.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_beside(
        settings: Settings,
        memory: &Arc<MemoryBroker>,
    ) -> Result<Self, StartError> {
        let keys = Keys::load(&settings)?;
        let public = server::listen::bind(settings.server.listen, "server.listen")?;
        let internal =
            server::listen::bind(settings.server.internal_listen, "server.internal_listen")?;
        let (address, internal_address) = (public.local_addr()?, internal.local_addr()?);
        let metrics = Arc::new(Metrics::new());
        let id = name::choose(settings.server.node_name.as_deref());

        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        let (hub, idle) = Hub::new(shards);
        let reached = address::choose(settings.fleet.address, internal_address);
        let lease = as_lease(&id, reached, &settings);
        let start = lease.start;
        let broker: SharedBroker = if settings.redis.url.is_some() {
            let options = redis::Options::from(&settings);
            RedisBroker::start(&options, lease, hub.clone(), metrics.clone())?
        } else {
            // Nothing lies between a node and its own memory.
            metrics.broker_up.set(1);
            memory.join(lease, hub.clone(), metrics.clone())
        };
        let timing = Timing {
            debounce: settings.fleet.debounce,
            join_timeout: settings.limits.send_timeout,
            fanout_interval: settings.limits.fanout_interval,
        };
        let admission: Arc<dyn Admission> =
            Arc::new(Resumes::new(settings.limits.resumes_per_second));
        let shards = idle.start(&broker, timing, &metrics, &admission);

        let identity = Arc::new(Identity::new(settings.identity.token_life));
        let readiness = Arc::new(Readiness::new());
        let has_key_file = settings.identity.key_file.is_some();
        if let Some(file) = &settings.identity.key_file {
            identity.learn(identity_key::read(file)?);
        }
        let mut background = JoinSet::new();
        background.spawn(get_ready(
            broker.clone(),
            identity.clone(),
            has_key_file,
            readiness.clone(),
        ));
        if settings.redis.url.is_some() {
            if let Some(name) = settings.fleet.name.clone() {
                background.spawn(strangers::watch(
                    broker.clone(),
                    name,
                    settings.redis.prefix.clone(),
                    settings.fleet.lease,
                    metrics.clone(),
                ));
            }
        } else if !settings.fleet.peers.is_empty() {
            let look = Look {
                node: id.clone(),
                start,
                names: settings.fleet.peers.clone(),
                port: internal_address.port(),
                readiness: readiness.clone(),
                metrics: metrics.clone(),
            };
            look.begin();
            background.spawn(look.watch());
        }

        let bounds = SessionBounds::new(&settings);
        let context = Arc::new(Context::new(
            hub,
            broker,
            identity,
            metrics.clone(),
            id.clone(),
            bounds,
        ));
        background.spawn(context.clone().watch_health());
        background.spawn(context.clone().end_waiting());
        let api = Api::new(
            &settings,
            context.broker.clone(),
            keys,
            metrics.clone(),
            id.clone(),
            bounds.told,
        );
        background.spawn(api.clone().watch_keys(settings.clone()));
        let doubt = Doubt {
            node: id.clone(),
            broker: context.broker.clone(),
            crowd: context.roll.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            others: Arc::new(Listeners),
            look: settings.fleet.lease,
        };
        background.spawn(doubt.watch());
        if settings.fleet.rebalance {
            let rebalance = Rebalance {
                node: id.clone(),
                broker: context.broker.clone(),
                crowd: context.roll.clone(),
                readiness: readiness.clone(),
                metrics: metrics.clone(),
                percent: settings.fleet.rebalance_percent,
                look: settings.fleet.lease / 2,
            };
            background.spawn(rebalance.watch());
        }
        let mut node = Self {
            id,
            start,
            address,
            internal_address,
            readiness,
            context,
            stop_public: CancellationToken::new(),
            stop_internal: CancellationToken::new(),
            door: None,
            listeners: Vec::new(),
            settings,
            background,
            _shards: shards,
        };
        node.serve(public, internal, api);
        Ok(node)
    }

    fn serve(&mut self, public: TcpListener, internal: TcpListener, api: Arc<Api>) {
        let context = self.context.clone();
        let open: server::Open = Arc::new(move |opened: Opened| {
            session::open(
                context.clone(),
                opened.io,
                opened.early,
                opened.address,
                opened.permit,
            );
        });
        let door = Door::new(
            &self.settings,
            self.context.metrics.clone(),
            self.readiness.clone(),
            open,
        );
        let router = server::public::router(Public {
            door: door.clone(),
            api,
        });
        self.door = Some(door);
        let options = server::Options::public(&self.settings.server);
        self.listeners.push(tokio::spawn(server::accept::serve(
            public,
            router,
            options,
            self.stop_public.clone(),
        )));
        let router = server::internal::router(Internal {
            node: self.id.clone(),
            start: self.start,
            is_joined: self.settings.redis.url.is_some(),
            readiness: self.readiness.clone(),
            health: self.context.broker.health(),
            metrics: self.context.metrics.clone(),
            witness: Arc::new(Witness::new(
                self.id.clone(),
                self.context.broker.clone(),
                self.context.metrics.clone(),
            )),
        });
        let options = server::Options::internal(&self.settings.server);
        self.listeners.push(tokio::spawn(server::accept::serve(
            internal,
            router,
            options,
            self.stop_internal.clone(),
        )));
        self.readiness.set_started();
        tracing::info!(
            node = self.id.as_str(),
            address = %self.address,
            internal_address = %self.internal_address,
            broker = if self.settings.redis.url.is_some() { "redis" } else { "memory" },
            version = env!("CARGO_PKG_VERSION"),
            "madang serves"
        );
    }

    /// Returns where the page and `/ws` are.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where probes and metrics are.
    #[must_use]
    pub fn internal_address(&self) -> SocketAddr {
        self.internal_address
    }

    /// Returns the node's name.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Returns true if the node takes part in the fleet's work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.readiness.check().is_ok()
    }

    /// Returns what the node counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.context.metrics
    }

    /// Returns the node's way to the other nodes.
    #[must_use]
    pub fn broker(&self) -> &SharedBroker {
        &self.context.broker
    }

    /// Serves on, but not ready, for `drain.delay`: endpoints and load balancers catch up. The lease says that the node
    /// leaves.
    pub async fn withdraw(&self) {
        self.readiness.set_draining();
        self.context.broker.leaving();
        let delay_ms = millis(self.settings.drain.delay);
        tracing::info!(delay_ms, "draining: not ready, still serving");
        tokio::time::sleep(self.settings.drain.delay).await;
    }

    /// Lets no session in any more, and those that are in go at an even pace over `drain.window`: each is told to come
    /// back elsewhere, flushed, answered, closed with 1012.
    pub async fn drain(&self) {
        self.readiness.set_draining();
        if let Some(door) = &self.door {
            door.close();
        }
        let window = self.settings.drain.window;
        tracing::info!(
            sessions = self.context.roll.staying(),
            window_ms = millis(window),
            "draining: sessions are let go"
        );
        let roll = self.context.roll.as_ref();
        pace::let_all_go(roll, window, ReconnectReason::Drain, &self.context.metrics).await;
    }

    /// Ends in order: no new sessions; those that are still there are told to leave at once, their publishes under way
    /// answered, their outboxes flushed; the broker last.
    pub async fn stop(self) {
        self.readiness.set_draining();
        if let Some(door) = &self.door {
            door.close();
        }
        self.stop_public.cancel();
        let sessions = self.context.tracker.len();
        self.context
            .roll
            .close(Letter::at_once(ReconnectReason::Drain));
        self.context.tracker.close();
        let grace = self.settings.limits.send_timeout + LEAVE_GRACE;
        if tokio::time::timeout(grace, self.context.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                sessions = self.context.tracker.len(),
                "sessions did not end in time"
            );
        } else {
            tracing::info!(sessions, "all sessions ended");
        }
        // Those who watch the broker would take its end for an outage.
        drop(self.background);
        self.context.broker.stop().await;
        self.stop_internal.cancel();
        for listener in self.listeners {
            if let Err(error) = listener.await {
                tracing::error!(%error, "a listener ended by a fault of this program");
            }
        }
        tracing::info!("stopped");
    }
}

/// Returns what the node's lease tells the fleet.
fn as_lease(id: &NodeId, reached: Option<SocketAddr>, settings: &Settings) -> FleetNode {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    FleetNode {
        start: millis(since_1970),
        fleet: settings.fleet.name.clone().unwrap_or_default(),
        version: crate::VERSION.to_owned(),
        capacity: settings.limits.sessions as u64,
        generation: settings.fleet.generation.clone().unwrap_or_default(),
        address: reached.map(|it| it.to_string()).unwrap_or_default(),
        ..FleetNode::new(id.clone())
    }
}

/// Lets the node be ready once the broker has been reached and welcomes can be signed; a later outage changes nothing.
async fn get_ready(
    broker: SharedBroker,
    identity: Arc<Identity>,
    has_key_file: bool,
    readiness: Arc<Readiness>,
) {
    if !has_key_file {
        identity_key::learn(&broker, &identity).await;
    }
    if broker
        .health()
        .wait_for(|health| *health == Health::Up)
        .await
        .is_ok()
    {
        readiness.set_broker_seen();
    }
    if !has_key_file {
        identity_key::keep(&broker, &identity).await;
    }
}

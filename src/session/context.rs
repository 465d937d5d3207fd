//! What all sessions of a node share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::company::Company;
use super::identity::Identity;
use super::outbox::Bounds;
use super::roll::Roll;
use crate::broker::{Health, SharedBroker};
use crate::config::Settings;
use crate::hub::{Hub, SeatId};
use crate::protocol::{Limits, NodeId, SessionLimits, millis};
use crate::telemetry::Metrics;

/// What all sessions of a node share.
#[derive(Debug)]
pub struct Context {
    /// Rooms.
    pub hub: Arc<Hub>,
    /// What joins nodes.
    pub broker: SharedBroker,
    /// Who speaks.
    pub identity: Arc<Identity>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// This node's name.
    pub node: NodeId,
    /// Tracks every session until it has ended.
    pub tracker: TaskTracker,
    /// Bounds and times of sessions.
    pub bounds: SessionBounds,
    /// Those that have not been told to leave.
    pub roll: Arc<Roll>,
    pub(super) company: Company,
    pub(super) health: watch::Receiver<Health>,
    seats: AtomicU64,
}

/// Bounds and times of one session, from the settings.
#[derive(Clone, Copy, Debug)]
pub struct SessionBounds {
    /// What `welcome` tells.
    pub told: SessionLimits,
    /// Bounds of requests.
    pub requests: Limits,
    /// Requests of any type per second, and at once.
    pub request_rate: (u32, u32),
    /// Bounds of the outbox.
    pub outbox: Bounds,
    /// Time for `hello`.
    pub hello_timeout: Duration,
    /// Between two pings of the node.
    pub ping_interval: Duration,
    /// For the pong, and for a write to make progress.
    pub pong_timeout: Duration,
    /// How long a publish under way may hold up the end of a session.
    pub send_timeout: Duration,
    /// Whether a message is accepted at the time at which it is delivered: no replicas are waited for.
    pub is_accepted_at_once: bool,
}

impl SessionBounds {
    /// Takes the bounds from the settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        Self {
            told: SessionLimits {
                frame_bytes: limits.frame_bytes,
                text: limits.text,
                name: limits.names,
                rooms: limits.rooms,
                sends_per_second: limits.sends_per_second,
                send_burst: limits.send_burst,
                dedupe_ms: millis(limits.dedupe_window),
                history: settings.history.entries,
            },
            requests: Limits {
                text: limits.text,
                names: limits.names,
            },
            request_rate: (limits.requests_per_second, limits.requests_burst),
            outbox: Bounds {
                frames: limits.outbox_frames,
                bytes: limits.outbox_bytes,
            },
            hello_timeout: settings.session.hello_timeout,
            ping_interval: settings.session.ping_interval,
            pong_timeout: settings.session.pong_timeout,
            send_timeout: limits.send_timeout,
            is_accepted_at_once: settings.redis.needed_acks() == 0,
        }
    }
}

impl Context {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        broker: SharedBroker,
        identity: Arc<Identity>,
        metrics: Arc<Metrics>,
        node: NodeId,
        bounds: SessionBounds,
    ) -> Self {
        let health = broker.health();
        let tracker = TaskTracker::new();
        Self {
            hub,
            broker,
            identity,
            metrics,
            node,
            tracker,
            bounds,
            roll: Arc::default(),
            company: Company::default(),
            health,
            seats: AtomicU64::new(1),
        }
    }

    /// Tells the sessions of every change of the broker's health, until the broker is gone.
    pub async fn watch_health(self: Arc<Self>) {
        let mut health = self.health.clone();
        while health.changed().await.is_ok() {
            self.roll.nudge();
        }
    }

    /// Has answers leave that waited in vain for company, for as long as the node has sessions.
    pub async fn end_waiting(self: Arc<Self>) {
        self.company.run().await;
    }

    pub(super) fn next_seat(&self) -> SeatId {
        SeatId(self.seats.fetch_add(1, Ordering::Relaxed))
    }
}

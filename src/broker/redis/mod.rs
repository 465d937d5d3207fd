//! Redis as the broker: what joins the nodes of a fleet.
//!
//! Redis 6.2 or newer, or Valkey: one server, a master with sentinels, or a Cluster. The log in Redis is the truth
//! and one script writes it; payloads over publish and subscribe are the hint that an entry is there.
//!
//! In reading order: `keys` and `payload` (what stands in Redis and what goes over it), `options`, `clock`, `fault`,
//! `endpoint`, `sentinels`, `wire`, `shard`, `cluster`, `link`, `script` (how a node reaches it), `refusals`, `batch`,
//! `call`, `pipeline`, `parcels`, `publisher` with `scripts/publish.lua` (how messages get their numbers), `reader`,
//! `positions`, `identity`, `notices`, `way`, `subscriber`, `watchdog`, `probe` (how the node hears of them), `lease`,
//! `presence` (who is there), `rights` (which commands all of this sends).

pub mod batch;
pub mod call;
pub mod clock;
pub mod cluster;
mod endpoint;
pub mod fault;
pub mod identity;
pub mod keys;
mod lease;
pub mod link;
mod notices;
pub mod options;
mod parcels;
pub mod payload;
mod pipeline;
pub mod positions;
mod presence;
mod probe;
pub mod publisher;
pub mod reader;
#[cfg(test)]
mod recorder;
pub mod refusals;
pub mod rights;
pub mod script;
mod sentinels;
pub mod shard;
mod subscriber;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod watchdog;
mod way;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::link::Link;
use self::positions::Positions;
use self::presence::Presence;
use self::publisher::Publisher;
use self::subscriber::Subscriber;
use super::{
    Broker, Ephemeral, FleetNode, Grant, Health, PresenceChange, Publish, Roster, Sink, Snapshot,
    Source, Span, Unavailable,
};
use crate::protocol::{NodeId, Position, RoomName};
use crate::telemetry::Metrics;

pub use self::fault::LinkError;
pub use self::options::Options;

/// A node's side of Redis. See [`Broker`] for what it guarantees.
///
/// Its node ends when it is dropped: like a process that died, unless [`Broker::stop`] came first.
#[derive(Debug)]
pub struct RedisBroker {
    link: Arc<Link>,
    positions: Arc<Positions>,
    publisher: Publisher,
    subscriber: Arc<Subscriber>,
    presence: Arc<Presence>,
    tasks: TaskTracker,
    /// Ends the publishing side, which answers first what waits.
    stop_publishing: CancellationToken,
    /// Ends all the rest.
    stop: CancellationToken,
}

impl RedisBroker {
    /// Starts the side of `node`, whose sessions are those of `metrics`; events go to `sink`. A Redis that is away is no
    /// error: it is tried until it is there, and [`Broker::health`] tells.
    ///
    /// # Errors
    /// Faults of the settings: no URL, a CA or password file that cannot be used.
    pub fn start(
        options: &Options,
        node: FleetNode,
        sink: Arc<dyn Sink>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, LinkError> {
        let link = Link::new(options, Arc::clone(&metrics))?;
        let (tasks, stop, stop_publishing) = (
            TaskTracker::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let positions = Arc::new(Positions::new());
        let publisher = Publisher::start(&link, &positions, &tasks, &stop_publishing);
        let subscriber = Subscriber::start(
            &link,
            node.node.as_str(),
            sink,
            Arc::clone(&metrics),
            &tasks,
            &stop,
        );
        let (way, notices) = (
            Arc::clone(subscriber.way()),
            Arc::clone(subscriber.notices()),
        );
        let presence = Presence::start(
            Arc::clone(&link),
            node,
            way,
            notices,
            metrics,
            options.debounce,
            &stop,
        );
        Ok(Arc::new(Self {
            link,
            positions,
            publisher,
            subscriber,
            presence,
            tasks,
            stop_publishing,
            stop,
        }))
    }
}

/// Reads which nodes hold a lease, for who has a link and no node.
///
/// # Errors
/// [`Unavailable`] as for [`Broker::fleet`].
pub(crate) async fn fleet(link: &Link) -> Result<Vec<FleetNode>, Unavailable> {
    lease::fleet(link).await
}

impl Broker for RedisBroker {
    fn publish(&self, publish: Publish) {
        self.publisher.publish(publish);
    }

    fn forget(&self, source: Source, room: Option<&RoomName>) {
        self.publisher.forget(source, room);
    }

    fn subscribe(&self, room: RoomName, generation: u64) {
        self.subscriber.subscribe(room, generation);
    }

    fn unsubscribe(&self, room: RoomName, generation: u64) {
        self.subscriber.unsubscribe(room, generation);
    }

    fn delivered(&self, room: &RoomName, position: Option<&Position>) {
        self.positions.deliver(room, position);
    }

    fn read(
        &self,
        room: RoomName,
        span: Span,
        limit: usize,
    ) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        let link = Arc::clone(&self.link);
        Box::pin(async move { reader::read(&link, &room, span, limit).await })
    }

    fn ephemeral(&self, room: &RoomName, ephemeral: Ephemeral) {
        self.publisher.ephemeral(room, &ephemeral);
    }

    fn presence(&self, room: RoomName, changes: Vec<PresenceChange>) {
        self.presence.change(&room, changes);
    }

    fn roster(
        &self,
        room: RoomName,
        cursor: Option<String>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Roster, Unavailable>> {
        let presence = Arc::clone(&self.presence);
        Box::pin(async move { presence.roster(&room, cursor.as_deref(), limit).await })
    }

    fn fleet(&self) -> BoxFuture<'static, Result<Vec<FleetNode>, Unavailable>> {
        let link = Arc::clone(&self.link);
        Box::pin(async move { lease::fleet(&link).await })
    }

    fn leaving(&self) {
        self.presence.leaving();
    }

    fn sees(&self) -> BoxFuture<'static, Result<(), Unavailable>> {
        let link = Arc::clone(&self.link);
        Box::pin(async move { lease::sees(&link).await })
    }

    fn grant(&self, node: &NodeId) -> BoxFuture<'static, Result<Grant, Unavailable>> {
        let (link, node) = (Arc::clone(&self.link), node.clone());
        Box::pin(async move { lease::grant(&link, node.as_str()).await })
    }

    fn give_back(&self, node: &NodeId) -> BoxFuture<'static, Result<(), Unavailable>> {
        let (link, node) = (Arc::clone(&self.link), node.clone());
        Box::pin(async move { lease::give_back(&link, node.as_str()).await })
    }

    fn identity_key(&self, candidate: Bytes) -> BoxFuture<'static, Result<Bytes, Unavailable>> {
        let link = Arc::clone(&self.link);
        Box::pin(async move { identity::key(&link, &candidate).await })
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.subscriber.way().health()
    }

    fn now_ms(&self) -> u64 {
        self.link.clock().now_ms()
    }

    fn stop(&self) -> BoxFuture<'static, ()> {
        let (presence, tasks) = (Arc::clone(&self.presence), self.tasks.clone());
        let (stop_publishing, stop) = (self.stop_publishing.clone(), self.stop.clone());
        Box::pin(async move {
            stop_publishing.cancel();
            presence.stop().await;
            stop.cancel();
            tasks.close();
            tasks.wait().await;
        })
    }
}

impl Drop for RedisBroker {
    fn drop(&mut self) {
        // The publishing side ends by itself once it has answered what waits.
        self.stop.cancel();
    }
}

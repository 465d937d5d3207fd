//! One wire to one master, kept up for as long as the master has rooms for this node.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::super::cluster::{Cluster, Redirect};
use super::super::fault::LinkError;
use super::super::keys::Keys;
use super::super::link::Place;
use super::super::notices::Notices;
use super::super::probe::Probe;
use super::super::shard::Shard;
use super::super::watchdog::{Watchdog, broken as given_up};
use super::super::way::Way;
use super::inbox::Inbox;
use super::line::Line;
use super::wanted::{self, Wanted};
use crate::config::ServerAddress;
use crate::protocol::RoomName;
use crate::telemetry::Metrics;

/// Rooms of one SUBSCRIBE: its confirmations take some milliseconds, and the next batch gathers meanwhile.
const BATCH: usize = 500;

/// Wait before the second try; it doubles up to [`MAX_BACKOFF`], each spread over half of itself.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// Longest wait between two tries; it bounds what is missed after Redis is back.
const MAX_BACKOFF: Duration = Duration::from_millis(500);

/// What all keepers of a node share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) keys: Keys,
    pub(super) node: String,
    pub(super) notices: Arc<Notices>,
    pub(super) way: Arc<Way>,
    pub(super) probe: Arc<Probe>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) metrics: Arc<Metrics>,
}

impl Shared {
    fn cluster(&self) -> Option<&Cluster> {
        match &self.place {
            Place::One(_) => None,
            Place::Cluster(cluster) => Some(cluster),
        }
    }
}

/// The rooms of one master.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) shard: Arc<Shard>,
    /// The master's address on a Cluster.
    address: Option<ServerAddress>,
    shared: Arc<Shared>,
    wanted: Mutex<Wanted>,
    changed: Notify,
    /// Subscriptions that the metric counts for this wire.
    counted: AtomicI64,
    pub(super) end: CancellationToken,
}

impl Keeper {
    pub(super) fn new(
        shard: Arc<Shard>,
        address: Option<ServerAddress>,
        shared: Arc<Shared>,
        end: CancellationToken,
    ) -> Arc<Self> {
        let keeper = Self {
            shard,
            address,
            shared,
            wanted: Mutex::default(),
            changed: Notify::new(),
            counted: AtomicI64::new(0),
            end,
        };
        keeper.shared.way.expect(&keeper.part());
        Arc::new(keeper)
    }

    /// Wants a room's payloads; `interrupted` tells that some may be missing already.
    pub(super) fn want(&self, room: RoomName, generation: u64, interrupted: bool) {
        self.wanted().want(room, generation, interrupted);
        self.changed.notify_one();
    }

    pub(super) fn leave(&self, room: RoomName, generation: u64) {
        self.wanted().leave(room, generation);
        self.changed.notify_one();
    }

    pub(super) fn is_subscribed(&self, room: &RoomName) -> bool {
        self.wanted().is_confirmed(room)
    }

    /// Gives away the wanted rooms that belong elsewhere; their payloads come over this wire no more.
    pub(super) fn give_away(&self, is_foreign: impl Fn(&RoomName) -> bool) -> Vec<(RoomName, u64)> {
        let given = self.wanted().give_away(is_foreign);
        self.count();
        given
    }

    /// Ends the wire: the master has no slots any more.
    pub(super) fn finish(&self) {
        self.end.cancel();
        self.shard.drop_all();
        self.shared.way.forget(&self.part());
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self) -> String {
        let address = self.address.as_ref();
        address.map(ToString::to_string).unwrap_or_default()
    }

    /// Keeps a wire up.
    pub(super) async fn run(&self) {
        let (way, mut backoff) = (&self.shared.way, MIN_BACKOFF);
        let mut lineage = None;
        loop {
            let begun = Instant::now();
            let fault = match self.open(&mut lineage).await {
                Ok((line, watchdog)) => {
                    backoff = MIN_BACKOFF;
                    way.up(&self.part());
                    self.keep(line, watchdog).await
                }
                Err(fault) => fault,
            };
            way.down(&self.part(), fault);
            let interrupted = self.wanted().cut();
            self.count();
            if let Some(cluster) = self.shared.cluster() {
                // The other masters' rooms are as they were: only these hear of it.
                for room in interrupted {
                    self.shared.notices.suspect(room);
                }
                cluster.look_soon();
            }
            // A wire that was good for a while is opened anew at once.
            if begun.elapsed() < MIN_BACKOFF || backoff > MIN_BACKOFF {
                tokio::time::sleep(jittered(backoff)).await;
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// Opens a wire and sees a payload come back over it.
    ///
    /// `lineage` is the one of the wire before.
    async fn open(&self, lineage: &mut Option<Arc<str>>) -> Result<(Line, Watchdog), LinkError> {
        let inbox = Arc::clone(&self.shared.inbox);
        let line = Line::open(&self.shard, self.canary()?, self.is_sharded(), inbox).await?;
        let before = lineage.replace(Arc::clone(&line.view.wire.lineage));
        if before.as_ref() != lineage.as_ref() {
            // A pooled wire may have been opened before the server was promoted, and still carry its lineage of then.
            self.shard.drop_all();
        }
        let metrics = Arc::clone(&self.shared.metrics);
        let mut watchdog = Watchdog::new(Arc::clone(&self.shard), metrics);
        watchdog.greet(&line.view).await?;
        Ok((line, watchdog))
    }

    fn is_sharded(&self) -> bool {
        self.address.is_some()
    }

    /// Returns the name that the node publishes to itself under.
    fn canary(&self) -> Result<String, LinkError> {
        let Shared { keys, node, .. } = &*self.shared;
        let (Some(address), Some(cluster)) = (&self.address, self.shared.cluster()) else {
            return Ok(keys.canary(node));
        };
        match cluster.map().tag_of(address) {
            Some(tag) => Ok(keys.canary_at(node, &tag)),
            None => Err(LinkError::NoShard(address.to_string())),
        }
    }

    /// Follows the wishes over one wire until it fails; returns why.
    async fn keep(&self, mut line: Line, mut watchdog: Watchdog) -> LinkError {
        let (view, broken) = (line.view.clone(), line.broken());
        let fault = tokio::select! {
            () = broken.cancelled() => return given_up(&self.shard, "it was closed"),
            fault = watchdog.run(&view) => fault,
            fault = self.follow(&mut line) => fault,
        };
        // The server hangs, or is another one: what the pool holds is no better.
        self.shard.drop_all();
        fault
    }

    async fn follow(&self, line: &mut Line) -> LinkError {
        let (notices, probe) = (&self.shared.notices, &self.shared.probe);
        loop {
            let batch = self.wanted().next(BATCH);
            let Some(mut batch) = batch else {
                tokio::select! {
                    () = self.changed.notified() => {}
                    name = line.ended() => {
                        if name == line.view.canary.as_bytes() {
                            return given_up(&self.shard, "the slot of its canary has moved");
                        }
                        self.ended(&name);
                    }
                }
                continue;
            };
            let refused = match line.change(&self.shared.keys, &batch).await {
                Ok(refused) => refused,
                Err(error) => return self.shard.fault(&error),
            };
            batch
                .enter
                .retain(|(room, _)| !refused.rooms.contains(room));
            let confirmed = {
                let mut wanted = self.wanted();
                for room in &refused.rooms {
                    wanted.refused(room);
                }
                wanted.done(batch)
            };
            self.count();
            for wanted::Confirmed {
                room,
                generation,
                again,
            } in confirmed
            {
                probe.add(&room, again);
                notices.subscribed(room, generation);
            }
            if !refused.rooms.is_empty() {
                self.find_owners(refused.redirect).await;
            }
        }
    }

    /// Has the map read after rooms were refused: once it is, they are given away.
    async fn find_owners(&self, redirect: Option<Redirect>) {
        if let Some(cluster) = self.shared.cluster() {
            let to = match &redirect {
                Some(Redirect::Moved(to) | Redirect::Ask(to)) => Some(to),
                None => None,
            };
            if let Err(fault) = cluster.read_map(to).await {
                tracing::debug!(%fault, "the owners of moved slots are not known");
            }
        }
        tokio::time::sleep(jittered(MIN_BACKOFF)).await;
    }

    /// Takes note of a subscription that the server ended unasked.
    fn ended(&self, name: &[u8]) {
        let Some(room) = self.shared.keys.room_of(name) else {
            return;
        };
        if !self.wanted().lost(&room) {
            return;
        }
        match self.shared.cluster() {
            Some(cluster) => {
                tracing::debug!("the slot of a subscription has moved; it is asked for again");
                cluster.look_soon();
            }
            None => {
                tracing::warn!("Redis ended a subscription that is wanted; it is asked for again");
            }
        }
        self.shared.notices.suspect(room);
    }

    /// Has the metric count what this wire carries now.
    fn count(&self) {
        let count = i64::try_from(self.wanted().confirmed()).unwrap_or(i64::MAX);
        let before = self.counted.swap(count, Ordering::Relaxed);
        self.shared.metrics.broker_subscriptions.add(count - before);
    }
}

/// Spreads a wait over its second half, so that nodes cut at one moment do not come back at one moment.
fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    half + half.mul_f64(fastrand::f64())
}

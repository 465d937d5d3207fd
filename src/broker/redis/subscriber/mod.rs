//! The subscribing side: one wire to each master, kept up for as long as the node lives.
//!
//! Losing a wire loses payloads. With one master that is told ([`Event::Down`](super::super::Event::Down)) before
//! anything else happens, and every room hears its own confirmation again; on a Cluster the rooms of the lost master
//! are suspected and confirmed again, the others go on. A wire counts as up only after a payload of the node's own went
//! through the pool and came back over it, and the way as a whole once all do.

mod inbox;
mod keeper;
mod line;
mod wanted;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::inbox::Inbox;
use self::keeper::{Keeper, Shared};
use super::super::Sink;
use super::cluster::{Cluster, Map, slot_of};
use super::keys::Keys;
use super::link::{Link, Place};
use super::notices::Notices;
use super::probe::Probe;
use super::way::Way;
use crate::config::ServerAddress;
use crate::protocol::RoomName;
use crate::telemetry::Metrics;

pub(super) use self::line::View;

/// The rooms whose payloads the node gets.
#[derive(Debug)]
pub(super) struct Subscriber {
    shared: Arc<Shared>,
    keepers: Mutex<Keepers>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Who keeps which rooms.
#[derive(Debug)]
enum Keepers {
    /// One master has all.
    One(Arc<Keeper>),
    /// Each master of a Cluster has its own.
    Cluster(Spread),
}

/// The rooms over the masters of a Cluster, as this map says.
#[derive(Debug)]
struct Spread {
    map: Arc<Map>,
    keepers: HashMap<ServerAddress, Arc<Keeper>>,
    /// Wanted rooms whose slot nobody has.
    homeless: HashMap<RoomName, u64>,
}

impl Subscriber {
    /// Starts the tasks that keep the wires, hand on what they bring, and probe; they end with `stop`.
    ///
    /// `node` is the node's name, unlike that of every other.
    pub(super) fn start(
        link: &Arc<Link>,
        node: &str,
        sink: Arc<dyn Sink>,
        metrics: Arc<Metrics>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let notices = Arc::new(Notices::new(Arc::clone(&sink)));
        let is_one = !link.is_cluster();
        let way = Arc::new(Way::new(Arc::clone(&notices), Arc::clone(&metrics), is_one));
        let probe = Arc::new(Probe::new(
            Arc::clone(link),
            Arc::clone(&sink),
            Arc::clone(&notices),
            Arc::clone(&way),
            Arc::clone(&metrics),
        ));
        let (inbox, arrived) = Inbox::new(
            sink,
            link.keys().clone(),
            Arc::clone(&notices),
            Arc::clone(&probe),
            Arc::clone(&metrics),
        );
        let place = link.place().clone();
        let shared = Arc::new(Shared {
            place: place.clone(),
            keys: link.keys().clone(),
            node: node.to_owned(),
            notices,
            way,
            probe,
            inbox: Arc::clone(&inbox),
            metrics,
        });
        let keepers = match &place {
            Place::One(shard) => {
                let end = stop.child_token();
                let keeper = Keeper::new(Arc::clone(shard), None, Arc::clone(&shared), end);
                Keepers::One(keeper)
            }
            Place::Cluster(cluster) => Keepers::Cluster(Spread {
                map: cluster.map(),
                keepers: HashMap::new(),
                homeless: HashMap::new(),
            }),
        };
        let subscriber = Arc::new(Self {
            shared,
            keepers: Mutex::new(keepers),
            tasks: tasks.clone(),
            stop: stop.clone(),
        });
        let this = Arc::clone(&subscriber);
        subscriber.spawn(stop, async move { this.shared.notices.run().await });
        let this = Arc::clone(&subscriber);
        subscriber.spawn(stop, async move { this.shared.probe.run(&this).await });
        subscriber.spawn(stop, async move { inbox.run(arrived).await });
        match place {
            Place::One(_) => {
                if let Keepers::One(keeper) = &*subscriber.keepers() {
                    subscriber.start_keeper(keeper);
                }
            }
            Place::Cluster(cluster) => {
                subscriber.shared.way.expect(MAP);
                let (this, looking) = (Arc::clone(&subscriber), Arc::clone(&cluster));
                subscriber.spawn(stop, async move { looking.run().await });
                subscriber.spawn(stop, async move { this.follow_map(&cluster).await });
            }
        }
        subscriber
    }

    /// Returns the state of the way to Redis.
    pub(super) fn way(&self) -> &Arc<Way> {
        &self.shared.way
    }

    /// Returns where events go that must not be lost.
    pub(super) fn notices(&self) -> &Arc<Notices> {
        &self.shared.notices
    }

    /// Asks for a room's payloads; `Event::Subscribed` follows, and again after each interruption.
    pub(super) fn subscribe(&self, room: RoomName, generation: u64) {
        match &mut *self.keepers() {
            Keepers::One(keeper) => keeper.want(room, generation, false),
            Keepers::Cluster(spread) => spread.want(&self.shared.keys, room, generation, false),
        }
    }

    /// Ends a room's subscription, if `generation` is still the one asked for last.
    pub(super) fn unsubscribe(&self, room: RoomName, generation: u64) {
        match &mut *self.keepers() {
            Keepers::One(keeper) => keeper.leave(room, generation),
            Keepers::Cluster(spread) => {
                if let Some(keeper) = spread.keeper(&self.shared.keys, &room) {
                    keeper.leave(room, generation);
                } else if spread.homeless.get(&room) == Some(&generation) {
                    spread.homeless.remove(&room);
                }
            }
        }
    }

    /// Returns true if the room's payloads arrive.
    pub(super) fn is_subscribed(&self, room: &RoomName) -> bool {
        match &*self.keepers() {
            Keepers::One(keeper) => keeper.is_subscribed(room),
            Keepers::Cluster(spread) => spread
                .keeper(&self.shared.keys, room)
                .is_some_and(|keeper| keeper.is_subscribed(room)),
        }
    }

    fn keepers(&self) -> MutexGuard<'_, Keepers> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, end: &CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
        let task: BoxFuture<'static, ()> = Box::pin(task);
        self.tasks
            .spawn(end.clone().run_until_cancelled_owned(task));
    }

    fn start_keeper(&self, keeper: &Arc<Keeper>) {
        let kept = Arc::clone(keeper);
        self.spawn(&keeper.end, async move { kept.run().await });
    }

    /// Gives rooms to the masters that have their slots, whenever the map changes.
    async fn follow_map(&self, cluster: &Cluster) {
        let mut maps = cluster.maps();
        loop {
            let map = Arc::clone(&maps.borrow_and_update());
            if !map.shards().is_empty() {
                self.apply(&map);
            } else if let Err(fault) = cluster.known_map().await {
                self.shared.way.down(MAP, fault);
                tokio::time::sleep(NO_MAP_REST).await;
                continue;
            } else {
                continue;
            }
            // The sender lives in the cluster.
            let _ = maps.changed().await;
        }
    }

    fn apply(&self, map: &Arc<Map>) {
        let mut keepers = self.keepers();
        let Keepers::Cluster(spread) = &mut *keepers else {
            return;
        };
        for (address, shard) in map.shards() {
            if !spread.keepers.contains_key(address) {
                let (shard, shared) = (Arc::clone(shard), Arc::clone(&self.shared));
                let end = self.stop.child_token();
                let keeper = Keeper::new(shard, Some(address.clone()), shared, end);
                self.start_keeper(&keeper);
                spread.keepers.insert(address.clone(), keeper);
            }
        }
        spread.map = Arc::clone(map);
        let keys = &self.shared.keys;
        let mut moving: Vec<_> = spread.homeless.drain().collect();
        for (address, keeper) in &spread.keepers {
            let is_foreign = |room: &RoomName| owner(map, keys, room) != Some(address);
            moving.extend(keeper.give_away(is_foreign));
        }
        for (room, generation) in moving {
            self.shared.notices.suspect(room.clone());
            spread.want(keys, room, generation, true);
        }
        let has_slots =
            |address: &ServerAddress| map.shards().iter().any(|(known, _)| known == address);
        spread.keepers.retain(|address, keeper| {
            let stays = has_slots(address);
            if !stays {
                keeper.finish();
            }
            stays
        });
        // What kept the map from being known is over.
        self.shared.way.forget(MAP);
    }
}

impl Spread {
    fn keeper(&self, keys: &Keys, room: &RoomName) -> Option<&Arc<Keeper>> {
        self.keepers.get(owner(&self.map, keys, room)?)
    }

    fn want(&mut self, keys: &Keys, room: RoomName, generation: u64, interrupted: bool) {
        match self.keeper(keys, &room) {
            Some(keeper) => keeper.want(room, generation, interrupted),
            None => drop(self.homeless.insert(room, generation)),
        }
    }
}

/// The part of the way that works once the map is known.
const MAP: &str = "map";

/// Wait before the map is asked for again while nobody tells it.
const NO_MAP_REST: std::time::Duration = std::time::Duration::from_millis(200);

fn owner<'m>(map: &'m Map, keys: &Keys, room: &RoomName) -> Option<&'m ServerAddress> {
    let name = keys.payloads(room);
    map.owner(slot_of(name.as_bytes()))
        .map(|(address, _)| address)
}

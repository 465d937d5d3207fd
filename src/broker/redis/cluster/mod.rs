//! A Redis Cluster: several masters, each with a part of the slots.
//!
//! Everything that is written for one master is kept for each of them, a [`Shard`]; above them stands the [`Map`] of
//! the slots. It is read anew every few seconds, when a member says that a slot has moved, and when a master is lost; a
//! member that was cut off and knows an older map, or that the Cluster is not well, is believed only if all are so.

mod asking;
mod map;
mod redirect;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::clock::Clock;
use super::endpoint::Passwords;
use super::fault::LinkError;
use super::options::Options;
use super::shard::Shard;
use super::wire::Dialer;
use crate::config::ServerAddress;
use crate::telemetry::Metrics;

pub use self::map::{Map, SLOTS, slot_of};
pub use self::redirect::Redirect;

/// Time between two looks at the map while nothing happens.
const LOOK: Duration = Duration::from_secs(2);

/// Shortest time between two looks.
const REST: Duration = Duration::from_millis(100);

/// How long one member may take to tell the map.
const LIMIT: Duration = Duration::from_millis(500);

/// How often a command is sent somewhere else before it is given up: a slot moves once at a time.
pub(super) const MAX_HOPS: usize = 4;

/// The members of a Cluster and which slots they have.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    passwords: Arc<Passwords>,
    /// Every member that was ever spoken to.
    members: Mutex<HashMap<ServerAddress, Arc<Shard>>>,
    map: watch::Sender<Arc<Map>>,
    /// One look at a time; holds when the last one began that found a map.
    turn: tokio::sync::Mutex<Option<Instant>>,
    wanted: Notify,
    /// Number of looks, each of which begins with another master: one that hangs or knows only the past is not asked
    /// first for ever.
    looks: AtomicUsize,
}

impl Cluster {
    pub(super) fn new(options: &Options, clock: Arc<Clock>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            options: options.clone(),
            clock,
            metrics,
            passwords: Arc::default(),
            members: Mutex::default(),
            map: watch::Sender::new(Arc::new(Map::empty())),
            turn: tokio::sync::Mutex::default(),
            wanted: Notify::new(),
            looks: AtomicUsize::new(0),
        })
    }

    /// Returns the map as it is known; without any shard until it was read once.
    #[must_use]
    pub fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.borrow())
    }

    /// Returns the map and its changes.
    pub(super) fn maps(&self) -> watch::Receiver<Arc<Map>> {
        self.map.subscribe()
    }

    /// Returns the map, reading it if it was never read.
    ///
    /// # Errors
    /// Why no member tells it.
    pub(super) async fn known_map(&self) -> Result<Arc<Map>, LinkError> {
        let map = self.map();
        if map.shards().is_empty() {
            self.read_map(None).await
        } else {
            Ok(map)
        }
    }

    /// Returns the map by which commands go on, read anew from the member that has got a slot if one has moved.
    ///
    /// # Errors
    /// Why no member tells it.
    pub(super) async fn map_after(
        &self,
        moved: Option<&ServerAddress>,
    ) -> Result<Arc<Map>, LinkError> {
        if moved.is_some() {
            self.read_map(moved).await
        } else {
            self.known_map().await
        }
    }

    /// Returns who gets a command for a slot, and whether it needs an ASKING before; `None` if nobody has the slot.
    pub(super) fn addressee(
        &self,
        map: &Map,
        slot: u16,
        redirect: Option<&Redirect>,
    ) -> Option<(Arc<Shard>, bool)> {
        if let Some(Redirect::Ask(to)) = redirect {
            return Some((self.member(to), true));
        }
        let (_, shard) = map.owner(slot)?;
        Some((Arc::clone(shard), false))
    }

    /// Returns the way to a member, which may have no slot (yet).
    pub(super) fn member(&self, address: &ServerAddress) -> Arc<Shard> {
        let mut members = self.members();
        let shard = members.entry(address.clone()).or_insert_with(|| {
            let dialer = Dialer::of_member(
                &self.options.redis,
                address,
                Arc::clone(&self.clock),
                Arc::clone(&self.passwords),
            );
            Shard::new(
                dialer,
                &self.options,
                Arc::clone(&self.clock),
                Arc::clone(&self.metrics),
            )
        });
        Arc::clone(shard)
    }

    /// Has the map read soon: a master does not answer, or a slot has moved.
    pub(super) fn look_soon(&self) {
        self.wanted.notify_one();
    }

    /// Keeps the map up to date, for as long as it is polled.
    pub(super) async fn run(&self) {
        loop {
            if let Err(fault) = self.read_map(None).await {
                tracing::debug!(%fault, "no member tells which slots the masters have");
            }
            tokio::time::sleep(REST).await;
            let _ = timeout(LOOK, self.wanted.notified()).await;
        }
    }

    /// Reads the map, first from the member that should know best; a look that began meanwhile counts as this one.
    ///
    /// # Errors
    /// Why no member tells it.
    pub(super) async fn read_map(
        &self,
        best: Option<&ServerAddress>,
    ) -> Result<Arc<Map>, LinkError> {
        let asked = Instant::now();
        let mut last = self.turn.lock().await;
        if last.is_some_and(|last| last >= asked) {
            return Ok(self.map());
        }
        let begun = Instant::now();
        let known = self.map();
        let mut asked: Vec<ServerAddress> = best.cloned().into_iter().collect();
        let mut masters: Vec<_> = known
            .shards()
            .iter()
            .map(|(address, _)| address.clone())
            .collect();
        if !masters.is_empty() {
            let first = self.looks.fetch_add(1, Ordering::Relaxed) % masters.len();
            masters.rotate_left(first);
        }
        asked.extend(masters);
        let url = self.options.redis.url.as_ref();
        asked.extend(url.into_iter().flat_map(|url| url.servers.iter().cloned()));
        let (mut first_fault, mut stale) = (None, None);
        for (index, member) in asked.iter().enumerate() {
            if asked[..index].contains(member) {
                continue;
            }
            match self.ask(member).await {
                Ok(told) if told.epoch >= known.epoch && told.is_ok => {
                    *last = Some(begun);
                    return Ok(self.draw(&told));
                }
                Ok(told) => {
                    let is_newer = stale
                        .as_ref()
                        .is_none_or(|stale: &map::Told| told.epoch > stale.epoch);
                    if is_newer {
                        stale = Some(told);
                    }
                }
                Err(fault) => {
                    // A fault that somebody has to act on tells more than silence.
                    let is_first = first_fault.as_ref().is_none_or(|known: &LinkError| {
                        fault.is_configuration() && !known.is_configuration()
                    });
                    if is_first {
                        first_fault = Some(fault);
                    }
                }
            }
        }
        // The Cluster as a whole is not well, or it is another one behind the same names.
        if let Some(told) = stale {
            *last = Some(begun);
            return Ok(self.draw(&told));
        }
        Err(first_fault.unwrap_or(LinkError::NoUrl))
    }

    async fn ask(&self, member: &ServerAddress) -> Result<map::Told, LinkError> {
        let shard = self.member(member);
        let silent = || LinkError::Silent(member.to_string());
        let asked = async {
            let mut wire = shard.dialer().open_member(LIMIT).await?;
            let mut pipeline = redis::pipe();
            pipeline
                .cmd("CLUSTER")
                .arg("INFO")
                .cmd("CLUSTER")
                .arg("SLOTS");
            let answer = pipeline.query_async::<(Value, Value)>(&mut wire).await;
            answer
                .and_then(|(info, slots)| map::Told::parse(info, slots, member))
                .map_err(|error| match shard.fault(&error) {
                    LinkError::Answer(name, text) if text.contains("cluster support disabled") => {
                        LinkError::NoCluster(name)
                    }
                    other => other,
                })
        };
        timeout(LIMIT, asked)
            .await
            .unwrap_or_else(|_| Err(silent()))
    }

    fn draw(&self, told: &map::Told) -> Arc<Map> {
        let map = Arc::new(Map::draw(told, |master| self.member(master)));
        let drawn = Arc::clone(&map);
        self.map.send_if_modified(|known| {
            let is_new = !map.is_like(known);
            if is_new {
                tracing::info!(
                    masters = map.shards().len(),
                    "the slots of the Cluster are known anew"
                );
            }
            *known = map;
            is_new
        });
        drawn
    }

    fn members(&self) -> MutexGuard<'_, HashMap<ServerAddress, Arc<Shard>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

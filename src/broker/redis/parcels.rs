//! Who gets what of a batch: one master all of it, or each master of a Cluster the calls for its slots.
//!
//! A call that was sent to a master which does not have the slot (any more) did not run and goes on to the one that it
//! named. The worker waits for all of it, so that two calls of one room are never under way together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::super::Refusal;
use super::batch::Batch;
use super::call::Call;
use super::cluster::{Cluster, MAX_HOPS, Redirect, slot_of};
use super::link::Place;
use super::pipeline::Sender;
use super::shard::Shard;

/// How long messages wait for a map that is read anew.
const MAP_LIMIT: Duration = Duration::from_secs(1);

/// A call and where it has to go instead of where it was sent.
pub(super) type Redirected = (Call, Option<Redirect>);

/// What goes to one master in one pipeline.
pub(super) struct Parcel {
    pub(super) shard: Arc<Shard>,
    /// Whether the slots of the calls are on their way to it.
    pub(super) asking: bool,
    pub(super) calls: Vec<Call>,
    pub(super) ephemeral: Vec<(String, Vec<u8>)>,
}

impl Parcel {
    fn to(shard: Arc<Shard>) -> Self {
        Self {
            shard,
            asking: false,
            calls: Vec::new(),
            ephemeral: Vec::new(),
        }
    }
}

impl Sender {
    /// Sends a batch and answers all its messages.
    pub(super) async fn send(&self, batch: Batch) {
        let Batch { calls, ephemeral } = batch;
        if calls.is_empty() && ephemeral.is_empty() {
            return;
        }
        match self.link().place() {
            Place::One(shard) => {
                let parcel = Parcel {
                    calls,
                    ephemeral,
                    ..Parcel::to(Arc::clone(shard))
                };
                self.deliver(parcel).await;
            }
            Place::Cluster(cluster) => Box::pin(self.spread(cluster, calls, ephemeral)).await,
        }
    }

    /// Sends to each master of a Cluster what is for its slots, and again what has moved meanwhile.
    async fn spread(
        &self,
        cluster: &Cluster,
        calls: Vec<Call>,
        mut ephemeral: Vec<(String, Vec<u8>)>,
    ) {
        let mut open: Vec<Redirected> = calls.into_iter().map(|call| (call, None)).collect();
        for _ in 0..MAX_HOPS {
            let now = Instant::now();
            for (call, _) in &mut open {
                if call.not_after <= now {
                    self.refuse(call, Refusal::Timeout);
                }
            }
            open.retain(|(call, _)| !call.messages.is_empty());
            let parcels = self
                .parcels(
                    cluster,
                    std::mem::take(&mut open),
                    std::mem::take(&mut ephemeral),
                )
                .await;
            let delivered = parcels.into_iter().map(|parcel| self.deliver(parcel));
            open.extend(join_all(delivered).await.into_iter().flatten());
            if open.is_empty() {
                return;
            }
        }
        for (mut call, _) in open {
            self.refuse(&mut call, Refusal::Unavailable);
        }
    }

    /// Sorts calls by who is to get them; what nobody can be found for is refused.
    async fn parcels(
        &self,
        cluster: &Cluster,
        open: Vec<Redirected>,
        ephemeral: Vec<(String, Vec<u8>)>,
    ) -> Vec<Parcel> {
        let moved = Redirect::first_moved(&open);
        let map = match timeout(MAP_LIMIT, cluster.map_after(moved.as_ref())).await {
            Ok(Ok(map)) => map,
            _ => cluster.map(),
        };
        let slot = |name: &str| slot_of(name.as_bytes());
        let mut parcels: Vec<Parcel> = Vec::new();
        for (mut call, redirect) in open {
            let slot = slot(&self.link().keys().payloads(&call.room));
            match cluster.addressee(&map, slot, redirect.as_ref()) {
                Some((shard, asking)) => parcel(&mut parcels, shard, asking).calls.push(call),
                None => {
                    cluster.look_soon();
                    self.refuse(&mut call, Refusal::Unavailable);
                }
            }
        }
        for (name, payload) in ephemeral {
            if let Some((shard, asking)) = cluster.addressee(&map, slot(&name), None) {
                let parcel = parcel(&mut parcels, shard, asking);
                parcel.ephemeral.push((name, payload));
            }
        }
        parcels
    }

    /// Notes that a master did not answer: on a Cluster another may have its slots now.
    pub(super) fn lost(&self) {
        if let Place::Cluster(cluster) = self.link().place() {
            cluster.look_soon();
        }
    }
}

/// Returns the parcel for a master, a new one if there is none yet.
fn parcel(parcels: &mut Vec<Parcel>, shard: Arc<Shard>, asking: bool) -> &mut Parcel {
    let is_it = |parcel: &Parcel| Arc::ptr_eq(&parcel.shard, &shard) && parcel.asking == asking;
    let index = parcels.iter().position(is_it).unwrap_or(parcels.len());
    if index == parcels.len() {
        parcels.push(Parcel {
            asking,
            ..Parcel::to(shard)
        });
    }
    &mut parcels[index]
}

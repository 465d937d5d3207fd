//! Who gets what of a batch: one master all of it, or each master of a Cluster the calls for its slots.
//!
//! A call that was sent to a master which does not have the slot (any more) did not run and goes on to the one that it
//! named. The worker waits for all of it, so that two calls of one room are never under way together.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::super::Refusal;
use super::batch::Batch;
use super::call::Call;
use super::cluster::{Cluster, Redirect, slot_of};
use super::link::{MAP_LIMIT, MAX_HOPS, Place};
use super::pipeline::Sender;
use super::shard::Shard;

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
            Place::Cluster(cluster) => self.spread(cluster, calls, ephemeral).await,
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
        let moved = open.iter().find_map(|(_, redirect)| match redirect {
            Some(Redirect::Moved(to)) => Some(to.clone()),
            _ => None,
        });
        let map = async {
            match &moved {
                Some(to) => cluster.read_map(Some(to)).await,
                None => cluster.known_map().await,
            }
        };
        let map = match timeout(MAP_LIMIT, map).await {
            Ok(Ok(map)) => map,
            _ => cluster.map(),
        };
        let mut parcels: Vec<Parcel> = Vec::new();
        let mut find = |shard: &Arc<Shard>, asking: bool| -> usize {
            let same =
                |parcel: &Parcel| Arc::ptr_eq(&parcel.shard, shard) && parcel.asking == asking;
            parcels.iter().position(same).unwrap_or_else(|| {
                let parcel = Parcel::to(Arc::clone(shard));
                parcels.push(Parcel { asking, ..parcel });
                parcels.len() - 1
            })
        };
        let mut homeless = Vec::new();
        let (mut placed, mut placed_ephemeral) = (Vec::new(), Vec::new());
        for (call, redirect) in open {
            let name = self.link().keys().payloads(&call.room);
            let owner = map.owner(slot_of(name.as_bytes()));
            match (redirect, owner) {
                (Some(Redirect::Ask(to)), _) => {
                    placed.push((find(&cluster.member(&to), true), call));
                }
                (_, Some((_, shard))) => placed.push((find(shard, false), call)),
                (_, None) => homeless.push(call),
            }
        }
        for (name, payload) in ephemeral {
            if let Some((_, shard)) = map.owner(slot_of(name.as_bytes())) {
                placed_ephemeral.push((find(shard, false), (name, payload)));
            }
        }
        for (index, call) in placed {
            parcels[index].calls.push(call);
        }
        for (index, payload) in placed_ephemeral {
            parcels[index].ephemeral.push(payload);
        }
        if !homeless.is_empty() {
            cluster.look_soon();
        }
        for mut call in homeless {
            self.refuse(&mut call, Refusal::Unavailable);
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

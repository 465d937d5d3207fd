//! The scenarios that break nothing, with sentinels and on a Cluster: the promise is the same.
//!
//! All of them share one topology, each under a prefix of its own.

#[path = "../../support/topology/mod.rs"]
mod topology;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};

use self::topology::{Cluster, ClusterOptions, MASTER_NAME, SentinelOptions, Sentinels};
use super::bench::Bench;
use super::{delivery, fleet, numbering, presence, publishing, reading};

/// A scenario, to be given a bench.
pub(super) type Scenario = fn(Bench) -> BoxFuture<'static, ()>;

/// Scenarios at a time.
const SIDE_BY_SIDE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_sentinels_the_contract_holds() {
    let redis = Sentinels::start(&SentinelOptions::default()).await;
    let addresses = redis.addresses().join(",");
    run_all(&format!("redis+sentinel://{addresses}/{MASTER_NAME}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_the_contract_holds() {
    let redis = Cluster::start(&ClusterOptions::default()).await;
    run_all(&format!("redis+cluster://{}", redis.addresses()[0])).await;
}

async fn run_all(url: &str) {
    let all = [
        publishing::ON_TOPOLOGIES,
        delivery::ON_TOPOLOGIES,
        reading::ON_TOPOLOGIES,
        numbering::ON_TOPOLOGIES,
        presence::ON_TOPOLOGIES,
        fleet::ON_TOPOLOGIES,
    ];
    let numbers = AtomicUsize::new(0);
    let runs = all.concat().into_iter().map(|(name, scenario)| {
        let prefix = format!("t{}", numbers.fetch_add(1, Ordering::Relaxed));
        let run = tokio::spawn(scenario(Bench::at(url, &prefix)));
        run.map(move |ended| (name, ended.is_ok()))
    });
    let ended: Vec<_> = stream::iter(runs)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect()
        .await;
    let failed: Vec<_> = ended.iter().filter(|(_, is_ok)| !is_ok).collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}

//! Redis topologies of a test's own: real processes on loopback that can be killed, stopped, cut off and moved.
//!
//! [`Sentinels`] is one master, two replicas and three sentinels; [`Cluster`] is three masters with a replica each.
//! Each server is reached by the test over a plain port of its own, whatever the nodes have to speak. Everything ends
//! with the value, by process id.
//!
//! It uses nothing of the program, so that unit tests, integration tests and the fault matrix share it by `#[path]`.

// Each suite uses a part of it.
#![allow(dead_code, unused_imports)]

mod certificate;
mod cluster;
mod process;
mod sentinels;
mod server;
mod slots;

pub(crate) use self::certificate::Authority;
pub(crate) use self::cluster::{Cluster, ClusterOptions};
pub(crate) use self::sentinels::{Credentials, MASTER_NAME, SentinelOptions, Sentinels};
pub(crate) use self::server::Server;
pub(crate) use self::slots::slot_of;

use std::time::{Duration, Instant};

/// How long something that must happen may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until a condition holds; returns how long it took.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(LOOK).await;
    }
    begun.elapsed()
}

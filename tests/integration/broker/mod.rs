//! The broker contract: every scenario runs on the memory broker and on Redis.
//!
//! A scenario is written once against a [`Bench`](bench::Bench), which starts nodes and knows how to break the broker.
//! All that any node was answered, heard or read goes into the bench's ledger, which fails the scenario as soon as one
//! (room, epoch, seq) has named two entries.

/// Runs each scenario of a file on both brokers.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(crate::broker::bench::Bench::memory()).await;
            })+
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(crate::broker::bench::Bench::redis().await).await;
            })+
        }
    };
}

/// Names the scenarios of a file that break nothing: they also run with sentinels and on a Cluster.
macro_rules! on_topologies {
    ($($scenario:ident),+ $(,)?) => {
        pub(super) const ON_TOPOLOGIES: &[(&str, crate::broker::topologies::Scenario)] =
            &[$((stringify!($scenario), |bench| Box::pin($scenario(bench)))),+];
    };
}

/// What the scenarios stand on.
mod bench;

/// Who gets which payloads.
mod delivery;
/// Which nodes there are.
mod fleet;
/// The key that signs identity tokens.
mod identity;
/// Numbers and epochs, whatever is lost.
mod numbering;
/// Who is in a room.
mod presence;
/// How publishes are answered.
mod publishing;
/// What a read answers.
mod reading;
/// What is refused, and what comes of it.
mod refusals;
/// Numbers and epochs when older data comes back.
mod rewinds;
/// The same with sentinels and on a Cluster.
mod topologies;
/// Many messages while the way to the broker breaks.
mod traffic;

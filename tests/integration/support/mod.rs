//! What the scenarios stand on: nodes, pages, a Redis, and waiting by condition.

pub(crate) mod cluster;
pub(crate) mod page;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod screen;

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a condition may take; far above what any of them needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until a condition holds, asking every few milliseconds; fails with `what` if it never does.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

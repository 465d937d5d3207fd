//! The settings that the Redis broker lives by.

use std::time::Duration;

use crate::config::{Redis, Settings};

/// Settings of the Redis broker.
#[derive(Clone, Debug)]
pub struct Options {
    /// Section `redis`; its `url` is set.
    pub redis: Redis,
    /// Setting `history.entries`: entries that a log keeps, about.
    pub history_entries: usize,
    /// Setting `history.keep`: how long a room is kept after its last message.
    pub history_keep: Duration,
    /// Setting `limits.dedupe_window`: how long the key of a message is remembered, at least.
    pub dedupe_window: Duration,
    /// Setting `limits.send_timeout`: how long a publish, a read or a page of a roster may take.
    pub send_timeout: Duration,
    /// Setting `limits.publish_queue`: publishes that wait in the node, at most.
    pub publish_queue: usize,
    /// Setting `limits.publish_interval`: pause of a worker behind a pipeline with several messages of one room.
    pub publish_interval: Duration,
    /// Setting `fleet.lease`: how long the node's lease lasts unless it is renewed.
    pub lease: Duration,
    /// Setting `fleet.debounce`: how long a user may be gone before anybody is told.
    pub debounce: Duration,
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        Self {
            redis: settings.redis.clone(),
            history_entries: settings.history.entries,
            history_keep: settings.history.keep,
            dedupe_window: settings.limits.dedupe_window,
            send_timeout: settings.limits.send_timeout,
            publish_queue: settings.limits.publish_queue,
            publish_interval: settings.limits.publish_interval,
            lease: settings.fleet.lease,
            debounce: settings.fleet.debounce,
        }
    }
}

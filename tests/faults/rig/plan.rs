//! How a row's nodes, Redis and people are set up.

use std::time::Duration;

use super::process::Variable;
use super::redis::RedisOptions;

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) talkers: usize,
    pub(crate) rooms: usize,
    /// Time between two messages of a talker, about.
    pub(crate) every: Duration,
    /// Messages that a talker makes at once.
    pub(crate) burst: usize,
    /// Characters that make a message longer.
    pub(crate) padding: usize,
    /// Whether talkers go to any ready node; otherwise each has one.
    pub(crate) is_roaming: bool,
    pub(crate) back_off: Duration,
    pub(crate) redis: RedisOptions,
    /// The value of `redis.url` of each node, the last one for all others; empty = a Redis that the rig starts, behind a
    /// proxy of each node.
    pub(crate) urls: Vec<String>,
    pub(crate) variables: Vec<Variable>,
    /// More variables of the first nodes, for each its own.
    pub(crate) of_node: Vec<Vec<Variable>>,
}

impl Plan {
    /// Three nodes and nine people in three rooms, each saying about ten messages per second; a Redis that loses
    /// nothing when it is killed; logs that keep everything; short times around the fleet.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: 3,
            talkers: 9,
            rooms: 3,
            every: Duration::from_millis(100),
            burst: 1,
            padding: 0,
            is_roaming: true,
            back_off: Duration::from_millis(50),
            redis: RedisOptions {
                is_durable: true,
                ..RedisOptions::default()
            },
            urls: Vec::new(),
            variables: Vec::new(),
            of_node: Vec::new(),
        }
        .set("history.entries", "100000")
        .set("fleet.lease", "2s")
        .set("fleet.debounce", "300ms")
        .set("drain.delay", "500ms")
        .set("drain.window", "2s")
        .set("limits.sends_per_second", "0")
        .set("limits.requests_per_second", "0")
    }

    /// Sets a setting of the nodes, by its name.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        let variable = format!("MADANG_{}", name.to_uppercase().replace('.', "__"));
        self.variables.retain(|(known, _)| *known != variable);
        self.variables.push((variable, value.to_owned()));
        self
    }

    /// Uses a Redis that the row brings.
    pub(crate) fn at(mut self, url: String) -> Self {
        self.urls = vec![url];
        self
    }

    /// Makes people stay at the node that they got.
    pub(crate) fn pinned(mut self) -> Self {
        self.is_roaming = false;
        self
    }

    /// Changes the counts.
    pub(crate) fn sized(mut self, nodes: usize, talkers: usize, rooms: usize) -> Self {
        (self.nodes, self.talkers, self.rooms) = (nodes, talkers, rooms);
        self
    }
}

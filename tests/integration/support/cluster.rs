//! A few nodes on one broker, in this process, on free ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use madang::broker::memory::{self, MemoryBroker};
use madang::config::Settings;
use madang::node::Node;

use super::eventually;
use super::page::Page;
use super::redis::RedisServer;

/// What joins the nodes.
#[derive(Debug)]
pub(crate) enum Joint {
    Memory(Arc<MemoryBroker>),
    Redis(RedisServer),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) joint: Joint,
    settings: Settings,
}

/// Returns settings for tests: free ports, short debounce, no wait before a stop.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.server.internal_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.fleet.debounce = Duration::from_millis(300);
    settings.drain.delay = Duration::ZERO;
    settings.limits.sends_per_second = 0;
    settings.limits.requests_per_second = 0;
    settings
}

impl Cluster {
    /// Starts nodes that share one memory broker.
    pub(crate) async fn memory(count: usize) -> Self {
        Self::memory_with(count, settings()).await
    }

    /// Starts nodes that share one memory broker, with these settings.
    pub(crate) async fn memory_with(count: usize, settings: Settings) -> Self {
        let memory = MemoryBroker::new(memory::Options::from(&settings));
        let mut cluster = Self {
            nodes: Vec::new(),
            joint: Joint::Memory(memory),
            settings,
        };
        for _ in 0..count {
            cluster.add().await;
        }
        cluster
    }

    /// Starts nodes on a Redis of their own.
    pub(crate) async fn redis(count: usize) -> Self {
        Self::redis_with(count, RedisServer::start().await, settings()).await
    }

    /// Starts nodes on this Redis, with these settings.
    pub(crate) async fn redis_with(
        count: usize,
        redis: RedisServer,
        mut settings: Settings,
    ) -> Self {
        let variables = [("MADANG_REDIS__URL".to_owned(), redis.url())];
        settings.redis.url = Settings::load(None, variables)
            .expect("the URL is valid")
            .settings
            .redis
            .url;
        let mut cluster = Self {
            nodes: Vec::new(),
            joint: Joint::Redis(redis),
            settings,
        };
        for _ in 0..count {
            cluster.add().await;
        }
        cluster
    }

    /// Starts another node and waits until it is ready.
    pub(crate) async fn add(&mut self) {
        self.begin().await;
        let node = self.nodes.last().expect("a node was started");
        eventually("the node is ready", || async { node.is_ready() }).await;
    }

    /// Starts another node, ready or not.
    pub(crate) async fn begin(&mut self) {
        let node = match &self.joint {
            Joint::Memory(memory) => Node::start_beside(self.settings.clone(), memory).await,
            Joint::Redis(_) => Node::start(self.settings.clone()).await,
        };
        self.nodes.push(node.expect("the node starts"));
    }

    /// Opens a session as a new user on the node with this index.
    pub(crate) async fn page(&self, node: usize, name: &str) -> Page {
        Page::open(self.nodes[node].address(), name).await
    }

    /// Returns the Redis that joins the nodes.
    pub(crate) fn redis_server(&mut self) -> &mut RedisServer {
        match &mut self.joint {
            Joint::Redis(redis) => redis,
            Joint::Memory(_) => panic!("this cluster has no Redis"),
        }
    }
}

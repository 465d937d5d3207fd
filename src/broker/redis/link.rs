//! How a node reaches Redis: one master, or those of a Cluster, each command at the one that has its key.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::clock::Clock;
use super::cluster::Cluster;
use super::fault::{Address, LinkError};
use super::keys::Keys;
use super::options::Options;
use super::shard::Shard;
use super::wire::{CONNECT_TIMEOUT, Dialer};
use crate::config::ServerAddress;
use crate::telemetry::Metrics;

/// The way to Redis.
#[derive(Debug)]
pub struct Link {
    place: Place,
    clock: Arc<Clock>,
    keys: Keys,
    options: Options,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// At one master.
    One(Arc<Shard>),
    /// Spread over the masters of a Cluster.
    Cluster(Arc<Cluster>),
}

impl Link {
    /// Prepares the way; nothing is opened yet.
    ///
    /// # Errors
    /// Faults of the settings: no URL, a CA or password file that cannot be used.
    pub fn new(options: &Options, metrics: Arc<Metrics>) -> Result<Arc<Self>, LinkError> {
        let (clock, redis) = (Arc::new(Clock::new()), &options.redis);
        // It also checks the settings for a Cluster.
        let dialer = Dialer::new(redis, Arc::clone(&clock))?;
        let is_cluster = redis.url.as_ref().is_some_and(|url| url.is_cluster());
        let (keys, place) = if is_cluster {
            let cluster = Cluster::new(options, Arc::clone(&clock), metrics);
            (Keys::on_cluster(&redis.prefix), Place::Cluster(cluster))
        } else {
            let shard = Shard::new(dialer, options, Arc::clone(&clock), metrics);
            (Keys::new(&redis.prefix), Place::One(shard))
        };
        Ok(Arc::new(Self {
            place,
            clock,
            keys,
            options: options.clone(),
        }))
    }

    /// Returns where everything is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns true if there are several masters.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }

    /// Returns all masters.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn shards(&self) -> Result<Vec<Arc<Shard>>, LinkError> {
        match &self.place {
            Place::One(shard) => Ok(vec![Arc::clone(shard)]),
            Place::Cluster(cluster) => {
                let map = cluster.read_map(None).await?;
                Ok(map
                    .shards()
                    .iter()
                    .map(|(_, shard)| Arc::clone(shard))
                    .collect())
            }
        }
    }

    /// Makes a round trip to every master.
    ///
    /// # Errors
    /// Why one of them did not answer by `until`.
    pub async fn reach_all(&self, until: Instant) -> Result<(), LinkError> {
        let shards = match &self.place {
            Place::One(shard) => vec![Arc::clone(shard)],
            Place::Cluster(cluster) => {
                let map = tokio::time::timeout_at(until.into(), cluster.known_map()).await;
                let map = map.map_err(|_| LinkError::Silent(self.address().name))??;
                map.shards()
                    .iter()
                    .map(|(_, shard)| Arc::clone(shard))
                    .collect()
            }
        };
        let asked = shards.iter().map(async |shard| {
            let answer = shard.ask(redis::pipe().cmd("TIME"), until).await?.pop();
            let answer = answer.unwrap_or(Ok(Value::Nil));
            answer.map(drop).map_err(|error| shard.fault(&error))
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Opens a connection to one server, whatever its role is.
    ///
    /// # Errors
    /// Why it could not be reached.
    pub async fn open_at(
        &self,
        server: &ServerAddress,
    ) -> Result<MultiplexedConnection, LinkError> {
        let (settings, clock) = (&self.options.redis, Arc::new(Clock::new()));
        let dialer = Dialer::of_member(settings, server, clock, Arc::default());
        dialer.open_member(CONNECT_TIMEOUT).await
    }

    /// Asks each sentinel of the settings which master it knows.
    pub async fn ask_sentinels(&self) -> Vec<(ServerAddress, Result<ServerAddress, LinkError>)> {
        let Place::One(shard) = &self.place else {
            return Vec::new();
        };
        let Some(sentinels) = shard.dialer().sentinels() else {
            return Vec::new();
        };
        let asked = sentinels.addresses().iter().map(async |sentinel| {
            let named = sentinels.ask(sentinel).await;
            (sentinel.clone(), named)
        });
        join_all(asked).await
    }

    /// Sends a pipeline over pooled wires and returns each command's own result, by `until` at the latest.
    ///
    /// On a Cluster each command goes to the master that has its key, and the order holds within one slot only; the
    /// first key of a command decides, and a command without a key goes where the keys without a room are. A
    /// transaction is none there.
    ///
    /// # Errors
    /// Why there is no answer at all; commands may have run all the same. Where only some masters did not answer, the
    /// results of their commands say so.
    pub async fn ask(
        &self,
        pipeline: &mut Pipeline,
        until: Instant,
    ) -> Result<Vec<RedisResult<Value>>, LinkError> {
        match &self.place {
            Place::One(shard) => shard.ask(pipeline, until).await,
            Place::Cluster(cluster) => {
                let commands: Vec<Cmd> = pipeline.cmd_iter().cloned().collect();
                cluster.ask_all(self.keys.prefix(), &commands, until).await
            }
        }
    }

    /// Returns the sentence for what the Redis crate reports.
    #[must_use]
    pub fn fault(&self, error: &RedisError) -> LinkError {
        match &self.place {
            Place::One(shard) => shard.fault(error),
            Place::Cluster(_) => LinkError::of(&self.address(), error),
        }
    }

    /// Returns the name of Redis as a whole.
    fn address(&self) -> Address {
        let url = self.options.redis.url.as_ref();
        let servers = url.map(|url| url.servers.as_slice()).unwrap_or_default();
        let names: Vec<_> = servers.iter().map(ToString::to_string).collect();
        Address {
            name: names.join(","),
            tls: url.is_some_and(|url| url.tls),
        }
    }

    /// Returns Redis time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the names in Redis.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the settings.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }
}

#[cfg(test)]
impl Link {
    /// Returns the only master.
    pub(super) fn one(&self) -> &Arc<Shard> {
        match &self.place {
            Place::One(shard) => shard,
            Place::Cluster(_) => panic!("there are several"),
        }
    }

    pub(super) async fn get(&self, until: Instant) -> Result<super::shard::Pooled, LinkError> {
        self.one().get(until).await
    }

    pub(super) fn drop_all(&self) {
        self.one().drop_all();
    }

    pub(super) fn broke(&self) {
        self.one().broke();
    }
}

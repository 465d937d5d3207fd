//! How a node reaches Redis: one master, or those of a Cluster, each command at the one that has its key.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisResult, Value};

use super::clock::Clock;
use super::cluster::{Cluster, Redirect, slot_of};
use super::fault::{Address, LinkError};
use super::keys::Keys;
use super::options::Options;
use super::shard::Shard;
use super::wire::{CONNECT_TIMEOUT, Dialer};
use crate::config::ServerAddress;
use crate::telemetry::Metrics;

/// How often a command is sent somewhere else before it is given up: a slot moves once at a time.
pub(super) const MAX_HOPS: usize = 4;

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
                self.ask_cluster(cluster, &commands, until).await
            }
        }
    }

    async fn ask_cluster(
        &self,
        cluster: &Cluster,
        commands: &[Cmd],
        until: Instant,
    ) -> Result<Vec<RedisResult<Value>>, LinkError> {
        let mut results: Vec<Option<RedisResult<Value>>> = commands.iter().map(|_| None).collect();
        let mut open: Vec<(usize, Option<Redirect>)> =
            (0..commands.len()).map(|index| (index, None)).collect();
        let (mut answered, mut fault) = (false, None);
        for _ in 0..MAX_HOPS {
            let groups = self.group(cluster, commands, std::mem::take(&mut open), &mut results);
            let groups = match groups.await {
                Ok(groups) => groups,
                Err(unknown) => {
                    fault = Some(unknown);
                    break;
                }
            };
            let asked = groups.iter().map(|group| group.ask(commands, until));
            for (group, answers) in groups.iter().zip(join_all(asked).await) {
                match answers {
                    Ok(answers) => {
                        answered = true;
                        for (index, answer) in group.commands.iter().zip(answers) {
                            match redirect(&answer, &group.shard) {
                                Some(redirect) => open.push((*index, Some(redirect))),
                                None => results[*index] = Some(answer),
                            }
                        }
                    }
                    Err(silent) => {
                        cluster.look_soon();
                        for index in &group.commands {
                            results[*index] = Some(Err(as_error(&silent)));
                        }
                        fault.get_or_insert(silent);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        if let Some(fault) = fault.filter(|_| !answered) {
            return Err(fault);
        }
        let lost = || Err(as_error(&LinkError::NoUrl));
        Ok(results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect())
    }

    /// Sorts commands by who is asked; what nobody can be asked for gets its result at once.
    async fn group(
        &self,
        cluster: &Cluster,
        commands: &[Cmd],
        open: Vec<(usize, Option<Redirect>)>,
        results: &mut [Option<RedisResult<Value>>],
    ) -> Result<Vec<Group>, LinkError> {
        let moved = open.iter().find_map(|(_, redirect)| match redirect {
            Some(Redirect::Moved(to)) => Some(to),
            _ => None,
        });
        let map = match moved {
            Some(to) => cluster.read_map(Some(to)).await?,
            None => cluster.known_map().await?,
        };
        let mut groups: Vec<Group> = Vec::new();
        for (index, redirect) in open {
            let (shard, asking) = match redirect {
                Some(Redirect::Ask(to)) => (cluster.member(&to), true),
                _ => {
                    let slot = slot_of(&self.key_of(&commands[index]));
                    match map.owner(slot) {
                        Some((_, shard)) => (Arc::clone(shard), false),
                        None => {
                            cluster.look_soon();
                            results[index] = Some(Err(as_error(&LinkError::NoOwner(slot))));
                            continue;
                        }
                    }
                }
            };
            let same = |group: &&mut Group| group.is_at(&shard) && group.asking == asking;
            match groups.iter_mut().find(same) {
                Some(group) => group.commands.push(index),
                None => groups.push(Group {
                    shard,
                    asking,
                    commands: vec![index],
                }),
            }
        }
        Ok(groups)
    }

    /// Returns the first key of a command.
    fn key_of(&self, command: &Cmd) -> Vec<u8> {
        let mut words = command.args_iter().map(|word| match word {
            Arg::Simple(word) => word,
            _ => &[],
        });
        let name = words.next().unwrap_or_default().to_ascii_uppercase();
        let key = match &name[..] {
            // Script and number of keys come before.
            b"EVAL" | b"EVALSHA" => words.nth(2),
            b"XINFO" => words.nth(1),
            b"PING" | b"TIME" | b"INFO" | b"WAIT" | b"UNWATCH" => None,
            _ => words.next(),
        };
        key.unwrap_or_else(|| self.keys.prefix().as_bytes())
            .to_vec()
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

/// Commands for one master.
struct Group {
    shard: Arc<Shard>,
    /// Whether each needs an ASKING before it.
    asking: bool,
    /// Indices of the commands, in their order.
    commands: Vec<usize>,
}

impl Group {
    fn is_at(&self, shard: &Arc<Shard>) -> bool {
        Arc::ptr_eq(&self.shard, shard)
    }

    async fn ask(
        &self,
        commands: &[Cmd],
        until: Instant,
    ) -> Result<Vec<RedisResult<Value>>, LinkError> {
        let mut pipeline = Pipeline::with_capacity(2 * self.commands.len());
        for index in &self.commands {
            if self.asking {
                pipeline.cmd("ASKING").ignore();
            }
            pipeline.add_command(commands[*index].clone());
        }
        self.shard.ask(&mut pipeline, until).await
    }
}

fn redirect(answer: &RedisResult<Value>, shard: &Shard) -> Option<Redirect> {
    let error = answer.as_ref().err()?;
    Redirect::of(error, &shard.dialer().server()?)
}

/// Returns a fault of the way as the result of one command.
fn as_error(fault: &LinkError) -> RedisError {
    let kind = match fault {
        LinkError::Silent(_) => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::ConnectionAborted,
    };
    RedisError::from(io::Error::new(kind, fault.to_string()))
}

/// How long somebody who must not wait for ever waits for a map.
pub(super) const MAP_LIMIT: Duration = Duration::from_secs(1);

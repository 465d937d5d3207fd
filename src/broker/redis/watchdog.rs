//! Each second: does a payload still find its way to this node?
//!
//! A server that hangs keeps its wires open, and one that was demoted goes on answering; both are found only by asking.
//! A round asks over the pool and over the subscriber's own wire, and sends a canary from one to the other. Two rounds
//! without an answer, or any answer that is wrong, end the wire: within three seconds of a stop.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{FromRedisValue, RedisError, RedisResult};
use tokio::time::{MissedTickBehavior, interval, timeout_at};

use super::fault::LinkError;
use super::shard::Shard;
use super::subscriber::View;
use super::wire::Server;
use crate::telemetry::Metrics;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(1);

/// How long a round may take: with [`ROUND`] and one repeat it stays below three seconds.
const ROUND_LIMIT: Duration = Duration::from_millis(900);

/// Time between two questions to all sentinels.
const SENTINELS: Duration = Duration::from_millis(1500);

/// Round trips that the clock's next one is compared with.
const TRIPS: usize = 8;

/// Watches one line.
#[derive(Debug)]
pub(super) struct Watchdog {
    shard: Arc<Shard>,
    metrics: Arc<Metrics>,
    /// Number of the last canary; begins at the time, so that a stray one of a line before is none of this one's.
    canary: u64,
    /// The last round trips, oldest first.
    trips: VecDeque<Duration>,
}

impl Watchdog {
    pub(super) fn new(shard: Arc<Shard>, metrics: Arc<Metrics>) -> Self {
        let canary = shard.clock().now_ms();
        Self {
            shard,
            metrics,
            canary,
            trips: VecDeque::with_capacity(TRIPS),
        }
    }

    /// Looks at a new line once: whether the server is what the settings say, what it does when its memory is full, and
    /// whether a canary comes through.
    pub(super) async fn greet(&mut self, view: &View) -> Result<(), LinkError> {
        let mut commands = view.wire.commands.clone();
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("INFO")
            .arg("memory")
            .cmd("INFO")
            .arg("cluster");
        let infos = pipeline
            .query_async::<(String, String)>(&mut commands)
            .await;
        let (memory, cluster) = infos.map_err(|error| self.shard.fault(&error))?;
        if cluster.contains("cluster_enabled:1") && !view.is_sharded {
            return Err(LinkError::IsCluster(view.wire.server.to_string()));
        }
        self.note_policy(&memory);
        self.round(view).await
    }

    /// Watches until the line fails; returns why.
    pub(super) async fn run(&mut self, view: &View) -> LinkError {
        let shard = Arc::clone(&self.shard);
        tokio::select! {
            fault = self.watch_line(view) => fault,
            fault = watch_sentinels(&shard, view) => fault,
        }
    }

    async fn watch_line(&mut self, view: &View) -> LinkError {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let mut result = self.round(view).await;
            if matches!(result, Err(LinkError::Silent(_))) {
                // One slow command of somebody else is no reason to interrupt every room.
                result = self.round(view).await;
            }
            if let Err(fault) = result {
                return fault;
            }
        }
    }

    async fn round(&mut self, view: &View) -> Result<(), LinkError> {
        let until = Instant::now() + ROUND_LIMIT;
        self.canary += 1;
        let (sent, ()) = tokio::try_join!(self.ask_pool(view, until), self.ask_wire(view, until))?;
        let (sent, trip) = sent;
        let heard = self.hear(view, until).await?;
        self.metrics
            .broker_round_trip
            .observe(heard.saturating_duration_since(sent).as_secs_f64());
        self.note_trip(trip);
        Ok(())
    }

    /// Sends the canary over the pool and checks the server there; returns when, and how long the answer took.
    async fn ask_pool(
        &self,
        view: &View,
        until: Instant,
    ) -> Result<(Instant, Duration), LinkError> {
        let mut wire = self.shard.get(until).await?;
        let publish = if view.is_sharded {
            "SPUBLISH"
        } else {
            "PUBLISH"
        };
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("INFO")
            .arg("replication")
            .cmd("TIME")
            .cmd(publish)
            .arg(&view.canary)
            .arg(self.canary);
        let sent = Instant::now();
        let answer = timeout_at(until.into(), pipeline.query_async(wire.commands())).await;
        let answered = Instant::now();
        let (info, (seconds, micros), _) = self.answer::<(String, (u64, u64), i64)>(answer)?;
        wire.keep();
        let trip = answered - sent;
        // Every trip errs by up to half its length, so a slow one is not believed.
        if self
            .trips
            .iter()
            .all(|before| trip <= before.saturating_mul(2))
        {
            self.shard.clock().observe(
                sent,
                answered,
                seconds.saturating_mul(1_000_000).saturating_add(micros),
            );
        }
        self.check(view, &info)?;
        Ok((sent, trip))
    }

    /// Checks the server at the other end of the subscriber's own wire.
    async fn ask_wire(&self, view: &View, until: Instant) -> Result<(), LinkError> {
        let mut commands = view.wire.commands.clone();
        let mut command = redis::cmd("INFO");
        let asked = command
            .arg("replication")
            .query_async::<String>(&mut commands);
        let answer = timeout_at(until.into(), asked).await;
        self.check(view, &self.answer(answer)?)
    }

    /// Waits for the canary; returns when it arrived.
    async fn hear(&self, view: &View, until: Instant) -> Result<Instant, LinkError> {
        let mut heard = view.heard.clone();
        let arrives = heard.wait_for(|heard| heard.number == self.canary);
        match timeout_at(until.into(), arrives).await {
            Ok(Ok(heard)) => Ok(heard.at),
            Ok(Err(_)) => Err(self.broken("it was closed")),
            Err(_) => Err(self.silent()),
        }
    }

    fn check(&self, view: &View, info: &str) -> Result<(), LinkError> {
        match Server::parse(info) {
            Some(server) if !server.is_master => Err(self.broken("its server is a replica now")),
            Some(server) if server.lineage != view.wire.lineage => {
                Err(self.broken("its server has another lineage now"))
            }
            Some(_) => Ok(()),
            None => Err(self.broken("its server does not tell its role")),
        }
    }

    fn note_trip(&mut self, trip: Duration) {
        if self.trips.len() == TRIPS {
            self.trips.pop_front();
        }
        self.trips.push_back(trip);
    }

    fn note_policy(&self, info: &str) {
        let policy = info
            .lines()
            .find_map(|line| line.strip_prefix("maxmemory_policy:"))
            .map_or("", str::trim);
        let evicts = i64::from(policy != "noeviction");
        if evicts == 1 && self.metrics.broker_evicts.get() == 0 {
            tracing::warn!(
                policy,
                "Redis may evict what was promised to be kept: set maxmemory-policy noeviction"
            );
        }
        self.metrics.broker_evicts.set(evicts);
    }

    fn answer<T: FromRedisValue>(
        &self,
        answer: Result<RedisResult<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, LinkError> {
        match answer {
            Ok(result) => result.map_err(|error| self.shard.fault(&error)),
            Err(_) => Err(self.silent()),
        }
    }

    fn silent(&self) -> LinkError {
        self.shard
            .fault(&RedisError::from(io::Error::from(io::ErrorKind::TimedOut)))
    }

    fn broken(&self, reason: &str) -> LinkError {
        broken(&self.shard, reason)
    }
}

/// Waits until the sentinels have another master than the line leads to: the old one may be cut off from them and still
/// answer as a master.
async fn watch_sentinels(shard: &Shard, view: &View) -> LinkError {
    let Some(sentinels) = shard.dialer().sentinels() else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(SENTINELS).await;
        if sentinels.disown(&view.wire.server).await {
            return broken(shard, "the sentinels have another master now");
        }
    }
}

/// Returns the fault of a line that is given up for a reason of the node's own.
pub(super) fn broken(shard: &Shard, reason: &str) -> LinkError {
    shard.fault(&RedisError::from(io::Error::new(
        io::ErrorKind::ConnectionReset,
        reason.to_owned(),
    )))
}

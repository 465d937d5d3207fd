//! What becomes of the presence of a node that is gone.
//!
//! Any node walks the index of an ended lease and takes the lease off every user of every room; the script that takes
//! the last one off announces it, so that each leave is told once whoever sweeps and however often. A room leaves the
//! index only after it was walked, and the lease its list only after its index: a sweeper that dies is taken over.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::Value;

use super::super::fault::LinkError;
use super::super::lease::{LeaseId, leases, listed};
use super::super::script::{self, Script};
use super::{BIG_ROOM, COMMON, LIMIT, LONG_LIST, Presence};
use crate::protocol::{RoomName, millis};

/// Longest time between two looks for ended leases.
const LOOK: Duration = Duration::from_secs(1);

/// Rooms of one pipeline.
const ROOMS: usize = 32;

/// Users of one call, about: a millisecond or two for Redis.
const PAGE: usize = 500;

/// Time between two announcements of the same big room.
const TELL: Duration = Duration::from_secs(1);

static SWEEP: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[COMMON, include_str!("../scripts/presence_sweep.lua")]));

/// Why a sweep was left to the next.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("presence could not be written: {0}")]
    Refused(String),
}

/// A room in the middle of its walk.
struct Walk {
    room: RoomName,
    cursor: String,
    told: Instant,
}

impl Presence {
    /// Sweeps leases that have ended, for as long as it is polled.
    pub(super) async fn sweep_leases(&self) {
        let life = self.lease.life();
        loop {
            tokio::time::sleep(LOOK.min(life / 3)).await;
            // After an outage every node needs the time to renew its lease or to take another.
            let quiet = self.way.up_for().zip(self.lease.steady_for());
            if quiet.is_none_or(|(up, steady)| up.min(steady) < life) {
                continue;
            }
            match self.ended().await {
                Ok(ended) => {
                    for lease in ended {
                        self.sweep(&lease).await;
                    }
                }
                Err(fault) => tracing::debug!(%fault, "leases were not read"),
            }
        }
    }

    /// Returns the leases that have ended and are not swept.
    async fn ended(&self) -> Result<Vec<LeaseId>, LinkError> {
        let keys = self.link.keys();
        let known = listed(&self.link, Instant::now() + LIMIT).await?;
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for lease in &known {
            pipeline.cmd("EXISTS").arg(lease.key(keys));
        }
        let exist = self.link.ask(&mut pipeline, Instant::now() + LIMIT).await?;
        let has_ended = |result: &redis::RedisResult<Value>| matches!(result, Ok(Value::Int(0)));
        Ok(known
            .into_iter()
            .zip(exist)
            .filter(|(_, exists)| has_ended(exists))
            .map(|(lease, _)| lease)
            .collect())
    }

    async fn sweep(&self, lease: &LeaseId) {
        let began = Instant::now();
        match self.walk_index(lease).await {
            Ok(Some((rooms, users))) => {
                let duration_ms = millis(began.elapsed());
                tracing::info!(
                    lease = lease.as_str(),
                    rooms,
                    users,
                    duration_ms,
                    "an ended lease was swept"
                );
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(lease = lease.as_str(), %error, "a sweep was not finished")
            }
        }
    }

    /// Walks the rooms of an ended lease; returns how many rooms it had and users left, `None` if another node does it.
    async fn walk_index(&self, lease: &LeaseId) -> Result<Option<(usize, u64)>, Unfinished> {
        let (keys, life) = (self.link.keys(), millis(self.lease.life()));
        let mut claim = redis::pipe();
        claim
            .cmd("SET")
            .arg(lease.sweep(keys))
            .arg(1)
            .arg("NX")
            .arg("PX")
            .arg(life);
        if self.last::<Option<String>>(&mut claim).await?.is_none() {
            return Ok(None);
        }
        let (mut walked, mut left) = (0, 0);
        loop {
            let mut next = redis::pipe();
            next.cmd("PEXPIRE").arg(lease.sweep(keys)).arg(life);
            next.cmd("SRANDMEMBER").arg(lease.rooms(keys)).arg(ROOMS);
            let names: Vec<String> = self.last(&mut next).await?;
            if names.is_empty() {
                break;
            }
            left += self
                .walk(
                    lease,
                    names.iter().map(|name| RoomName::trusted(name)).collect(),
                )
                .await?;
            walked += names.len();
            let mut done = redis::pipe();
            done.cmd("SREM").arg(lease.rooms(keys)).arg(&names);
            self.last::<u64>(&mut done).await?;
        }
        let mut done = redis::pipe();
        done.cmd("SREM")
            .arg(leases(keys))
            .arg(lease.as_str())
            .cmd("DEL")
            .arg(lease.sweep(keys));
        self.last::<u64>(&mut done).await?;
        Ok(Some((walked, left)))
    }

    /// Takes the lease off all users of these rooms; returns how many left.
    async fn walk(&self, lease: &LeaseId, rooms: Vec<RoomName>) -> Result<u64, Unfinished> {
        let mut left = 0;
        let began = Instant::now();
        let begin = |room| Walk {
            room,
            cursor: "0".to_owned(),
            told: began,
        };
        let mut walks: Vec<Walk> = rooms.into_iter().map(begin).collect();
        while !walks.is_empty() {
            let now = Instant::now();
            let is_told = |walk: &Walk| now.saturating_duration_since(walk.told) >= TELL;
            let calls: Vec<_> = walks
                .iter()
                .map(|walk| self.page(lease, walk, is_told(walk)))
                .collect();
            let answers = script::run(&self.link, &calls, now + LIMIT).await?;
            let mut unfinished = Vec::new();
            for (mut walk, answer) in walks.into_iter().zip(answers) {
                let answer = answer.and_then(|answer| {
                    Ok(redis::from_redis_value::<(String, u64, String)>(answer)?)
                });
                let (cursor, gone, failure) = match answer {
                    Ok(answer) => answer,
                    Err(error) => {
                        tracing::warn!(room.name = %walk.room, %error, "a room's presence cannot be swept");
                        continue;
                    }
                };
                if !failure.is_empty() {
                    return Err(Unfinished::Refused(failure));
                }
                left += gone;
                if is_told(&walk) {
                    walk.told = now;
                }
                if cursor != "0" {
                    unfinished.push(Walk { cursor, ..walk });
                }
            }
            walks = unfinished;
        }
        Ok(left)
    }

    fn page(&self, lease: &LeaseId, walk: &Walk, is_told: bool) -> script::Call<'static> {
        let keys = self.link.keys();
        SWEEP
            .call([keys.presence(&walk.room)])
            .arg(lease.as_str())
            .arg(keys.payloads(&walk.room))
            .arg(BIG_ROOM)
            .arg(LONG_LIST)
            .arg(&walk.cursor)
            .arg(PAGE)
            .arg(u8::from(is_told))
    }

    /// Sends commands and returns the answer of the last.
    async fn last<T: redis::FromRedisValue>(
        &self,
        pipeline: &mut redis::Pipeline,
    ) -> Result<T, LinkError> {
        let results = self.link.ask(pipeline, Instant::now() + LIMIT).await?;
        let last = results.into_iter().next_back().unwrap_or(Ok(Value::Nil));
        let read =
            last.and_then(|value| redis::from_redis_value(value).map_err(redis::RedisError::from));
        read.map_err(|error| self.link.fault(&error))
    }
}

//! What a row stands on: node processes, a real Redis, a fault proxy on each way, people who talk, and the record.

pub(crate) mod audit;
pub(crate) mod bot;
pub(crate) mod crowd;
pub(crate) mod doors;
mod nodes;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod proxy;
#[path = "../../integration/support/redis.rs"]
#[allow(dead_code, reason = "the integration tests use the rest of it")]
pub(crate) mod redis;
pub(crate) mod talker;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::redis::RedisServer;
use crate::checker::history::{Way, What};
use outcome::{Outcome, Timings, Told};
use plan::Plan;
use process::Process;
use proxy::Proxy;
use talker::{Duty, Part, Stage, Talker};

/// How long a condition may take; far above what any of them needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// Messages made within this time behind a fault are what it is measured by, with all that was under way.
const WINDOW: Duration = Duration::from_millis(500);
/// A message that took less is not late.
const LATE: Duration = Duration::from_millis(200);
/// Time between two questions to a node whether it is ready.
const POLL: Duration = Duration::from_millis(200);

/// A node, its process if it runs, and the proxies around it.
#[derive(Debug)]
pub(crate) struct NodeSlot {
    pub(crate) process: Option<Process>,
    /// Between the node and its Redis.
    pub(crate) back: Proxy,
    /// Between sessions and the node.
    pub(crate) front: Proxy,
}

impl NodeSlot {
    /// Returns the running process.
    pub(crate) fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("this node does not run")
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) plan: Plan,
    redis: Option<RedisServer>,
    pub(crate) nodes: Vec<NodeSlot>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) duties: Vec<watch::Sender<Duty>>,
    pub(crate) random: fastrand::Rng,
    pub(crate) begun: Instant,
    timings: Timings,
    faults: Vec<String>,
    internals: Arc<Mutex<Vec<Option<SocketAddr>>>>,
    talkers: JoinSet<()>,
    polls: JoinSet<()>,
}

impl Rig {
    /// Starts everything, and waits until all talk and all is whole.
    pub(crate) async fn start(plan: Plan) -> Result<Self> {
        let redis = if plan.urls.is_empty() {
            Some(RedisServer::start_with(plan.redis.clone()).await)
        } else {
            None
        };
        let mut rig = Self {
            redis,
            nodes: Vec::new(),
            stage: Arc::default(),
            duties: Vec::new(),
            random: fastrand::Rng::with_seed(plan.seed),
            begun: Instant::now(),
            timings: Timings::default(),
            faults: Vec::new(),
            internals: Arc::default(),
            talkers: JoinSet::new(),
            polls: JoinSet::new(),
            plan,
        };
        for _ in 0..rig.plan.nodes {
            rig.add_node().await?;
        }
        for who in 0..rig.plan.talkers {
            let only = (!rig.plan.is_roaming).then_some(who % rig.plan.nodes);
            rig.add_talker(who % rig.plan.rooms, only);
        }
        let talkers = rig.plan.talkers;
        rig.wait("everybody talks", |rig| {
            let joined = rig
                .stage
                .history
                .count_since(rig.begun, |what| matches!(what, What::Joined { .. }));
            joined >= talkers
        })
        .await?;
        rig.talk(rig.plan.talkers * 4).await?;
        Ok(rig)
    }

    /// Returns the name of a room.
    pub(crate) fn room_name(&self, room: usize) -> String {
        format!("faults {room}")
    }

    /// Returns a key of a room in Redis, such as its `log`.
    pub(crate) fn key(&self, room: usize, part: &str) -> String {
        format!("madang:{{{}}}:{part}", self.room_name(room))
    }

    /// Lets another talker in; returns its number.
    pub(crate) fn add_talker(&mut self, room: usize, only: Option<usize>) -> usize {
        let who = self.duties.len();
        let (duty, told) = watch::channel(Duty::Here);
        self.duties.push(duty);
        let part = Part {
            who,
            room,
            room_name: self.room_name(room),
            only,
            every: self.plan.every,
            burst: self.plan.burst,
            back_off: self.plan.back_off,
            padding: self.plan.padding,
            seed: self.random.u64(..),
        };
        self.talkers
            .spawn(Talker::new(part, Arc::clone(&self.stage), told).run());
        who
    }

    /// Runs something beside the talkers until the end.
    pub(crate) fn accompany(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.talkers.spawn(task);
    }

    /// Tells a talker what to do.
    pub(crate) fn tell(&self, who: usize, duty: Duty) {
        self.duties[who].send_replace(duty);
    }

    /// Waits until so many more messages were shown.
    pub(crate) async fn talk(&mut self, count: usize) -> Result<()> {
        let goal = self.stage.history.shown() + count as u64;
        self.wait("people talk", |rig| rig.stage.history.shown() >= goal)
            .await
    }

    /// Waits until so many more messages were shown, half as many to half more: the schedule of the seed.
    pub(crate) async fn talk_about(&mut self, count: usize) -> Result<()> {
        let count = count / 2 + self.random.usize(0..=count);
        self.talk(count).await
    }

    /// Waits until everything that was under way at a moment, or made shortly after it, is everywhere; notes how long
    /// after the moment that was, for a claim.
    pub(crate) async fn whole(
        &mut self,
        claim: &'static str,
        since: Instant,
        deadline: Duration,
    ) -> Result<Duration> {
        let end = since + WINDOW;
        self.wait("all is whole again", |rig| {
            Instant::now() >= end && rig.stage.history.open_before(end) == 0
        })
        .await?;
        let ways = self.stage.history.ways();
        // What was under way counts; what was made behind the fault counts if it was late.
        let is_late = |way: &&Way| {
            way.whole > since
                && (way.made <= since || (way.made <= end && way.whole - way.made > LATE))
        };
        let last = ways.iter().filter(is_late).map(|way| way.whole).max();
        let took = last.map_or(Duration::ZERO, |last| last - since);
        self.took(claim, took, deadline);
        Ok(took)
    }

    /// Notes a time for a claim.
    pub(crate) fn took(&mut self, claim: &'static str, took: Duration, deadline: Duration) {
        self.timings.add(claim, took, deadline);
    }

    /// Notes something that should not be.
    pub(crate) fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    /// Waits until a condition holds.
    pub(crate) async fn wait(
        &mut self,
        what: &str,
        holds: impl FnMut(&mut Self) -> bool,
    ) -> Result<()> {
        self.wait_for(what, PATIENCE, holds).await
    }

    /// Waits until a condition holds that thousands of sessions take part in.
    pub(crate) async fn wait_long(
        &mut self,
        what: &str,
        holds: impl FnMut(&mut Self) -> bool,
    ) -> Result<()> {
        self.wait_for(what, PATIENCE * 3, holds).await
    }

    async fn wait_for(
        &mut self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        while !holds(self) {
            if begun.elapsed() > patience {
                bail!(
                    "not within {patience:?}: {what}; open: {}; {}",
                    self.stage.history.some_open(),
                    self.state()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Waits until something asked from outside holds.
    pub(crate) async fn wait_async<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) -> Result<()> {
        let begun = Instant::now();
        while !holds().await {
            if begun.elapsed() > PATIENCE {
                bail!("not within {PATIENCE:?}: {what}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Says nothing new, lets everything arrive, and judges what happened.
    pub(crate) async fn finish(mut self, told: Told) -> Result<Outcome> {
        self.stage.is_quiet.store(true, Ordering::Relaxed);
        let end = Instant::now();
        let settled = self
            .wait("everything has arrived", |rig| {
                rig.stage.history.open_before(end) == 0
            })
            .await;
        let logs = audit::logs(&self)
            .await
            .context("the logs cannot be read at the end")?;
        self.talkers.shutdown().await;
        if let Err(error) = settled {
            self.faults.push(format!("{error:#}"));
        }
        let events = self.stage.history.events();
        Ok(Outcome::new(
            &events,
            &logs,
            told,
            self.timings,
            self.faults,
        ))
    }

    /// Describes where the nodes and the people are, for a report.
    fn state(&self) -> String {
        let events = self.stage.history.events();
        let mut last = vec![String::from("nothing"); self.duties.len()];
        for event in events {
            if let What::Opened { node } = &event.what {
                last[event.who] = format!("at {node}");
            } else if let What::Ended { why } = &event.what {
                last[event.who].clone_from(why);
            }
        }
        let mut lines = vec![format!("people: {}", last.join(", "))];
        for (node, slot) in self.nodes.iter().enumerate() {
            let log = slot.process.as_ref().map(Process::log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(4).collect();
            lines.push(format!(
                "node {node}, newest first:\n    {}",
                tail.join("\n    ")
            ));
        }
        lines.join("\n  ")
    }

    /// Returns the Redis that the rig has started itself.
    ///
    /// # Panics
    /// In a row that brings its own.
    pub(crate) const fn redis(&mut self) -> &mut RedisServer {
        self.redis
            .as_mut()
            .expect("the rig has started a Redis of its own")
    }
}

//! The node's lease: while it is renewed, the node counts as alive.
//!
//! Only Redis' clock decides when a lease ends. A lease that ended is never taken up again: the node takes one with
//! another id and tells its presence anew, since somebody may have swept the old one.

mod fleet;
mod grant;
mod id;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};
use serde::Serialize;

use super::super::FleetNode;
use super::fault::LinkError;
use super::link::Link;
use crate::protocol::millis;
use crate::telemetry::Metrics;

pub(super) use self::fleet::{fleet, listed};
pub(super) use self::grant::{give_back, grant, sees};
pub(super) use self::id::{LeaseId, leases};

/// What a try to keep the lease came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The node has the lease that it had.
    Same,
    /// The node has its first lease.
    First,
    /// The node lost its lease and has another.
    Another,
}

/// The lease of this node.
#[derive(Debug)]
pub(super) struct Lease {
    link: Arc<Link>,
    metrics: Arc<Metrics>,
    node: FleetNode,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<LeaseId>,
    /// The lease before, if one was lost: told to the sweepers once more, for a write may have come after a sweep.
    lost: Option<LeaseId>,
    /// Since when every renewal was answered in time.
    steady: Option<Instant>,
    /// Whether the node drains.
    leaving: bool,
}

/// The JSON of a lease.
#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    #[serde(flatten)]
    node: FleetNode,
}

impl Lease {
    pub(super) fn new(link: Arc<Link>, metrics: Arc<Metrics>, node: FleetNode) -> Self {
        Self {
            link,
            metrics,
            node,
            state: Mutex::default(),
        }
    }

    /// Returns the lease that the node holds as far as it knows.
    pub(super) fn held(&self) -> Option<LeaseId> {
        self.state().held.clone()
    }

    /// Returns how long every renewal was answered in time.
    ///
    /// A stop of Redis that makes leases end makes a renewal late before: what is steady for one lease time has given
    /// every living node the time to renew its own.
    pub(super) fn steady_for(&self) -> Option<Duration> {
        self.state().steady.map(|since| since.elapsed())
    }

    /// Returns how long a lease lasts unless it is renewed.
    pub(super) fn life(&self) -> Duration {
        self.link.options().lease
    }

    /// Marks the lease as leaving, from its next renewal on.
    pub(super) fn leaving(&self) {
        self.state().leaving = true;
    }

    /// Renews the lease, or takes one.
    ///
    /// # Errors
    /// Why there was no answer; the lease may hold or not.
    pub(super) async fn keep(&self) -> Result<Kept, LinkError> {
        let kept = self.try_keep().await;
        if kept.is_ok() {
            grant::note_seen(&self.link, self.node.node.as_str(), self.until()).await;
        }
        let mut state = self.state();
        match kept {
            Ok(Kept::Same) => drop(state.steady.get_or_insert_with(Instant::now)),
            Ok(Kept::First | Kept::Another) => state.steady = Some(Instant::now()),
            Err(_) => state.steady = None,
        }
        kept
    }

    async fn try_keep(&self) -> Result<Kept, LinkError> {
        let Some(id) = self.held() else {
            let was_lost = self.state().lost.is_some();
            self.take().await?;
            return Ok(if was_lost { Kept::Another } else { Kept::First });
        };
        if self.renew(&id).await? {
            return Ok(Kept::Same);
        }
        tracing::warn!("the lease of this node has ended; it takes another");
        {
            let mut state = self.state();
            state.held = None;
            state.lost = Some(id);
        }
        self.take().await?;
        Ok(Kept::Another)
    }

    /// Moves the end of a lease that still stands; returns false if it has ended.
    async fn renew(&self, id: &LeaseId) -> Result<bool, LinkError> {
        let (keys, options) = (self.link.keys(), self.link.options());
        let mut pipeline = redis::pipe();
        // First what also a full Redis accepts; what follows is refreshed by the next renewal.
        pipeline
            .cmd("PEXPIRE")
            .arg(id.key(keys))
            .arg(millis(options.lease));
        pipeline
            .cmd("PEXPIRE")
            .arg(id.rooms(keys))
            .arg(millis(options.history_keep));
        pipeline
            .cmd("SET")
            .arg(id.key(keys))
            .arg(self.record(id))
            .arg("XX")
            .arg("KEEPTTL");
        pipeline.cmd("SADD").arg(leases(keys)).arg(id.as_str());
        let lost = self.state().lost.clone();
        if let Some(lost) = &lost {
            pipeline.arg(lost.as_str());
        }
        let results = self.link.ask(&mut pipeline, self.until()).await?;
        self.state().lost = None;
        Ok(self.first(results)? == Value::Int(1))
    }

    /// Takes a lease with an id never used before.
    async fn take(&self) -> Result<(), LinkError> {
        let (id, keys) = (LeaseId::random(), self.link.keys());
        let mut pipeline = redis::pipe();
        // Listed only once it stands: a listed lease that does not stand is swept and forgotten.
        pipeline
            .cmd("SET")
            .arg(id.key(keys))
            .arg(self.record(&id))
            .arg("PX")
            .arg(millis(self.life()));
        pipeline.cmd("SADD").arg(leases(keys)).arg(id.as_str());
        if let Some(lost) = &self.state().lost {
            pipeline.arg(lost.as_str());
        }
        let results = self.link.ask(&mut pipeline, self.until()).await?;
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            return Err(self.link.fault(error));
        }
        self.state().held = Some(id);
        Ok(())
    }

    /// Marks the lease as leaving and lets it end after the debounce time.
    pub(super) async fn give_up(&self, debounce: Duration) -> Result<(), LinkError> {
        self.leaving();
        let Some(id) = self.state().held.take() else {
            return Ok(());
        };
        let key = id.key(self.link.keys());
        let mut pipeline = redis::pipe();
        pipeline.cmd("PEXPIRE").arg(&key).arg(millis(debounce));
        pipeline
            .cmd("SET")
            .arg(&key)
            .arg(self.record(&id))
            .arg("XX")
            .arg("KEEPTTL");
        // One that left in order is no node of the fleet any more.
        let node = self.node.node.as_str();
        pipeline
            .cmd("HDEL")
            .arg(grant::nodes(self.link.keys()))
            .arg(format!("seen:{node}"))
            .arg(format!("grant:{node}"));
        let results = self.link.ask(&mut pipeline, self.until()).await?;
        self.first(results).map(drop)
    }

    fn record(&self, id: &LeaseId) -> String {
        let leaving = self.state().leaving;
        let record = Record {
            id: id.as_str(),
            node: self.node.at(self.metrics.sessions.get(), leaving),
        };
        serde_json::to_string(&record).expect("a lease has only string keys")
    }

    fn first(&self, results: Vec<RedisResult<Value>>) -> Result<Value, LinkError> {
        match results.into_iter().next() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.link.fault(&error)),
            None => Ok(Value::Nil),
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + (self.life() / 3).min(Duration::from_secs(1))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

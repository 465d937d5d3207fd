//! One master and how a node reaches it: wires of their own for the subscriber, a pool for everything else.
//!
//! After [`Shard::drop_all`], and after a wire was opened under another lineage, no pooled wire that was opened before is
//! handed out again: two lineages in turn would begin an epoch with every call. A pooled wire goes back only
//! with [`Pooled::keep`]: one whose answer did not come, or whose user was canceled, may still hold the answer to
//! somebody else's question and is closed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Object, Pool, QueueMode, RecycleError, RecycleResult};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, RedisResult, Value};
use tokio::time::timeout_at;

use super::clock::Clock;
use super::fault::LinkError;
use super::options::Options;
use super::wire::{CONNECT_TIMEOUT, Dialer, Wire};
use crate::telemetry::Metrics;

/// How long a wire that has just answered is trusted without asking it again.
///
/// Asking costs a round trip for every batch; a wire that breaks within this time costs its batch one refusal, and after
/// it no wire is trusted that answered before.
const TRUSTED: Duration = Duration::from_millis(250);

/// How long a failure to open a wire is answered to others that ask for one, so that an outage is not a storm of
/// attempts.
const FAILURE_STANDS: Duration = Duration::from_millis(50);

/// The way to one master: the only one, or one of a Cluster.
#[derive(Debug)]
pub struct Shard {
    dialer: Arc<Dialer>,
    pool: Pool<Opener>,
    generation: Arc<AtomicU64>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
}

impl Shard {
    /// Prepares the way that a dialer opens; nothing is opened yet.
    pub(super) fn new(
        dialer: Dialer,
        options: &Options,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let (dialer, generation) = (Arc::new(dialer), Arc::new(AtomicU64::new(0)));
        let opener = Opener::new(
            Arc::clone(&dialer),
            Arc::clone(&generation),
            options.send_timeout,
        );
        let pool = Pool::builder(opener)
            .max_size(options.redis.pool_size.max(1))
            // The last one used is the one most surely alive.
            .queue_mode(QueueMode::Lifo)
            .build()
            .expect("a pool without timeouts of its own needs no runtime");
        Arc::new(Self {
            dialer,
            pool,
            generation,
            clock,
            metrics,
        })
    }

    /// Opens a wire for one user, whose answers take at most one second; `push` takes what the server sends unasked
    /// and must not block.
    ///
    /// # Errors
    /// Why no master could be reached.
    pub async fn open(
        &self,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Wire, LinkError> {
        self.dialer.open(CONNECT_TIMEOUT, Some(push)).await
    }

    /// Takes a wire from the pool, opening one if need be, by `until` at the latest.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, until: Instant) -> Result<Pooled, LinkError> {
        let asked = Instant::now();
        let limit = until.min(asked + 2 * CONNECT_TIMEOUT);
        let got = timeout_at(limit.into(), self.pool.get()).await;
        self.metrics
            .broker_pool_wait
            .observe(asked.elapsed().as_secs_f64());
        match got {
            Ok(Ok(wire)) => Ok(Pooled(Some(wire))),
            Ok(Err(managed::PoolError::Backend(error))) => Err(error),
            Ok(Err(_)) | Err(_) => Err(LinkError::Silent(self.dialer.address().name)),
        }
    }

    /// Sends a pipeline over a pooled wire and returns each command's own result, by `until` at the latest.
    ///
    /// # Errors
    /// Why there is no answer; commands may have run all the same.
    pub async fn ask(
        &self,
        pipeline: &mut Pipeline,
        until: Instant,
    ) -> Result<Vec<RedisResult<Value>>, LinkError> {
        let mut wire = self.get(until).await?;
        let pipeline = pipeline.ignore_errors();
        let answered = timeout_at(until.into(), pipeline.query_async(wire.commands())).await;
        match answered {
            Ok(Ok(results)) => {
                wire.keep();
                Ok(results)
            }
            Ok(Err(error)) => {
                self.broke();
                Err(self.fault(&error))
            }
            Err(_) => Err(LinkError::Silent(self.dialer.address().name)),
        }
    }

    /// Notes that a pooled wire broke: others that answered before are asked before they are handed out.
    pub fn broke(&self) {
        *lock(&self.pool.manager().broke) = Some(Instant::now());
    }

    /// Closes every pooled wire, those in use when they come back.
    pub fn drop_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        drop(self.pool.retain(|_, _| false));
    }

    /// Returns the sentence for what the Redis crate reports.
    #[must_use]
    pub fn fault(&self, error: &redis::RedisError) -> LinkError {
        LinkError::of(&self.dialer.address(), error)
    }

    /// Returns Redis time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns what opens its wires.
    pub(super) fn dialer(&self) -> &Dialer {
        &self.dialer
    }
}

/// A wire from the pool, closed when dropped unless it is kept.
pub struct Pooled(Option<Object<Opener>>);

impl Pooled {
    fn object(&mut self) -> &mut Object<Opener> {
        self.0
            .as_mut()
            .expect("only keep and drop take the wire out")
    }

    /// Returns where commands go in.
    pub fn commands(&mut self) -> &mut MultiplexedConnection {
        &mut self.object().wire.commands
    }

    /// Returns the lineage under which the wire was opened.
    pub fn lineage(&mut self) -> Arc<str> {
        Arc::clone(&self.object().wire.lineage)
    }

    /// Returns true until the wire was put back once.
    pub fn is_new(&mut self) -> bool {
        self.object().is_new
    }

    /// Puts the wire back after all its answers came.
    pub fn keep(mut self) {
        let kept = self.object();
        (kept.answered, kept.is_new) = (Instant::now(), false);
        drop(self.0.take());
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pooled")
    }
}

/// A wire as the pool keeps it.
#[derive(Debug)]
pub struct Kept {
    wire: Wire,
    generation: u64,
    answered: Instant,
    is_new: bool,
}

/// Opens wires for the pool and looks after idle ones.
#[derive(Debug)]
pub struct Opener {
    dialer: Arc<Dialer>,
    recycler: deadpool_redis::Manager,
    generation: Arc<AtomicU64>,
    answer_limit: Duration,
    failure: Mutex<Option<(Instant, LinkError)>>,
    /// Lineage of the wire opened last.
    lineage: Mutex<Option<Arc<str>>>,
    /// When a wire broke last.
    broke: Mutex<Option<Instant>>,
}

impl Opener {
    fn new(dialer: Arc<Dialer>, generation: Arc<AtomicU64>, answer_limit: Duration) -> Self {
        // It opens nothing: a wire from the dialer is what it recycles.
        let recycler = deadpool_redis::Manager::new("redis://localhost").expect("a valid address");
        Self {
            dialer,
            recycler,
            generation,
            answer_limit,
            failure: Mutex::default(),
            lineage: Mutex::default(),
            broke: Mutex::default(),
        }
    }
}

/// Locks without a care for poison: what is guarded is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl managed::Manager for Opener {
    type Type = Kept;
    type Error = LinkError;

    async fn create(&self) -> Result<Kept, LinkError> {
        if let Some((at, error)) = &*lock(&self.failure)
            && at.elapsed() < FAILURE_STANDS
        {
            return Err(error.clone());
        }
        // Read before the server is asked, so that a drop in between closes this wire too.
        let generation = self.generation.load(Ordering::Acquire);
        // Rare, and big: boxed, so that what every pipeline allocates and moves is small.
        let opened = Box::pin(self.dialer.open(self.answer_limit, None::<fn(PushInfo)>)).await;
        let failure = opened
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.clone()));
        *lock(&self.failure) = failure;
        let wire = opened?;
        let before = lock(&self.lineage).replace(Arc::clone(&wire.lineage));
        let generation = match before {
            Some(before) if before != wire.lineage => {
                self.generation.fetch_add(1, Ordering::AcqRel) + 1
            }
            _ => generation,
        };
        Ok(Kept {
            wire,
            generation,
            answered: Instant::now(),
            is_new: true,
        })
    }

    async fn recycle(
        &self,
        kept: &mut Kept,
        metrics: &managed::Metrics,
    ) -> RecycleResult<LinkError> {
        if kept.generation != self.generation.load(Ordering::Acquire) {
            return Err(RecycleError::message(
                "opened before all wires were dropped",
            ));
        }
        let has_broken_since = lock(&self.broke).is_some_and(|broke| broke >= kept.answered);
        if kept.answered.elapsed() < TRUSTED && !has_broken_since {
            return Ok(());
        }
        // Boxed, as opening one is.
        let asked = tokio::time::timeout(
            CONNECT_TIMEOUT / 2,
            Box::pin(self.recycler.recycle(&mut kept.wire.commands, metrics)),
        );
        match asked.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(RecycleError::message("no answer")),
        }
    }
}

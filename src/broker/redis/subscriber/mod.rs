//! The subscribing side: one wire, kept up for as long as the node lives.
//!
//! Losing the wire loses payloads, so it is told ([`Event::Down`](super::super::Event::Down)) before anything else
//! happens, and every room hears its own confirmation again. A wire counts as up only after a payload of the node's own
//! went through the pool and came back over it.

mod inbox;
mod line;
mod wanted;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::inbox::Inbox;
use self::line::Line;
use self::wanted::Wanted;
use super::super::Sink;
use super::fault::LinkError;
use super::link::Link;
use super::notices::Notices;
use super::probe::Probe;
use super::watchdog::{Watchdog, broken as given_up};
use super::way::Way;
use crate::protocol::RoomName;
use crate::telemetry::Metrics;

pub(super) use self::line::View;

/// Rooms of one SUBSCRIBE: its confirmations take some milliseconds, and the next batch gathers meanwhile.
const BATCH: usize = 500;

/// Wait before the second try; it doubles up to [`MAX_BACKOFF`], each spread over half of itself.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// Longest wait between two tries; it bounds what is missed after Redis is back.
const MAX_BACKOFF: Duration = Duration::from_millis(500);

/// The rooms whose payloads the node gets.
#[derive(Debug)]
pub(super) struct Subscriber {
    link: Arc<Link>,
    /// Name that the node publishes to itself under.
    canary: String,
    notices: Arc<Notices>,
    way: Arc<Way>,
    probe: Arc<Probe>,
    metrics: Arc<Metrics>,
    wanted: Mutex<Wanted>,
    changed: Notify,
}

impl Subscriber {
    /// Starts the tasks that keep the wire, hand on what it brings, and probe; they end with `stop`.
    ///
    /// `node` is the node's name, unlike that of every other.
    pub(super) fn start(
        link: Arc<Link>,
        node: &str,
        sink: Arc<dyn Sink>,
        metrics: Arc<Metrics>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let canary = link.keys().canary(node);
        let notices = Arc::new(Notices::new(Arc::clone(&sink)));
        let way = Arc::new(Way::new(Arc::clone(&notices), Arc::clone(&metrics)));
        let probe = Arc::new(Probe::new(
            Arc::clone(&link),
            Arc::clone(&sink),
            Arc::clone(&notices),
            Arc::clone(&way),
            Arc::clone(&metrics),
        ));
        let (inbox, arrived) = Inbox::new(
            sink,
            link.keys().clone(),
            Arc::clone(&notices),
            Arc::clone(&probe),
            Arc::clone(&metrics),
        );
        let (wanted, changed) = (Mutex::default(), Notify::new());
        let subscriber = Arc::new(Self {
            link,
            canary,
            notices,
            way,
            probe,
            metrics,
            wanted,
            changed,
        });
        let spawn = |task: BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tasks.spawn(stop.run_until_cancelled_owned(task));
        };
        let this = Arc::clone(&subscriber);
        spawn(Box::pin(async move { this.notices.run().await }));
        let this = Arc::clone(&subscriber);
        spawn(Box::pin(async move { this.probe.run(&this).await }));
        let handing_on = Arc::clone(&inbox);
        spawn(Box::pin(async move { handing_on.run(arrived).await }));
        let this = Arc::clone(&subscriber);
        spawn(Box::pin(async move { this.run(inbox).await }));
        subscriber
    }

    /// Returns the state of the way to Redis.
    pub(super) fn way(&self) -> &Arc<Way> {
        &self.way
    }

    /// Returns where events go that must not be lost.
    pub(super) fn notices(&self) -> &Arc<Notices> {
        &self.notices
    }

    /// Asks for a room's payloads; `Event::Subscribed` follows, and again after each interruption.
    pub(super) fn subscribe(&self, room: RoomName, generation: u64) {
        self.wanted().want(room, generation);
        self.changed.notify_one();
    }

    /// Ends a room's subscription, if `generation` is still the one asked for last.
    pub(super) fn unsubscribe(&self, room: RoomName, generation: u64) {
        self.wanted().leave(room, generation);
        self.changed.notify_one();
    }

    /// Returns true if the room's payloads arrive.
    pub(super) fn is_subscribed(&self, room: &RoomName) -> bool {
        self.wanted().is_confirmed(room)
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a wire up.
    async fn run(&self, inbox: Arc<Inbox>) {
        let mut backoff = MIN_BACKOFF;
        let mut lineage = None;
        loop {
            let begun = Instant::now();
            let fault = match self.open(&inbox, &mut lineage).await {
                Ok((line, watchdog)) => {
                    backoff = MIN_BACKOFF;
                    self.way.up();
                    self.keep(line, watchdog).await
                }
                Err(fault) => fault,
            };
            self.way.down(fault);
            self.wanted().cut();
            self.metrics.broker_subscriptions.set(0);
            // A wire that was good for a while is opened anew at once.
            if begun.elapsed() < MIN_BACKOFF || backoff > MIN_BACKOFF {
                tokio::time::sleep(jittered(backoff)).await;
            }
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// Opens a wire and sees a payload come back over it.
    ///
    /// `lineage` is the one of the wire before.
    async fn open(
        &self,
        inbox: &Arc<Inbox>,
        lineage: &mut Option<Arc<str>>,
    ) -> Result<(Line, Watchdog), LinkError> {
        let line = Line::open(&self.link, self.canary.clone(), Arc::clone(inbox)).await?;
        let before = lineage.replace(Arc::clone(&line.view.wire.lineage));
        if before.as_ref() != lineage.as_ref() {
            // A pooled wire may have been opened before the server was promoted, and still carry its lineage of then.
            self.link.drop_all();
        }
        let mut watchdog = Watchdog::new(Arc::clone(&self.link), Arc::clone(&self.metrics));
        watchdog.greet(&line.view).await?;
        Ok((line, watchdog))
    }

    /// Follows the wishes over one wire until it fails; returns why.
    async fn keep(&self, mut line: Line, mut watchdog: Watchdog) -> LinkError {
        let (view, broken) = (line.view.clone(), line.broken());
        let fault = tokio::select! {
            () = broken.cancelled() => return given_up(&self.link, "it was closed"),
            fault = watchdog.run(&view) => fault,
            fault = self.follow(&mut line) => fault,
        };
        // The server hangs, or is another one: what the pool holds is no better.
        self.link.drop_all();
        fault
    }

    async fn follow(&self, line: &mut Line) -> LinkError {
        loop {
            let batch = self.wanted().next(BATCH);
            let Some(batch) = batch else {
                tokio::select! {
                    () = self.changed.notified() => {}
                    name = line.ended() => self.ended(&name),
                }
                continue;
            };
            if let Err(error) = line.change(&self.link, &batch).await {
                return self.link.fault(&error);
            }
            let (confirmed, count) = {
                let mut wanted = self.wanted();
                (wanted.done(batch), wanted.confirmed())
            };
            self.metrics
                .broker_subscriptions
                .set(i64::try_from(count).unwrap_or(i64::MAX));
            for wanted::Confirmed {
                room,
                generation,
                again,
            } in confirmed
            {
                self.probe.add(&room, again);
                self.notices.subscribed(room, generation);
            }
        }
    }

    /// Takes note of a subscription that the server ended unasked.
    fn ended(&self, name: &[u8]) {
        let Some(room) = self.link.keys().room_of(name) else {
            return;
        };
        if self.wanted().lost(&room) {
            tracing::warn!("Redis ended a subscription that is wanted; it is asked for again");
            self.notices.suspect(room);
        }
    }
}

/// Spreads a wait over its second half, so that nodes cut at one moment do not come back at one moment.
fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    let fraction = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    half + half.mul_f64(fraction)
}

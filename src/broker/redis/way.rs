//! Whether the way to Redis works, told to all who ask.
//!
//! Each change is one log line, one event and one value of [`Health`]; a try that fails like the one before is none.
//! On a Cluster the way has a part for each master: it works while all of them do, and the node is degraded as a whole
//! when one is lost, though the rooms of the others go on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::{Health, Outage};
use super::fault::LinkError;
use super::notices::Notices;
use crate::protocol::millis;
use crate::telemetry::Metrics;

/// State of the way to Redis.
#[derive(Debug)]
pub(super) struct Way {
    notices: Arc<Notices>,
    metrics: Arc<Metrics>,
    health: watch::Sender<Health>,
    /// Since when it works without a break.
    since: watch::Sender<Option<Instant>>,
    last: Mutex<Last>,
    /// Whether there is one master: then rooms hear of a cut by [`Event::Down`](super::super::Event::Down).
    is_one: bool,
}

#[derive(Debug, Default)]
struct Last {
    /// Parts that there are: what is told of others comes too late.
    parts: HashSet<String>,
    /// Those that do not work.
    missing: HashSet<String>,
    fault: Option<LinkError>,
    down_at: Option<Instant>,
}

impl Way {
    pub(super) fn new(notices: Arc<Notices>, metrics: Arc<Metrics>, is_one: bool) -> Self {
        Self {
            notices,
            metrics,
            health: watch::Sender::new(Health::Starting(None)),
            since: watch::Sender::new(None),
            last: Mutex::default(),
            is_one,
        }
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Returns how long the way works without a break; `None` while it does not.
    pub(super) fn up_for(&self) -> Option<Duration> {
        self.since.borrow().map(|since| since.elapsed())
    }

    /// Waits until the way works.
    pub(super) async fn wait_up(&self) {
        let mut since = self.since.subscribe();
        // The sender lives in self, so there is always another value to wait for.
        let _ = since.wait_for(Option::is_some).await;
    }

    /// Waits until the way works again after a break that comes from now on.
    pub(super) async fn wait_up_again(&self) {
        let mut since = self.since.subscribe();
        let before = *since.borrow_and_update();
        let _ = since
            .wait_for(|since| since.is_some() && *since != before)
            .await;
    }

    /// Takes a part in that is about to be tried: a way that does not work waits for it too.
    pub(super) fn expect(&self, part: &str) {
        let mut last = self.last();
        last.parts.insert(part.to_owned());
        if self.since.borrow().is_none() {
            last.missing.insert(part.to_owned());
        }
    }

    /// Takes a part out that is no more.
    pub(super) fn forget(&self, part: &str) {
        let was_missing = {
            let mut last = self.last();
            last.parts.remove(part);
            last.missing.remove(part)
        };
        if was_missing {
            self.try_up();
        }
    }

    /// Tells that publishing and subscribing work in a part.
    pub(super) fn up(&self, part: &str) {
        self.last().missing.remove(part);
        self.try_up();
    }

    fn try_up(&self) {
        // All of a change is made under the lock: parts change at the same moments.
        let mut last = self.last();
        if !last.missing.is_empty() || self.since.borrow().is_some() {
            return;
        }
        last.fault = None;
        match last.down_at.take() {
            Some(down_at) => {
                self.metrics.broker_reconnects.inc();
                let duration_ms = millis(down_at.elapsed());
                tracing::info!(duration_ms, "Redis is reached again");
            }
            None => tracing::info!("Redis is reached"),
        }
        self.metrics.broker_up.set(1);
        self.health.send_replace(Health::Up);
        self.since.send_replace(Some(Instant::now()));
        self.notices.up();
    }

    /// Tells that a part is cut, or that it still is and why.
    pub(super) fn down(&self, part: &str, fault: LinkError) {
        let reason = fault.to_string();
        let is_configuration = fault.is_configuration();
        let mut last = self.last();
        if !last.parts.contains(part) {
            return;
        }
        last.missing.insert(part.to_owned());
        let was_up = self.since.send_replace(None).is_some();
        if !was_up && last.fault.as_ref() == Some(&fault) {
            return;
        }
        if was_up {
            last.down_at = Some(Instant::now());
        }
        last.fault = Some(fault);
        tracing::warn!(
            configuration = is_configuration,
            reason,
            "Redis cannot be used"
        );
        self.metrics.broker_up.set(0);
        self.health.send_modify(|health| {
            *health = match health {
                Health::Starting(_) => Health::Starting(Some(reason.clone())),
                Health::Up | Health::Down(_) => Health::Down(Outage {
                    reason: reason.clone(),
                    is_configuration,
                }),
            };
        });
        if was_up && self.is_one {
            self.notices.down(&reason);
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorder::Recorder;
    use super::*;

    fn way() -> Way {
        let sink = Arc::new(Recorder::default());
        let notices = Arc::new(Notices::new(sink));
        Way::new(notices, Arc::new(Metrics::new()), false)
    }

    fn is_up(way: &Way) -> bool {
        *way.health().borrow() == Health::Up
    }

    fn fault() -> LinkError {
        LinkError::Silent("a".to_owned())
    }

    #[test]
    fn it_works_while_every_part_does() {
        let way = way();
        way.expect("a");
        way.expect("b");
        way.up("a");
        assert!(!is_up(&way));
        way.up("b");
        assert!(is_up(&way));
        way.down("a", fault());
        way.up("b");
        assert!(!is_up(&way));
        way.up("a");
        assert!(is_up(&way));
    }

    #[test]
    fn a_part_that_is_no_more_keeps_nothing_down() {
        let way = way();
        way.expect("a");
        way.up("a");
        way.down("a", fault());
        way.expect("b");
        way.forget("a");
        assert!(!is_up(&way), "the new part is waited for");
        way.up("b");
        assert!(is_up(&way));
        way.down("a", fault());
        assert!(is_up(&way), "that came too late");
        way.expect("c");
        assert!(is_up(&way), "a part that is added interrupts nothing");
    }
}

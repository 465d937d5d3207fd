//! Who is in a room over all nodes, kept in Redis under the node's lease.
//!
//! A user is in a room while any lease holds it there. The lease's index names a room before the room names the lease,
//! so that whatever a node that died has left behind is found. One script call per room and moment writes the changes
//! and announces them in one payload, so that announcements come in the order of the writes.

mod changes;
mod roster;
mod sweep;
mod writing;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::changes::Changes;
use self::writing::MARGIN;
use super::super::{FleetNode, PresenceChange};
use super::lease::{Kept, Lease};
use super::link::Link;
use super::notices::Notices;
use super::way::Way;
use crate::protocol::RoomName;
use crate::telemetry::Metrics;

/// Users above which a room is big: its announcements leave long lists out.
const BIG_ROOM: u64 = 200;

/// Changes that are a long list.
const LONG_LIST: usize = 32;

/// How long a call may take, and after which Redis no longer runs it.
const LIMIT: Duration = Duration::from_secs(1);

/// Changes of one pipeline, about.
const MAX_PIPELINE: usize = 2000;

const COMMON: &str = include_str!("../scripts/presence.lua");

/// The presence of this node's users, and the roster of all.
#[derive(Debug)]
pub(super) struct Presence {
    link: Arc<Link>,
    way: Arc<Way>,
    notices: Arc<Notices>,
    lease: Lease,
    changes: Mutex<Changes>,
    /// Told when changes were added or another lease was taken.
    changed: Notify,
    debounce: Duration,
    /// Told when the lease has something else to say.
    lease_changed: Notify,
    /// Its own end: the tasks stop before the lease is given up.
    ended: CancellationToken,
    tasks: TaskTracker,
}

impl Presence {
    /// Takes a lease as soon as Redis is reached, and keeps it until `stop` or [`Presence::stop`].
    ///
    /// `debounce` is the setting `fleet.debounce`.
    pub(super) fn start(
        link: Arc<Link>,
        node: FleetNode,
        way: Arc<Way>,
        notices: Arc<Notices>,
        metrics: Arc<Metrics>,
        debounce: Duration,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let presence = Arc::new(Self {
            lease: Lease::new(Arc::clone(&link), metrics, node),
            link,
            way,
            notices,
            changes: Mutex::default(),
            changed: Notify::new(),
            lease_changed: Notify::new(),
            debounce,
            ended: stop.child_token(),
            tasks: TaskTracker::new(),
        });
        let (leasing, writing, sweeping) = (
            Arc::clone(&presence),
            Arc::clone(&presence),
            Arc::clone(&presence),
        );
        let ended = || presence.ended.clone();
        presence
            .tasks
            .spawn(ended().run_until_cancelled_owned(async move { leasing.keep_lease().await }));
        presence
            .tasks
            .spawn(ended().run_until_cancelled_owned(async move { writing.write_changes().await }));
        presence
            .tasks
            .spawn(ended().run_until_cancelled_owned(async move { sweeping.sweep_leases().await }));
        presence
    }

    /// Notes changes of this node's users in a room.
    pub(super) fn change(&self, room: &RoomName, changes: Vec<PresenceChange>) {
        self.changes().add(room, changes, Instant::now());
        self.changed.notify_one();
    }

    /// Marks the lease as leaving.
    pub(super) fn leaving(&self) {
        self.lease.leaving();
        self.lease_changed.notify_one();
    }

    /// Lets the lease end after the debounce time; whoever sweeps it does the rest.
    pub(super) async fn stop(&self) {
        self.ended.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(fault) = self.lease.give_up(self.debounce).await {
            tracing::info!(%fault, "the lease ends by itself");
        }
    }

    async fn keep_lease(&self) {
        loop {
            self.way.wait_up().await;
            let wait = match self.lease.keep().await {
                Ok(Kept::Same) => self.lease.life() / 3,
                Ok(Kept::First) => {
                    self.changed.notify_one();
                    self.lease.life() / 3
                }
                Ok(Kept::Another) => {
                    self.changes().restart();
                    self.notices.lease_renewed();
                    self.changed.notify_one();
                    self.lease.life() / 3
                }
                Err(fault) => {
                    tracing::debug!(%fault, "the lease was not renewed");
                    self.lease.life() / 30
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.lease_changed.notified() => {}
                // The lease may have ended meanwhile: the sooner that is known, the sooner presence is right again.
                () = self.way.wait_up_again() => {}
            }
        }
    }

    async fn write_changes(&self) {
        loop {
            self.wait_until_due().await;
            self.way.wait_up().await;
            let Some(lease) = self.lease.held() else {
                self.changed.notified().await;
                continue;
            };
            let batches = self.changes().take(Instant::now(), MAX_PIPELINE);
            let until = Instant::now() + LIMIT;
            if let Err(fault) = self.write(&lease, batches, until).await {
                tracing::debug!(%fault, "presence was not written");
                // Redis may still run what it has received, until it is too late for it.
                sleep_until((until + MARGIN).into()).await;
            }
        }
    }

    async fn wait_until_due(&self) {
        loop {
            let due = self.changes().next_due();
            let Some(due) = due else {
                self.changed.notified().await;
                continue;
            };
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due.into()) => return,
                () = self.changed.notified() => {}
            }
        }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

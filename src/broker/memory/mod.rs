//! The broker of a single process: nothing to install, nothing kept beyond it.
//!
//! [`MemoryBroker`] is the store; each node of the process [`join`](MemoryBroker::join)s it and gets its own view. It
//! keeps the [contract](super) to the letter and needs no probe, since no payload is lost between it and a node but
//! one that found the node's sink full, and that is told. Its lineage is the start of the process. All is bounded: a
//! log by entries and time, keys by two dedupe windows, presence by the sessions there are, the event queue by count.
//!
//! In reading order: `room` (log, meta, numbering), `dedupe`, `refusals`, `presence`: pure; `state` (all of it behind
//! one lock), `publishing`, `members` (nodes and their users), `emission` (events to sinks, without the lock),
//! `agenda` (what happens later), `node` (the contract), [`hooks`] and `faults` (for tests).

mod agenda;
mod dedupe;
mod emission;
mod faults;
pub mod hooks;
mod members;
mod node;
mod presence;
mod publishing;
mod refusals;
mod room;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};

use super::{Broker, Event, FleetNode, Health, Sink};
use crate::config::Settings;
use crate::protocol::millis;
use crate::telemetry::Metrics;
use emission::Way;
use hooks::Faults;
use refusals::Refusals;
use state::{Node, NodeNumber, State};

/// The settings that the memory broker lives by.
#[derive(Clone, Debug)]
pub struct Options {
    /// Setting `history.entries`: entries that a log keeps.
    pub history_entries: usize,
    /// Setting `history.keep`: how long a room without members is kept after its last message or member.
    pub history_keep: Duration,
    /// Setting `limits.dedupe_window`: how long the key of a message is remembered, at least; twice that at most.
    pub dedupe_window: Duration,
    /// Setting `limits.send_timeout`: a publish that arrived longer ago is not written.
    pub send_timeout: Duration,
    /// Setting `fleet.debounce`: how long the users of a node that stopped are still there.
    pub debounce: Duration,
    /// Setting `fleet.lease`: how long the users of a node that ended without stopping are still there.
    pub lease: Duration,
}

impl From<&Settings> for Options {
    fn from(settings: &Settings) -> Self {
        Self {
            history_entries: settings.history.entries,
            history_keep: settings.history.keep,
            dedupe_window: settings.limits.dedupe_window,
            send_timeout: settings.limits.send_timeout,
            debounce: settings.fleet.debounce,
            lease: settings.fleet.lease,
        }
    }
}

/// The store. See the [module](self).
#[derive(Debug)]
pub struct MemoryBroker {
    /// Held for lookups and queueing only: never across a sink, a reply or an await.
    state: Mutex<State>,
    wake: Arc<Notify>,
}

impl MemoryBroker {
    /// Makes an empty store and starts the task that keeps its deadlines.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        let wake = Arc::new(Notify::new());
        let state = Mutex::new(State::new(options, wake.clone()));
        let store = Arc::new(Self {
            state,
            wake: wake.clone(),
        });
        tokio::spawn(agenda::keep_time(Arc::downgrade(&store), wake));
        store
    }

    /// Lets a node in, whose sessions are those of `metrics`; its events go to `sink` until it is stopped or dropped.
    /// [`Event::Up`] is the first.
    #[must_use]
    pub fn join(
        self: &Arc<Self>,
        node: FleetNode,
        sink: Arc<dyn Sink>,
        metrics: Arc<Metrics>,
    ) -> Arc<dyn Broker> {
        let (health, receiver) = watch::channel(Health::Up);
        let mut state = self.lock();
        state.joined += 1;
        let number = state.joined;
        let node = Node {
            record: node,
            metrics,
            way: Arc::new(Way {
                sink,
                is_open: AtomicBool::new(true),
            }),
            health,
            refusals: Refusals::default(),
            delivered: HashMap::new(),
            held: BTreeMap::new(),
            has_lost_lease: false,
            is_leaving: false,
        };
        state.nodes.insert(number, node);
        state.tell(number, Event::Up);
        drop(state);
        self.emit();
        Arc::new(node::View {
            store: self.clone(),
            number,
            health: receiver,
        })
    }

    /// Returns the handle by which tests break things.
    #[must_use]
    pub fn faults(self: &Arc<Self>) -> Faults {
        Faults(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a node: one that leaves by itself, or one that died.
    fn end(&self, number: NodeNumber, leaving: bool) {
        let mut state = self.lock();
        let node = state.end(number, leaving);
        drop(state);
        drop(node);
    }

    /// Does what is due; returns when to come again.
    fn keep_up(&self) -> Option<Instant> {
        let next = self.lock().keep_up();
        self.emit();
        next
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Returns the wall clock in Unix milliseconds; a room's `at` never goes back though this may.
fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    millis(since_1970)
}

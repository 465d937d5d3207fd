//! The load balancer of the rig: where sessions may be opened, and who is ready when.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The way to one node.
#[derive(Clone, Debug)]
struct Door {
    /// Through the proxy.
    address: SocketAddr,
    direct: SocketAddr,
    is_ready: bool,
    is_listed: bool,
}

/// A change of a node's readiness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) at: Instant,
    pub(crate) node: usize,
    pub(crate) is_ready: bool,
}

#[derive(Debug, Default)]
struct Inner {
    doors: Vec<Door>,
    turns: Vec<Turn>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<Inner>);

impl Doors {
    /// Adds the door of the next node, or opens that of a node anew.
    pub(crate) fn open(&self, node: usize, address: SocketAddr, direct: SocketAddr) {
        let mut inner = self.lock();
        let door = Door {
            address,
            direct,
            is_ready: true,
            is_listed: true,
        };
        match inner.doors.get_mut(node) {
            Some(known) => *known = door,
            None => inner.doors.push(door),
        }
    }

    /// Takes a node off the list, as one that is no more.
    pub(crate) fn close(&self, node: usize) {
        self.lock().doors[node].is_listed = false;
    }

    /// Notes what a node says of itself.
    pub(crate) fn says(&self, node: usize, is_ready: bool) {
        let mut inner = self.lock();
        let Some(door) = inner.doors.get_mut(node) else {
            return;
        };
        if door.is_ready != is_ready && door.is_listed {
            door.is_ready = is_ready;
            inner.turns.push(Turn {
                at: Instant::now(),
                node,
                is_ready,
            });
        }
    }

    /// Returns what changed since a moment.
    pub(crate) fn turns_since(&self, moment: Instant) -> Vec<Turn> {
        self.lock()
            .turns
            .iter()
            .filter(|turn| turn.at >= moment)
            .copied()
            .collect()
    }

    /// Returns the address of one node.
    pub(crate) fn of(&self, node: usize) -> Option<SocketAddr> {
        self.lock().doors.get(node).map(|door| door.address)
    }

    /// Returns the address of one node, past the proxy.
    pub(crate) fn direct(&self, node: usize) -> Option<SocketAddr> {
        self.lock().doors.get(node).map(|door| door.direct)
    }

    /// Opens the door of a node again that was closed.
    pub(crate) fn reopen(&self, node: usize) {
        self.lock().doors[node].is_listed = true;
    }

    /// Returns where a session may be opened: at one of the ready nodes, or at any if none is.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Option<SocketAddr> {
        self.choose(random).map(|door| door.address)
    }

    /// Returns where a session may be opened, past the proxy.
    pub(crate) fn any_direct(&self, random: &mut fastrand::Rng) -> Option<SocketAddr> {
        self.choose(random).map(|door| door.direct)
    }

    fn choose(&self, random: &mut fastrand::Rng) -> Option<Door> {
        let inner = self.lock();
        let listed: Vec<&Door> = inner.doors.iter().filter(|door| door.is_listed).collect();
        let ready: Vec<&Door> = listed
            .iter()
            .filter(|door| door.is_ready)
            .copied()
            .collect();
        let from = if ready.is_empty() { listed } else { ready };
        random.choice(from).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Everything that the store knows, behind one lock.
//!
//! The methods here and in the files beside run under that lock; they answer and queue events, and never call a sink or
//! a reply.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::super::{Event, FleetNode, Health, PresenceChange};
use super::Options;
use super::agenda::{Agenda, Due, now};
use super::dedupe::Dedupe;
use super::emission::{Emission, Way};
use super::faults::Plan;
use super::presence::Presence;
use super::refusals::Refusals;
use super::room::Record;
use crate::protocol::{Epoch, NodeId, RoomName, UserId};
use crate::telemetry::Metrics;

/// A node of this process, and its lease.
pub(super) type NodeNumber = u64;

/// One room: its entries, its users, the nodes that want its payloads.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) record: Record,
    pub(super) dedupe: Dedupe,
    pub(super) presence: Presence,
    /// Subscribed nodes with the generation each asked for last.
    pub(super) members: BTreeMap<NodeNumber, u64>,
    /// When the entries go, unless somebody writes or subscribes.
    pub(super) kept_until: Instant,
}

impl Room {
    fn new(kept_until: Instant) -> Self {
        Self {
            record: Record::default(),
            dedupe: Dedupe::default(),
            presence: Presence::default(),
            members: BTreeMap::new(),
            kept_until,
        }
    }

    /// Finds a room as it is now among others, making it if it is not there.
    pub(super) fn within<'a>(
        rooms: &'a mut HashMap<RoomName, Self>,
        options: &Options,
        name: &RoomName,
        now: Instant,
    ) -> &'a mut Self {
        if !rooms.contains_key(name) {
            rooms.insert(name.clone(), Self::new(now + options.history_keep));
        }
        let room = rooms.get_mut(name).expect("the room was there or is now");
        room.expire(now, options.dedupe_window);
        room
    }

    /// Forgets entries and keys whose time is over; a room with members keeps its entries.
    fn expire(&mut self, now: Instant, window: Duration) {
        if self.members.is_empty() && self.kept_until <= now {
            self.record = Record::default();
        }
        self.dedupe.rotate(now, window);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.record.is_empty()
            && self.dedupe.is_empty()
            && self.presence.is_empty()
            && self.members.is_empty()
    }
}

/// One node's view.
#[derive(Debug)]
pub(super) struct Node {
    /// What it said of itself when it joined.
    pub(super) record: FleetNode,
    pub(super) metrics: Arc<Metrics>,
    pub(super) way: Arc<Way>,
    pub(super) health: watch::Sender<Health>,
    pub(super) refusals: Refusals,
    /// The highest seq of each recent epoch that the node delivered.
    pub(super) delivered: HashMap<RoomName, Vec<(Epoch, u64)>>,
    /// Presence changes told while the way was cut, newest of each user.
    pub(super) held: BTreeMap<(RoomName, UserId), PresenceChange>,
    pub(super) has_lost_lease: bool,
    /// Whether the node drains.
    pub(super) is_leaving: bool,
}

impl Node {
    pub(super) fn is_up(&self) -> bool {
        *self.health.borrow() == Health::Up
    }

    /// Returns what the node's lease says now.
    pub(super) fn lease(&self, leaving: bool) -> FleetNode {
        self.record
            .at(self.metrics.sessions.get(), leaving || self.is_leaving)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) lineage: u64,
    pub(super) rooms: HashMap<RoomName, Room>,
    pub(super) nodes: BTreeMap<NodeNumber, Node>,
    /// Nodes that have ended and whose users are not swept yet, as they were at their end.
    pub(super) ended: BTreeMap<NodeNumber, FleetNode>,
    /// Nodes that ended without leaving, and when: they count in the fleet for a while.
    pub(super) died: BTreeMap<NodeId, Instant>,
    /// Nodes that may be unready, and until when.
    pub(super) grants: BTreeMap<NodeId, Instant>,
    pub(super) joined: NodeNumber,
    pub(super) identity: Option<Bytes>,
    pub(super) agenda: Agenda,
    pub(super) emission: Emission,
    pub(super) plan: Plan,
}

impl State {
    pub(super) fn new(options: Options, wake: Arc<Notify>) -> Self {
        let mut agenda = Agenda::new(wake);
        agenda.after(tidy_interval(&options), Due::Tidy);
        Self {
            options,
            lineage: 1,
            rooms: HashMap::new(),
            nodes: BTreeMap::new(),
            ended: BTreeMap::new(),
            died: BTreeMap::new(),
            grants: BTreeMap::new(),
            joined: 0,
            identity: None,
            agenda,
            emission: Emission::default(),
            plan: Plan::default(),
        }
    }

    /// Returns the room as it is now, made if it is not there.
    pub(super) fn room(&mut self, name: &RoomName, now: Instant) -> &mut Room {
        Room::within(&mut self.rooms, &self.options, name, now)
    }

    /// Returns the room as it is now, if it is there.
    pub(super) fn existing(&mut self, name: &RoomName, now: Instant) -> Option<&mut Room> {
        let room = self.rooms.get_mut(name)?;
        room.expire(now, self.options.dedupe_window);
        Some(room)
    }

    /// Queues an event of a room for all nodes subscribed to it whose way works.
    pub(super) fn tell_room(&mut self, name: &RoomName, event: &Event) {
        let Some(room) = self.rooms.get(name) else {
            return;
        };
        let is_up = |number: &NodeNumber| self.nodes.get(number).is_some_and(Node::is_up);
        let members: Vec<NodeNumber> = room.members.keys().copied().filter(is_up).collect();
        for number in members {
            self.tell(number, event.clone());
        }
    }

    /// Does everything whose time has come; returns when to look again.
    pub(super) fn keep_up(&mut self) -> Option<Instant> {
        while let Some(due) = self.agenda.take(now()) {
            match due {
                Due::Announce(name) => self.announce(&name),
                Due::Sweep(lease) => self.sweep(lease),
                Due::Suspects => self.tell_suspects(),
                Due::Payload(room, entries) => {
                    self.tell_room(&room.clone(), &Event::Entries { room, entries })
                }
                Due::Probe(name) => self.probe(&name),
                Due::Tidy => self.tidy(),
            }
        }
        self.agenda.next()
    }

    fn tidy(&mut self) {
        let (now, window) = (now(), self.options.dedupe_window);
        self.rooms.retain(|_, room| {
            room.expire(now, window);
            !room.is_empty()
        });
        self.agenda.after(tidy_interval(&self.options), Due::Tidy);
    }
}

/// Returns how often rooms are looked through for what is past its time.
fn tidy_interval(options: &Options) -> Duration {
    let shorter = options.history_keep.min(options.dedupe_window);
    shorter.clamp(Duration::from_secs(1), Duration::from_secs(60))
}

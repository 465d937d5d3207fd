//! Faults that tests put into the store, the ones that a Redis can have.
//!
//! Nothing of this happens unless a test asks for it. What a node of a Redis fleet would learn from its tail probe, it
//! learns here from [`Event::Probed`](crate::broker::Event::Probed), five seconds after the fault.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::{Entry, Refusal};
use super::MemoryBroker;
use super::agenda::{Due, now};
use super::dedupe::Dedupe;
use super::faults::PROBE_AFTER;
use super::room::Record;
use super::state::{NodeNumber, Room, State};
use crate::protocol::RoomName;

/// Whether a rewind is noticed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// The data is older, and nothing says so: an operator restored it.
    Same,
    /// As after a restart or a failover: the lineage is another, and the way of every node was cut meanwhile.
    New,
}

/// What the store held at one moment: entries and keys of all rooms.
#[derive(Clone, Debug)]
pub struct Image(HashMap<RoomName, (Record, Dedupe)>);

/// The handle that tests hold. See the [module](self).
#[derive(Clone, Debug)]
pub struct Faults(pub(super) Arc<MemoryBroker>);

impl Faults {
    /// Loses everything, as FLUSHALL does: entries, keys, presence, leases, the identity key.
    pub fn lose_all(&self) {
        self.with(|state| {
            state.identity = None;
            state.ended.clear();
            state.died.clear();
            state.grants.clear();
            for room in state.rooms.values_mut() {
                (room.record, room.dedupe, room.presence) = Default::default();
            }
            state.probe_all();
            for number in state.numbers() {
                state.lose_lease(number);
            }
        });
    }

    /// Loses a room's log; its meta stays.
    pub fn lose_log(&self, room: &RoomName) {
        self.change(room, |room| room.record.log = None);
    }

    /// Loses a room's meta; its log stays.
    pub fn lose_meta(&self, room: &RoomName) {
        self.change(room, |room| room.record.meta = None);
    }

    /// Loses the identity key.
    pub fn lose_identity_key(&self) {
        self.with(|state| state.identity = None);
    }

    /// Removes the oldest `count` entries of a room's log.
    pub fn trim(&self, room: &RoomName, count: usize) {
        self.change(room, |room| {
            if let Some(log) = &mut room.record.log {
                log.entries.drain(..count.min(log.entries.len()));
            }
        });
    }

    /// Removes single entries of a room's log.
    pub fn delete(&self, room: &RoomName, seqs: &[u64]) {
        self.change(room, |room| {
            if let Some(log) = &mut room.record.log {
                log.entries.retain(|entry| !seqs.contains(&entry.seq));
            }
        });
    }

    /// Puts any bytes into a room's log under the next number, and carries them; no key is remembered.
    pub fn put(&self, room: &RoomName, m: impl Into<Bytes>) -> Entry {
        self.with(|state| {
            let entry = state.append(None, room, m.into(), now());
            state.carry(room, entry.clone());
            entry
        })
    }

    /// Copies what the store holds.
    #[must_use]
    pub fn image(&self) -> Image {
        let copy = |(name, room): (&RoomName, &Room)| {
            (name.clone(), (room.record.clone(), room.dedupe.clone()))
        };
        self.with(|state| Image(state.rooms.iter().map(copy).collect()))
    }

    /// Takes the entries and keys of all rooms back to an image; presence stays as it is.
    pub fn rewind(&self, image: &Image, lineage: Lineage) {
        self.with(|state| {
            let kept_until = now() + state.options.history_keep;
            for room in state.rooms.values_mut() {
                (room.record, room.dedupe) = Default::default();
            }
            for (name, (record, dedupe)) in &image.0 {
                let room = state.room(name, now());
                (room.record, room.dedupe, room.kept_until) =
                    (record.clone(), dedupe.clone(), kept_until);
            }
            match lineage {
                Lineage::Same => state.probe_all(),
                Lineage::New => state.begin_lineage(),
            }
        });
    }

    /// Takes one room's log and meta back to an image, as RESTORE of its two keys does; its keys of repeats stay.
    pub fn rewind_room(&self, image: &Image, room: &RoomName) {
        let record = image
            .0
            .get(room)
            .map(|(record, _)| record.clone())
            .unwrap_or_default();
        self.change(room, |room| room.record = record);
    }

    /// Takes one room's log back to an image; its meta stays and tells of more.
    pub fn rewind_log(&self, image: &Image, room: &RoomName) {
        let log = image.0.get(room).and_then(|(record, _)| record.log.clone());
        self.change(room, |room| room.record.log = log);
    }

    /// Ends the lineage as a restart that loses nothing does: the way of every node is cut and comes back.
    pub fn restart(&self) {
        self.with(State::begin_lineage);
    }

    /// Refuses the next `count` publishes to a room, or to any.
    pub fn refuse(&self, room: Option<&RoomName>, refusal: Refusal, count: usize) {
        if count > 0 {
            self.with(|state| state.plan.refusals.push((room.cloned(), refusal, count)));
        }
    }

    /// Refuses no more.
    pub fn stop_refusing(&self) {
        self.with(|state| state.plan.refusals.clear());
    }

    /// Loses the answers of the next `count` accepted publishes: written, but nobody hears of it.
    pub fn lose_answers(&self, count: usize) {
        self.with(|state| state.plan.lost_answers = count);
    }

    /// Loses the next `count` payloads of a room on their way to all nodes.
    pub fn drop_payloads(&self, room: &RoomName, count: usize) {
        if count > 0 {
            self.with(|state| state.plan.dropped_payloads.insert(room.clone(), count));
        }
    }

    /// Carries every payload later by this time, until `None` is given.
    pub fn delay_payloads(&self, delay: Option<Duration>) {
        self.with(|state| state.plan.delay = delay);
    }

    /// Cuts or restores the way of all nodes.
    pub fn set_up(&self, is_up: bool) {
        self.with(|state| {
            for number in state.numbers() {
                state.set_up(number, is_up);
            }
        });
    }

    /// Cuts or restores the way of the nodes of this name.
    pub fn set_node_up(&self, node: &str, is_up: bool) {
        self.with(|state| {
            let named = |number: &NodeNumber| {
                state
                    .nodes
                    .get(number)
                    .is_some_and(|it| it.record.node.as_str() == node)
            };
            let numbers: Vec<_> = state.numbers().into_iter().filter(named).collect();
            for number in numbers {
                state.set_up(number, is_up);
            }
        });
    }

    /// Shows all nodes subscribed to a room now where its log ends.
    pub fn probe(&self, room: &RoomName) {
        self.with(|state| state.probe(room));
    }

    fn change(&self, name: &RoomName, change: impl FnOnce(&mut Room)) {
        self.with(|state| {
            change(state.room(name, now()));
            state.agenda.after(PROBE_AFTER, Due::Probe(name.clone()));
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.0.lock());
        self.0.emit();
        result
    }
}

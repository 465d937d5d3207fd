//! Events on their way to the nodes' sinks.
//!
//! Events are queued under the store's lock, in the order in which things happen, and given to the sinks without it:
//! one caller at a time empties the queue, everybody else goes on. So each sink hears the entries of a room in the order
//! of their numbers, a sink may call back into the broker, and no publish waits for another node.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::{Event, Sink};
use super::MemoryBroker;
use super::agenda::Due;
use super::state::{NodeNumber, State};
use crate::protocol::RoomName;

/// Events that wait for the caller who empties the queue; at the bound they are lost like at a full sink.
const MAX_QUEUED: usize = 64 * 1024;

/// When a room that lost entries at a full sink is told so, and told again if that was lost too.
const SUSPECT_AFTER: Duration = Duration::from_millis(50);

/// A node's sink, until the node ends.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) is_open: AtomicBool,
}

#[derive(Debug)]
struct Outgoing {
    node: NodeNumber,
    way: Arc<Way>,
    event: Event,
}

/// The queue, and what was lost on the way out of it.
#[derive(Debug, Default)]
pub(super) struct Emission {
    queue: VecDeque<Outgoing>,
    is_emitting: bool,
    /// Rooms whose entries found a sink full.
    suspects: HashSet<(NodeNumber, RoomName)>,
}

impl State {
    /// Queues an event for one node.
    pub(super) fn tell(&mut self, number: NodeNumber, event: Event) {
        let Some(node) = self.nodes.get(&number) else {
            return;
        };
        let is_carried = matches!(event, Event::Entries { .. } | Event::Ephemeral { .. });
        if is_carried && self.emission.queue.len() >= MAX_QUEUED {
            self.lost(number, &event);
        } else {
            self.emission.queue.push_back(Outgoing {
                node: number,
                way: node.way.clone(),
                event,
            });
        }
    }

    /// Notes that a node did not hear an event.
    fn lost(&mut self, node: NodeNumber, event: &Event) {
        if let Event::Entries { room, .. } | Event::Suspect { room } = event {
            if self.emission.suspects.is_empty() {
                self.agenda.after(SUSPECT_AFTER, Due::Suspects);
            }
            self.emission.suspects.insert((node, room.clone()));
        }
    }

    /// Tells all nodes which of their rooms lost entries.
    pub(super) fn tell_suspects(&mut self) {
        for (node, room) in std::mem::take(&mut self.emission.suspects) {
            if self
                .rooms
                .get(&room)
                .is_some_and(|it| it.members.contains_key(&node))
            {
                self.tell(node, Event::Suspect { room });
            }
        }
    }
}

/// The right to empty the queue; given back when the caller is done, or when a sink panics.
struct Turn<'a>(&'a MemoryBroker);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().emission.is_emitting = false;
    }
}

impl MemoryBroker {
    /// Gives queued events to their sinks until none are left, unless another caller is at it.
    pub(super) fn emit(&self) {
        loop {
            let mut state = self.lock();
            if state.emission.is_emitting || state.emission.queue.is_empty() {
                return;
            }
            state.emission.is_emitting = true;
            let batch = std::mem::take(&mut state.emission.queue);
            drop(state);
            let turn = Turn(self);
            let lost: Vec<Outgoing> = batch.into_iter().filter_map(give).collect();
            if !lost.is_empty() {
                let mut state = self.lock();
                lost.iter()
                    .for_each(|outgoing| state.lost(outgoing.node, &outgoing.event));
            }
            // Given back before the queue is looked at again: who queued something meanwhile left it to this caller.
            drop(turn);
        }
    }
}

/// Gives an event to its sink; returns it without its content if the sink was full.
fn give(outgoing: Outgoing) -> Option<Outgoing> {
    let Outgoing { node, way, event } = outgoing;
    if !way.is_open.load(Ordering::Acquire) {
        return None;
    }
    let room = match &event {
        Event::Entries { room, .. } | Event::Suspect { room } => Some(room.clone()),
        _ => None,
    };
    if way.sink.event(event) {
        return None;
    }
    room.map(|room| Outgoing {
        node,
        way,
        event: Event::Suspect { room },
    })
}

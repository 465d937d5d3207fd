//! What the hooks do inside of the store.

use std::collections::HashMap;
use std::time::Duration;

use super::super::{Event, Health, Outage, Refusal};
use super::agenda::Due;
use super::state::{Node, NodeNumber, Room, State};
use crate::protocol::{Position, RoomName};

/// How long after a fault the nodes with members in the room are shown where its log ends.
pub(super) const PROBE_AFTER: Duration = Duration::from_secs(5);

/// Faults that wait for a publish.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) refusals: Vec<(Option<RoomName>, Refusal, usize)>,
    pub(super) lost_answers: usize,
    pub(super) dropped_payloads: HashMap<RoomName, usize>,
    pub(super) delay: Option<Duration>,
}

impl Plan {
    /// Returns what the next publish to the room is refused with.
    pub(super) fn refusal(&mut self, name: &RoomName) -> Option<Refusal> {
        let matches =
            |(room, _, _): &(Option<RoomName>, _, _)| room.as_ref().is_none_or(|room| room == name);
        let index = self.refusals.iter().position(matches)?;
        let (_, refusal, count) = &mut self.refusals[index];
        let refusal = *refusal;
        *count -= 1;
        if *count == 0 {
            self.refusals.remove(index);
        }
        Some(refusal)
    }

    /// Returns true if the answer of this publish is to be lost.
    pub(super) fn loses_answer(&mut self) -> bool {
        let is_lost = self.lost_answers > 0;
        self.lost_answers = self.lost_answers.saturating_sub(1);
        is_lost
    }

    /// Returns true if the room's next payload is to be lost.
    pub(super) fn drops_payload(&mut self, name: &RoomName) -> bool {
        let Some(count) = self.dropped_payloads.get_mut(name) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.dropped_payloads.remove(name);
        }
        true
    }
}

impl State {
    pub(super) fn numbers(&self) -> Vec<NodeNumber> {
        self.nodes.keys().copied().collect()
    }

    pub(super) fn probe(&mut self, name: &RoomName) {
        let position = self
            .rooms
            .get(name)
            .map_or(Position::EMPTY, |room| room.record.probe());
        self.tell_room(
            name,
            &Event::Probed {
                room: name.clone(),
                position,
            },
        );
    }

    pub(super) fn probe_all(&mut self) {
        for name in self.rooms.keys() {
            self.agenda.after(PROBE_AFTER, Due::Probe(name.clone()));
        }
    }

    pub(super) fn begin_lineage(&mut self) {
        self.lineage += 1;
        let is_up = |number: &NodeNumber| self.nodes.get(number).is_some_and(Node::is_up);
        let numbers: Vec<_> = self.numbers().into_iter().filter(is_up).collect();
        for is_up in [false, true] {
            for number in &numbers {
                self.set_up(*number, is_up);
            }
        }
    }

    pub(super) fn set_up(&mut self, number: NodeNumber, is_up: bool) {
        let Some(node) = self
            .nodes
            .get_mut(&number)
            .filter(|node| node.is_up() != is_up)
        else {
            return;
        };
        if !is_up {
            let reason = "the way to the broker is cut";
            node.health.send_replace(Health::Down(Outage {
                reason: reason.to_owned(),
                is_configuration: false,
            }));
            self.tell(
                number,
                Event::Down {
                    reason: reason.to_owned(),
                },
            );
            return;
        }
        node.health.send_replace(Health::Up);
        let held = std::mem::take(&mut node.held);
        let has_lost_lease = std::mem::take(&mut node.has_lost_lease);
        self.tell(number, Event::Up);
        let subscribed =
            |(name, room): (&RoomName, &Room)| Some((name.clone(), *room.members.get(&number)?));
        let subscribed: Vec<_> = self.rooms.iter().filter_map(subscribed).collect();
        for (room, generation) in subscribed {
            self.tell(number, Event::Subscribed { room, generation });
        }
        for ((name, _), change) in held {
            self.presence(number, &name, vec![change]);
        }
        if has_lost_lease {
            self.tell(number, Event::LeaseRenewed);
        }
    }

    pub(super) fn lose_lease(&mut self, number: NodeNumber) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        if node.is_up() {
            self.tell(number, Event::LeaseRenewed);
        } else {
            node.has_lost_lease = true;
        }
    }
}

//! Nodes in the store: what they subscribed to, what they delivered, who their users are, how they end.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::chain::CHAIN_LENGTH;
use super::super::grant::{self, GRANT_LIFE, Grant, SEEN_FOR};
use super::super::{Event, FleetNode, Health, Outage, PresenceChange};
use super::agenda::{Due, now};
use super::state::{Node, NodeNumber, State};
use crate::protocol::{Epoch, NodeId, Position, RoomName};

/// How long presence changes of a room are collected before they are told together.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(150);

impl State {
    pub(super) fn subscribe(&mut self, number: NodeNumber, name: RoomName, generation: u64) {
        let Some(is_up) = self.nodes.get(&number).map(Node::is_up) else {
            return;
        };
        self.room(&name, now()).members.insert(number, generation);
        if is_up {
            self.tell(
                number,
                Event::Subscribed {
                    room: name,
                    generation,
                },
            );
        }
    }

    pub(super) fn unsubscribe(&mut self, number: NodeNumber, name: &RoomName, generation: u64) {
        let keep = self.options.history_keep;
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        if room.members.get(&number) == Some(&generation) {
            room.members.remove(&number);
            room.kept_until = room.kept_until.max(now() + keep);
        }
        if room.is_empty() {
            self.rooms.remove(name);
        }
    }

    pub(super) fn delivered(
        &mut self,
        number: NodeNumber,
        name: &RoomName,
        position: Option<&Position>,
    ) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        let Some(position) = position else {
            node.delivered.remove(name);
            return;
        };
        let Some(epoch) = &position.epoch else { return };
        let marks = match node.delivered.get_mut(name) {
            Some(marks) => marks,
            None => node.delivered.entry(name.clone()).or_default(),
        };
        mark(marks, epoch, position.seq);
    }

    pub(super) fn presence(
        &mut self,
        number: NodeNumber,
        name: &RoomName,
        changes: Vec<PresenceChange>,
    ) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        if !node.is_up() {
            for change in changes {
                let id = match &change {
                    PresenceChange::Here(user) => user.id.clone(),
                    PresenceChange::Gone(id) => id.clone(),
                };
                node.held.insert((name.clone(), id), change);
            }
            return;
        }
        let room = self.room(name, now());
        let mut begins = false;
        for change in changes {
            begins |= room.presence.apply(number, change);
        }
        if begins {
            self.agenda
                .after(ANNOUNCE_AFTER, Due::Announce(name.clone()));
        }
    }

    /// Ends a node; its lease and its users stay for the debounce time if it leaves, for a lease time if it died.
    ///
    /// The node is to be dropped without the lock: its sink may be the last to hold a view of this store.
    #[must_use]
    pub(super) fn end(&mut self, number: NodeNumber, leaving: bool) -> Option<Node> {
        let node = self.nodes.remove(&number)?;
        node.way.is_open.store(false, Ordering::Release);
        node.health.send_replace(Health::Down(Outage {
            reason: "the node has ended".to_owned(),
            is_configuration: false,
        }));
        let kept_until = now() + self.options.history_keep;
        for room in self.rooms.values_mut() {
            if room.members.remove(&number).is_some() {
                room.kept_until = room.kept_until.max(kept_until);
            }
        }
        tracing::debug!(node = %node.record.node, "left the memory broker");
        if !leaving {
            self.died.insert(node.record.node.clone(), now());
        }
        if !node.has_lost_lease {
            self.ended.insert(number, node.lease(leaving));
        }
        let delay = if leaving {
            self.options.debounce
        } else {
            self.options.lease
        };
        self.agenda.after(delay, Due::Sweep(number));
        Some(node)
    }

    /// Returns the nodes that have a lease, ordered by name.
    pub(super) fn fleet(&self) -> Vec<FleetNode> {
        let living = self.nodes.values().filter(|node| !node.has_lost_lease);
        let mut fleet: Vec<FleetNode> = living.map(|node| node.lease(false)).collect();
        fleet.extend(self.ended.values().cloned());
        fleet.sort_by(|one, other| (&one.node, one.start).cmp(&(&other.node, other.start)));
        fleet
    }

    /// Gives a node the grant to be unready, or renews it, unless as many others as may have one.
    pub(super) fn grant(&mut self, node: &NodeId) -> Grant {
        let now = now();
        self.died.retain(|_, seen| *seen + SEEN_FOR > now);
        self.grants.retain(|_, until| *until > now);
        let living: BTreeSet<&NodeId> = self.nodes.values().map(|it| &it.record.node).collect();
        let mut seen = self.died.keys().filter(|it| !living.contains(it)).count() + living.len();
        if !living.contains(node) && !self.died.contains_key(node) {
            seen += 1;
        }
        let given = self.grants.keys().filter(|it| *it != node).count();
        let (given, most) = (given as u64, grant::most(seen as u64));
        if given >= most {
            return Grant::Refused { given, most };
        }
        self.grants.insert(node.clone(), now + GRANT_LIFE);
        Grant::Given
    }

    pub(super) fn announce(&mut self, name: &RoomName) {
        let told = self
            .rooms
            .get_mut(name)
            .and_then(|room| room.presence.announce());
        if let Some(ephemeral) = told {
            self.tell_room(
                name,
                &Event::Ephemeral {
                    room: name.clone(),
                    ephemeral,
                },
            );
        }
    }

    pub(super) fn sweep(&mut self, lease: NodeNumber) {
        self.ended.remove(&lease);
        for (name, room) in &mut self.rooms {
            if room.presence.sweep(lease) {
                self.agenda
                    .after(ANNOUNCE_AFTER, Due::Announce(name.clone()));
            }
        }
    }
}

/// Notes what a node has delivered: the highest seq of each epoch, the epoch told last at the end.
fn mark(marks: &mut Vec<(Epoch, u64)>, epoch: &Epoch, seq: u64) {
    if let Some((last, highest)) = marks.last_mut()
        && last == epoch
    {
        *highest = seq.max(*highest);
        return;
    }
    let known = marks.iter().position(|(known, _)| known == epoch);
    let before = known.map_or(0, |index| marks.remove(index).1);
    marks.push((epoch.clone(), seq.max(before)));
    let surplus = marks.len().saturating_sub(CHAIN_LENGTH);
    marks.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epochs_told_last_keep_their_highest_seqs() {
        let epoch = |number: usize| Epoch::parse(&format!("e{number}")).unwrap();
        let mut marks = Vec::new();
        mark(&mut marks, &epoch(0), 5);
        mark(&mut marks, &epoch(0), 3);
        for number in 1..CHAIN_LENGTH {
            mark(&mut marks, &epoch(number), 1);
        }
        mark(&mut marks, &epoch(0), 4);
        mark(&mut marks, &epoch(9), 1);
        assert_eq!(marks.len(), CHAIN_LENGTH);
        assert!(marks.contains(&(epoch(0), 5)));
        assert!(!marks.contains(&(epoch(1), 1)));
    }
}

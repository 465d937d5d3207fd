//! How a publish becomes an entry, or why it does not.

use std::time::Instant;

use super::super::{Accepted, Entry, Event, Publish, Refusal};
use super::agenda::{Due, now};
use super::dedupe::Seen;
use super::faults::PROBE_AFTER;
use super::room::Numbering;
use super::state::{Node, NodeNumber, Room, State};
use super::unix_ms;
use crate::protocol::RoomName;

/// What becomes of a publish's reply.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is answered.
    Answer(Result<Accepted, Refusal>),
    /// It is dropped: a test asked for an answer that gets lost.
    Silence,
}

impl State {
    /// Decides about a publish and queues its payload.
    pub(super) fn publish(&mut self, number: NodeNumber, publish: &Publish) -> Outcome {
        let now = now();
        let Publish {
            room, source, key, ..
        } = publish;
        let Some(node) = self.nodes.get_mut(&number) else {
            return Outcome::Answer(Err(Refusal::Unavailable));
        };
        if let Some(refusal) = node.refusals.check(*source, room, key, now) {
            return Outcome::Answer(Err(refusal));
        }
        let result = self.write(number, publish, now);
        let is_lost = result.is_ok() && self.plan.loses_answer();
        let refusal = if is_lost {
            Some(Refusal::Timeout)
        } else {
            result.as_ref().err().copied()
        };
        if let (Some(refusal), Some(node)) = (refusal, self.nodes.get_mut(&number)) {
            node.refusals.note(*source, room, key, refusal, now);
        }
        if is_lost {
            Outcome::Silence
        } else {
            Outcome::Answer(result)
        }
    }

    fn write(
        &mut self,
        number: NodeNumber,
        publish: &Publish,
        now: Instant,
    ) -> Result<Accepted, Refusal> {
        let Publish {
            room: name,
            author,
            key,
            hash,
            m,
            arrived,
            ..
        } = publish;
        if !self.nodes.get(&number).is_some_and(Node::is_up) {
            return Err(Refusal::Unavailable);
        }
        if now.saturating_duration_since(*arrived) > self.options.send_timeout {
            return Err(Refusal::Timeout);
        }
        let room = Room::within(&mut self.rooms, &self.options, name, now);
        match room.dedupe.look(author, key, *hash) {
            Seen::New => {}
            Seen::Same(accepted) => {
                room.kept_until = now + self.options.history_keep;
                return Ok(accepted);
            }
            Seen::Other => return Err(Refusal::KeyReused),
        }
        if let Some(refusal) = self.plan.refusal(name) {
            return Err(refusal);
        }
        let entry = self.append(Some(number), name, m.clone(), now);
        let Entry { epoch, seq, at, .. } = entry.clone();
        let accepted = Accepted {
            epoch,
            seq,
            at,
            duplicate: false,
        };
        self.room(name, now)
            .dedupe
            .remember(author.clone(), key.clone(), *hash, accepted.clone());
        self.carry(name, entry);
        Ok(accepted)
    }

    /// Numbers an entry for a node and keeps it.
    pub(super) fn append(
        &mut self,
        number: Option<NodeNumber>,
        name: &RoomName,
        m: bytes::Bytes,
        now: Instant,
    ) -> Entry {
        let node = number.and_then(|number| self.nodes.get(&number));
        let delivered = node
            .and_then(|node| node.delivered.get(name))
            .map_or(&[][..], Vec::as_slice);
        let (lineage, keep) = (self.lineage, self.options.history_entries);
        let numbering = Numbering {
            lineage,
            delivered,
            now_ms: unix_ms(),
            keep,
        };
        let room = Room::within(&mut self.rooms, &self.options, name, now);
        room.kept_until = now + self.options.history_keep;
        room.record.append(m, numbering)
    }

    /// Carries a new entry to the nodes subscribed to its room.
    pub(super) fn carry(&mut self, name: &RoomName, entry: Entry) {
        let entries = vec![entry];
        if self.plan.drops_payload(name) {
            self.agenda.after(PROBE_AFTER, Due::Probe(name.clone()));
        } else if let Some(delay) = self.plan.delay {
            self.agenda
                .after(delay, Due::Payload(name.clone(), entries));
        } else {
            self.tell_room(
                name,
                &Event::Entries {
                    room: name.clone(),
                    entries,
                },
            );
        }
    }
}

//! What comes from the servers: bytes, frames, and what these say.

use std::io::ErrorKind;
use std::rc::Rc;

use super::opening::refused;
use super::{READ, Status, Thread};
use crate::tools::bench::dialect::Heard;
use crate::tools::bench::ledger::Shown;
use crate::tools::bench::record::count;
use crate::tools::bench::session::State;
use crate::tools::bench::stamp::Stamp;
use crate::tools::bench::wire::{self, Frame, read_frame};

impl Thread {
    /// Reads what is there. Less than was asked for means that nothing is left, unless the stream is ending.
    pub(super) fn readable(&mut self, index: usize, is_ending: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let session = &mut self.sessions[index];
            if session.stream.is_none() || session.is_paused {
                break;
            }
            match session.read(&mut buffer, READ) {
                Ok((filled, is_full)) => {
                    self.tick();
                    self.record.reads += 1;
                    self.hear(index, &buffer[..filled]);
                    if !is_full && !is_ending {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.tick();
                    self.end(index, refused(&error));
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    fn hear(&mut self, index: usize, bytes: &[u8]) {
        let mut at = 0;
        if self.sessions[index].state == State::Opening {
            at = self.hear_answer(index, bytes);
            if at == 0 {
                return self.sessions[index].keep(bytes);
            }
        }
        while self.sessions[index].stream.is_some() {
            match read_frame(&bytes[at..]) {
                Ok(Some((frame, length))) => {
                    at += length;
                    self.record.frames += 1;
                    self.hear_frame(index, frame);
                }
                Ok(None) => return self.sessions[index].keep(&bytes[at..]),
                Err(what) => return self.end(index, format!("the server sent {what}")),
            }
        }
    }

    fn hear_frame(&mut self, index: usize, frame: Frame<'_>) {
        match frame.opcode {
            wire::TEXT | wire::BINARY if frame.is_last => self.hear_payload(index, frame.payload),
            wire::TEXT | wire::BINARY | wire::CONTINUATION => {
                let mut whole = std::mem::take(&mut self.sessions[index].fragments);
                whole.extend_from_slice(frame.payload);
                if frame.is_last {
                    self.hear_payload(index, &whole);
                } else {
                    self.sessions[index].fragments = whole;
                }
            }
            wire::PING => self.write(index, wire::PONG, frame.payload),
            wire::CLOSE => self.end(index, wire::close_reason(frame.payload)),
            _ => {}
        }
    }

    fn hear_payload(&mut self, index: usize, payload: &[u8]) {
        let dialect = self.plan.options.dialect;
        dialect.hear(payload, &mut |heard| match heard {
            Heard::Message { stamp, seq, epoch } => self.shown(index, stamp, seq, epoch),
            Heard::Accepted(n) => self.answered(index, n, None),
            Heard::Refused(n, code) => self.answered(index, n, Some(code)),
            Heard::Greeted(token) => self.greeted(index, token),
            Heard::Joined { epoch, seq } => self.joined(index, epoch, seq),
            Heard::JoinRefused(why, retry_after) => self.join_refused(index, why, retry_after),
            Heard::Gap { from, to } => self.told_gap(index, from, to),
            Heard::Rewound { epoch, from } => {
                self.record.rewound += 1;
                let epoch = epoch.map(|epoch| self.epoch(index, epoch));
                let session = &mut self.sessions[index];
                session.epoch = epoch;
                session.seq = Some(from.saturating_sub(1));
                self.caught_up(index);
            }
            Heard::Asked(answer) => self.say(index, answer),
            Heard::ComeBack => {}
            Heard::Nonsense(what) => count(&mut self.record.nonsense, what),
        });
    }

    /// A member shows a message.
    fn shown(&mut self, index: usize, stamp: Stamp, seq: Option<u64>, epoch: Option<&str>) {
        let session = &mut self.sessions[index];
        let room = &mut self.rooms[session.room as usize];
        if stamp.room != room.index {
            return count(&mut self.record.nonsense, "a message of another room");
        }
        if let Some(seq) = seq {
            if session.seq.is_some_and(|last| last + 1 != seq) && !session.is_slow {
                self.record.jumps += 1;
            }
            session.seq = Some(seq);
        }
        let (member, is_returning) = (session.member, session.is_returning);
        let is_new_epoch = epoch.is_some() && session.epoch.as_deref() != epoch;
        let mut revived = 0;
        let shown = room
            .ledger
            .show(member, (stamp.sender, stamp.n), &mut revived);
        let is_measured = self.is_measured(stamp.due);
        if revived > 0 {
            self.owed += i64::from(revived);
            self.record.expected += if is_measured { u64::from(revived) } else { 0 };
        }
        match shown {
            Shown::New { lacking } => {
                self.owed -= 1;
                Status::add(&self.status.received, 1);
                if is_measured {
                    self.record.received += 1;
                    let took = self.clock.saturating_sub(stamp.due);
                    let is_same = self.plan.node_of(member) == self.plan.node_of(stamp.sender);
                    if is_same {
                        self.record.same_node.record(took);
                    } else {
                        self.record.other_node.record(took);
                    }
                    if lacking == 0 {
                        self.record.last_member.record(took);
                    }
                }
            }
            Shown::Uncounted => self.record.slow.received += 1,
            Shown::Bad => {}
        }
        if let (true, Some(epoch)) = (is_new_epoch, epoch) {
            self.sessions[index].epoch = Some(self.epoch(index, epoch));
        }
        if is_returning {
            self.caught_up(index);
        }
    }

    /// A member is told that entries do not come.
    fn told_gap(&mut self, index: usize, from: u64, to: u64) {
        let entries = (to + 1).saturating_sub(from);
        let session = &mut self.sessions[index];
        session.seq = Some(to);
        let ledger = &mut self.rooms[session.room as usize].ledger;
        ledger.skip(session.member, entries);
        if !session.is_slow {
            self.record.told += entries;
            self.owed -= i64::try_from(entries).unwrap_or(0);
        }
        self.caught_up(index);
    }

    /// Returns an epoch as the room's sessions share it.
    pub(super) fn epoch(&mut self, index: usize, epoch: &str) -> Rc<str> {
        let room = &mut self.rooms[self.sessions[index].room as usize];
        match &room.epoch {
            Some(shared) if **shared == *epoch => Rc::clone(shared),
            _ => {
                let shared: Rc<str> = epoch.into();
                room.epoch = Some(Rc::clone(&shared));
                shared
            }
        }
    }
}

//! What is sent, and how it is answered.

use std::cmp::Reverse;

use super::opening::name;
use super::{Action, Status, Thread};
use crate::tools::bench::pace::{Arrivals, Pace};
use crate::tools::bench::plan::Traffic;
use crate::tools::bench::record::count;
use crate::tools::bench::session::State;
use crate::tools::bench::stamp::Stamp;
use crate::tools::bench::wire;

/// Nanoseconds after which something is sent where a message under way was refused.
const AFTER_REFUSAL: u64 = 100_000_000;

impl Thread {
    /// Returns true if a message that was due at a time counts.
    pub(super) fn is_measured(&self, due: u64) -> bool {
        self.traffic
            .as_ref()
            .is_some_and(|traffic| traffic.measured.contains(&due))
    }

    /// Begins an open loop of so many messages per second over all rooms.
    pub(super) fn begin_rate(&mut self, rate: f64, traffic: Traffic) {
        #[expect(clippy::cast_precision_loss, reason = "sessions are far below 2⁵³")]
        let share = rate * self.rooms.len() as f64 / f64::from(self.plan.options.rooms);
        let arrivals = self.plan.options.arrivals;
        self.pace = Some(Pace::new(arrivals, share, traffic.start, &mut self.random));
        self.traffic = Some(traffic);
    }

    /// Begins to keep so many messages of each sender under way.
    pub(super) fn begin_window(&mut self, window: u32, traffic: Traffic) {
        self.traffic = Some(traffic);
        for index in self.ready.clone() {
            for _ in 0..window {
                self.send_in_window(index as usize);
            }
        }
    }

    /// Nothing new is due any more.
    pub(super) fn traffic_ends(&mut self) {
        self.pace = None;
        if let Some(traffic) = &mut self.traffic {
            traffic.end = traffic.end.min(self.clock);
        }
    }

    /// Returns when the next message of the open loop is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        let due = self.pace.as_ref()?.next();
        (due < self.traffic.as_ref()?.end).then_some(due)
    }

    /// Sends the message that is due.
    pub(super) fn send_due(&mut self) {
        let Some(pace) = &mut self.pace else { return };
        let due = pace.next();
        pace.advance(&mut self.random);
        let is_measured = self.is_measured(due);
        self.record.due += u64::from(is_measured);
        if let Some(index) = self.next_sender() {
            if is_measured {
                self.record.lateness.record(self.clock.saturating_sub(due));
            }
            self.send(index, due);
        }
    }

    /// Sends one more message of a sender, if it may.
    pub(super) fn send_in_window(&mut self, index: usize) {
        let is_time = self
            .traffic
            .as_ref()
            .is_some_and(|traffic| self.clock < traffic.end);
        if is_time && self.sessions[index].turn.is_some() {
            self.tick();
            self.record.due += u64::from(self.is_measured(self.clock));
            self.send(index, self.clock);
        }
    }

    /// Returns who sends next: anybody, or whoever's turn it is.
    fn next_sender(&mut self) -> Option<usize> {
        if self.ready.is_empty() {
            return None;
        }
        if self.plan.options.arrivals == Arrivals::Even {
            let rooms = self.rooms.len() as u64;
            let turn = self.turn;
            self.turn += 1;
            let (room, member) = (turn % rooms, turn / rooms % u64::from(self.plan.senders));
            let index = room * u64::from(self.plan.options.members) + member;
            let index = usize::try_from(index).expect("it is the index of a session");
            if self.sessions[index].turn.is_some() {
                return Some(index);
            }
        }
        let index = self.random.usize(..self.ready.len());
        Some(self.ready[index] as usize)
    }

    fn send(&mut self, index: usize, due: u64) {
        let session = &self.sessions[index];
        let (member, room) = (session.member, &mut self.rooms[session.room as usize]);
        let (n, expected) = room.ledger.send(member, due);
        let stamp = Stamp {
            room: room.index,
            sender: member,
            n,
            due,
        };
        self.frame.clear();
        let options = &self.plan.options;
        options
            .dialect
            .send(&room.name, stamp, options.payload, &mut self.frame);
        self.owed += i64::from(expected);
        self.unanswered += 1;
        Status::add(&self.status.sent, 1);
        if self.is_measured(due) {
            self.record.sent += 1;
            self.record.expected += u64::from(expected);
        }
        let frame = std::mem::take(&mut self.frame);
        self.write(index, wire::TEXT, &frame);
        self.frame = frame;
    }

    /// A message was accepted, or refused with this code.
    pub(super) fn answered(&mut self, index: usize, n: u64, refusal: Option<String>) {
        let session = &self.sessions[index];
        let ledger = &mut self.rooms[session.room as usize].ledger;
        let Some(answered) = ledger.answer(session.member, n, refusal.is_none()) else {
            return count(&mut self.record.nonsense, "an answer to nothing");
        };
        self.unanswered -= 1;
        self.owed -= i64::from(answered.spared);
        let is_measured = self.is_measured(answered.due);
        let is_refused = refusal.is_some();
        if is_measured {
            self.record.expected -= u64::from(answered.spared);
            match refusal {
                None => {
                    self.record.accepted += 1;
                    self.record
                        .accept
                        .record(self.clock.saturating_sub(answered.due));
                }
                Some(code) => count(&mut self.record.refused, code),
            }
        }
        if self.plan.options.window.is_some() {
            if is_refused {
                let at = self.clock + AFTER_REFUSAL;
                self.agenda.push(Reverse((at, Action::Send(name(index)))));
            } else {
                self.send_in_window(index);
            }
        }
    }

    /// What a session that ended has not been answered may or may not have been accepted: it is expected only where
    /// somebody shows it.
    pub(super) fn give_up_answers(&mut self, room: usize, member: u32) {
        for answered in self.rooms[room].ledger.give_up(member) {
            self.unanswered -= 1;
            self.owed -= i64::from(answered.spared);
            if self.is_measured(answered.due) {
                self.record.expected -= u64::from(answered.spared);
            }
        }
    }

    /// The session may send, if it is one of those that do.
    pub(super) fn ready(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        let sends = session.member < self.plan.senders && !session.is_slow;
        if sends && session.turn.is_none() && session.state == State::Live {
            session.turn = Some(name(self.ready.len()));
            self.ready.push(name(index));
        }
    }

    /// The session may not send any more.
    pub(super) fn not_ready(&mut self, index: usize) {
        if let Some(turn) = self.sessions[index].turn.take() {
            self.ready.swap_remove(turn as usize);
            if let Some(&moved) = self.ready.get(turn as usize) {
                self.sessions[moved as usize].turn = Some(turn);
            }
        }
    }
}

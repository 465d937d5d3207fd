//! From a WebSocket to a member.

use std::cmp::Reverse;

use super::opening::{PATIENCE_OF_RETURN, SECOND, name};
use super::{Action, Status, Thread};
use crate::tools::bench::dialect::Place;
use crate::tools::bench::session::State;

impl Thread {
    /// Says who is there, if the dialect has that.
    pub(super) fn greet(&mut self, index: usize) {
        let session = &self.sessions[index];
        let name = format!("b{}", session.member);
        match self
            .plan
            .options
            .dialect
            .greeting(&name, session.token.as_deref())
        {
            Some(greeting) => self.say(index, &greeting),
            None => self.greeted(index, None),
        }
    }

    /// The session may join.
    pub(super) fn greeted(&mut self, index: usize, token: Option<&str>) {
        let session = &mut self.sessions[index];
        if session.state != State::Greeting {
            return;
        }
        if self.plan.options.storm.is_some() {
            session.token = token.map(Into::into);
        }
        session.state = State::Joining;
        self.join(index);
    }

    /// Asks to be let in.
    pub(super) fn join(&mut self, index: usize) {
        let session = &self.sessions[index];
        let after = session
            .is_returning
            .then(|| (session.epoch.as_deref(), session.seq.unwrap_or(0)));
        let room = &self.rooms[session.room as usize].name;
        let join = self.plan.options.dialect.join(Place { room, after });
        self.say(index, &join);
    }

    /// The session is a member.
    pub(super) fn joined(&mut self, index: usize, epoch: Option<&str>, seq: Option<u64>) {
        if self.sessions[index].state != State::Joining {
            return;
        }
        self.sessions[index].state = State::Live;
        let begun = self.sessions[index].begun;
        let took = self.clock.saturating_sub(begun);
        if self.sessions[index].is_returning {
            self.record.resumes.joined.record(took);
            self.sessions[index].goal = seq;
            self.caught_up(index);
            return;
        }
        let shared = epoch.map(|epoch| self.epoch(index, epoch));
        let session = &mut self.sessions[index];
        session.epoch = shared;
        session.seq = seq;
        self.record.open.record(took);
        self.record.opened += 1;
        Status::add(&self.status.opened, 1);
        self.ready(index);
    }

    /// The session is not let in, now or at all.
    pub(super) fn join_refused(&mut self, index: usize, why: &str, retry_after: Option<u64>) {
        let session = &mut self.sessions[index];
        match retry_after {
            Some(wait) if session.state == State::Joining => {
                // Whoever is told to wait is not late for that.
                session.attempt += 1;
                let (name, attempt) = (name(index), session.attempt);
                let at = self.clock + wait.saturating_mul(SECOND / 1_000);
                if session.is_returning {
                    self.record.resumes.refused += 1;
                }
                self.agenda.push(Reverse((at, Action::Join(name, attempt))));
                let expiry = (at + PATIENCE_OF_RETURN, Action::Expire(name, attempt));
                self.agenda.push(Reverse(expiry));
            }
            _ => self.end(index, format!("join refused: {why}")),
        }
    }
}

//! From nothing to a member.

use std::cmp::Reverse;

use mio::{Interest, Token};

use super::{Action, Thread};
use crate::tools::bench::dialect::Place;
use crate::tools::bench::session::{State, connect};
use crate::tools::bench::wire::{self, Answer, Opening};

const SECOND: u64 = 1_000_000_000;
/// A session that is no member by then is given up.
const PATIENCE: u64 = 30 * SECOND;
/// The same for one that comes back, and may try again.
const PATIENCE_OF_RETURN: u64 = 10 * SECOND;
/// What a refusal without a time to come back, or a break, is followed by: this long, and up to as long again.
const BACK_OFF: u64 = SECOND / 2;

impl Thread {
    /// Lets all sessions be opened one after the other; the threads take turns.
    pub(super) fn open_all(&mut self, start: u64) {
        let gap = 1e9 / self.plan.options.ramp;
        for index in 0..self.sessions.len() {
            let at = start + self.slot(index, gap);
            self.agenda.push(Reverse((at, Action::Open(name(index)))));
        }
        let slow = self.plan.options.slow / 100.0;
        for index in 0..self.sessions.len() {
            #[expect(clippy::cast_precision_loss, reason = "sessions are far below 2⁵³")]
            let is_slow = ((index + 1) as f64 * slow).floor() > (index as f64 * slow).floor();
            if is_slow {
                let session = &mut self.sessions[index];
                session.is_slow = true;
                self.rooms[session.room as usize]
                    .ledger
                    .uncount(session.member);
                self.record.slow.sessions += 1;
            }
        }
    }

    /// Returns how long after the first session of the run this one comes, if all come with this gap.
    pub(super) fn slot(&self, index: usize, gap: f64) -> u64 {
        let index = index as u64 * u64::from(self.plan.options.threads) + u64::from(self.index);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the product is positive and far below 2⁵³"
        )]
        let slot = (index as f64 * gap) as u64;
        slot
    }

    /// Opens a session that should be opened now.
    pub(super) fn open(&mut self, index: usize, due: u64) {
        let opening = Opening::new(&mut self.random);
        let session = &mut self.sessions[index];
        session.attempt += 1;
        session.opening = opening;
        session.state = State::Connecting;
        if session.attempt == 1 {
            session.begun = due;
        }
        let (room, member, attempt) = (session.room as usize, session.member, session.attempt);
        let target = &self.plan.targets[self.plan.node_of(member)];
        let number = self.rooms[room].index * self.plan.options.members + member;
        let opened = connect(target.address, number, self.plan.sessions).and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(index), interest)?;
            Ok(stream)
        });
        let patience = if session.is_returning {
            PATIENCE_OF_RETURN
        } else {
            PATIENCE
        };
        match opened {
            Ok(stream) => {
                session.stream = Some(stream);
                let expiry = (self.clock + patience, Action::Expire(name(index), attempt));
                self.agenda.push(Reverse(expiry));
            }
            Err(error) => self.end(index, refused(&error)),
        }
    }

    /// The stream takes bytes: it is there, or goes on taking.
    pub(super) fn writable(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        let result = if session.state == State::Connecting {
            let Some(stream) = &session.stream else {
                return;
            };
            match stream.take_error() {
                Ok(None) if stream.peer_addr().is_err() => return,
                Ok(None) => self.ask_for_session(index),
                Ok(Some(error)) | Err(error) => Err(error),
            }
        } else {
            session.flush()
        };
        if let Err(error) = result {
            self.end(index, refused(&error));
        }
    }

    fn ask_for_session(&mut self, index: usize) -> std::io::Result<()> {
        let session = &mut self.sessions[index];
        session.state = State::Opening;
        let target = &self.plan.targets[self.plan.node_of(session.member)];
        let dialect = self.plan.options.dialect;
        let path = format!("{}{}", target.prefix, dialect.path());
        self.bytes.clear();
        let opening = session.opening;
        opening.write(&target.host, &path, dialect.subprotocol(), &mut self.bytes);
        session.write(&self.bytes)
    }

    /// Reads the answer to that; returns how many bytes it took.
    pub(super) fn hear_answer(&mut self, index: usize, bytes: &[u8]) -> usize {
        match self.sessions[index].opening.read(bytes) {
            Answer::Unfinished => 0,
            Answer::Open(length) => {
                self.sessions[index].state = State::Greeting;
                if self.plan.options.dialect.speaks_first() {
                    self.greet(index);
                }
                length
            }
            Answer::Refused(_, Some(seconds)) => {
                self.refused_for_now(index, seconds.saturating_mul(1_000));
                bytes.len()
            }
            Answer::Refused(why, None) => {
                self.end(index, why);
                bytes.len()
            }
        }
    }

    fn greet(&mut self, index: usize) {
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
        super::Status::add(&self.status.opened, 1);
        self.ready(index);
    }

    /// The session is not let in, now or at all.
    pub(super) fn join_refused(&mut self, index: usize, why: String, retry_after: Option<u64>) {
        let session = &self.sessions[index];
        match retry_after {
            Some(wait) if session.state == State::Joining => {
                let at = self.clock + wait.saturating_mul(SECOND / 1_000);
                let again = Action::Join(name(index), session.attempt);
                if session.is_returning {
                    self.record.resumes.refused += 1;
                }
                self.agenda.push(Reverse((at, again)));
            }
            _ => self.end(index, format!("join refused: {why}")),
        }
    }

    /// The session is to be opened again after so many milliseconds.
    fn refused_for_now(&mut self, index: usize, wait: u64) {
        let session = &mut self.sessions[index];
        session.cut();
        let at = self.clock + wait.saturating_mul(SECOND / 1_000);
        if session.is_returning {
            self.record.resumes.refused += 1;
        } else if at > session.begun + PATIENCE {
            session.state = State::Opening;
            return self.end(index, "refused for now, again and again".to_owned());
        }
        self.agenda.push(Reverse((at, Action::Open(name(index)))));
    }

    /// The session tries again after a while.
    pub(super) fn return_later(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        session.is_returning = true;
        session.goal = None;
        let at = self.clock + BACK_OFF + self.random.u64(..BACK_OFF);
        self.agenda.push(Reverse((at, Action::Open(name(index)))));
    }

    /// Sends a frame with this text.
    pub(super) fn say(&mut self, index: usize, text: &str) {
        self.write(index, wire::TEXT, text.as_bytes());
    }

    /// Sends a frame.
    pub(super) fn write(&mut self, index: usize, opcode: u8, payload: &[u8]) {
        self.bytes.clear();
        let mask = self.random.u32(..).to_ne_bytes();
        wire::write_frame(opcode, payload, mask, &mut self.bytes);
        if let Err(error) = self.sessions[index].write(&self.bytes) {
            self.end(index, refused(&error));
        }
    }
}

/// Returns the index of a session as the agenda has it.
pub(super) fn name(index: usize) -> u32 {
    u32::try_from(index).expect("sessions are counted in 32 bits")
}

/// Says what a stream's error means.
pub(super) fn refused(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => {
            "no local port is left; wait a minute, or use several addresses of the target"
                .to_owned()
        }
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "the server reset it".to_owned(),
        ErrorKind::UnexpectedEof => "the server ended it without a close frame".to_owned(),
        ErrorKind::OutOfMemory => "the server took nothing for too long".to_owned(),
        _ => error.to_string(),
    }
}

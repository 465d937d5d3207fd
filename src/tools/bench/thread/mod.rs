//! A thread that has whole rooms, and drives their sessions from one poll.
//!
//! Nothing is shared while it runs but a few counts, so nothing is locked.

mod hearing;
mod opening;
mod orders;
mod sending;
mod storm;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::ledger::Ledger;
use super::pace::{Pace, Timer};
use super::plan::{Plan, Traffic};
use super::record::{Record, count};
use super::session::{Session, State};
pub(super) use orders::{Order, Status};

const TIMER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// Sessions that one poll tells of.
const EVENTS: usize = 256;
/// What one read takes.
const READ: usize = 64 * 1024;

/// What is to be done at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Open(u32),
    /// Asks again to be let in, in this attempt.
    Join(u32, u32),
    /// Gives this attempt up, unless it has led to something.
    Expire(u32, u32),
    /// Sends one more message, where so many are kept under way.
    Send(u32),
    /// Lets the slow stop reading.
    Pause,
}

/// A room of the thread.
#[derive(Debug)]
struct Room {
    name: Rc<str>,
    /// Its index in the run.
    index: u32,
    ledger: Ledger,
    /// The last epoch that was told, shared by the sessions.
    epoch: Option<Rc<str>>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Thread {
    plan: Arc<Plan>,
    index: u32,
    began: Instant,
    poll: Poll,
    timer: Timer,
    orders: Receiver<Order>,
    status: Arc<Status>,
    sessions: Vec<Session>,
    rooms: Vec<Room>,
    /// Indices of the sessions that may send now.
    ready: Vec<u32>,
    agenda: BinaryHeap<Reverse<(u64, Action)>>,
    traffic: Option<Traffic>,
    pace: Option<Pace>,
    /// Whose turn it is if all have one.
    turn: u64,
    random: fastrand::Rng,
    record: Record,
    /// The time, as of the last look at the clock.
    clock: u64,
    buffer: Vec<u8>,
    frame: Vec<u8>,
    bytes: Vec<u8>,
    /// Deliveries and answers that are still to come.
    owed: i64,
    unanswered: i64,
    is_storm: bool,
    is_over: bool,
}

impl Thread {
    /// The thread with this index of a run that began then; returns with it what wakes it for an order.
    ///
    /// # Errors
    /// The system gives no poll or timer.
    pub(super) fn new(
        plan: Arc<Plan>,
        index: u32,
        began: Instant,
        orders: Receiver<Order>,
        status: Arc<Status>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let timer = Timer::new()?;
        poll.registry()
            .register(&mut SourceFd(&timer.raw_fd()), TIMER, Interest::READABLE)?;
        let mut random = fastrand::Rng::with_seed(plan.seed.wrapping_add(u64::from(index)));
        let members = plan.options.members;
        let rooms: Vec<Room> = (index..plan.options.rooms)
            .step_by(plan.options.threads as usize)
            .map(|index| Room {
                name: plan.room(index).into(),
                index,
                ledger: Ledger::new(members),
                epoch: None,
            })
            .collect();
        let places = (0..)
            .zip(&rooms)
            .flat_map(|(room, _)| (0..members).map(move |member| (room, member)));
        let sessions = places
            .map(|(room, member)| Session::new(room, member, &mut random))
            .collect();
        let thread = Self {
            plan,
            index,
            began,
            poll,
            timer,
            orders,
            status,
            sessions,
            rooms,
            ready: Vec::new(),
            agenda: BinaryHeap::new(),
            traffic: None,
            pace: None,
            turn: 0,
            random,
            record: Record::default(),
            clock: 0,
            buffer: Vec::new(),
            frame: Vec::new(),
            bytes: Vec::new(),
            owed: 0,
            unanswered: 0,
            is_storm: false,
            is_over: false,
        };
        Ok((thread, waker))
    }

    /// Does what it is ordered until it is told that the run is over; returns what it counted.
    ///
    /// # Errors
    /// The poll's or the timer's.
    pub(super) fn run(mut self) -> io::Result<Record> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_over {
            self.tick();
            if let Some(wake) = self.next_wake() {
                self.timer.set(self.clock, wake)?;
            }
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.tick();
            for event in &events {
                match event.token() {
                    TIMER => self.timer.went_off(),
                    WAKER => self.obey(),
                    Token(index) => {
                        if event.is_writable() {
                            self.writable(index);
                        }
                        if event.is_readable() {
                            let is_ending = event.is_read_closed() || event.is_error();
                            self.readable(index, is_ending);
                        }
                    }
                }
                // A long row of sessions to read must not make the next message late.
                if self.next_wake().is_some_and(|wake| wake <= self.clock) {
                    self.act();
                }
            }
            self.tick();
            self.act();
            self.tell();
        }
        for room in &self.rooms {
            self.record.tally.add(&room.ledger.tally());
        }
        Ok(self.record)
    }

    /// Looks at the clock.
    fn tick(&mut self) {
        self.clock = u64::try_from(self.began.elapsed().as_nanos()).expect("a run is no century");
    }

    /// Returns when the next thing is to be done.
    fn next_wake(&self) -> Option<u64> {
        let agenda = self.agenda.peek().map(|Reverse((at, _))| *at);
        match (agenda, self.next_due()) {
            (Some(agenda), Some(due)) => Some(agenda.min(due)),
            (agenda, due) => agenda.or(due),
        }
    }

    /// Does all that is due.
    fn act(&mut self) {
        while let Some(wake) = self.next_wake()
            && wake <= self.clock
        {
            if self.next_due() == Some(wake) {
                self.send_due();
            } else if let Some(Reverse((_, action))) = self.agenda.pop() {
                match action {
                    Action::Open(index) => self.open(index as usize, wake),
                    Action::Join(index, attempt) => {
                        let session = &self.sessions[index as usize];
                        if session.attempt == attempt && session.state == State::Joining {
                            self.join(index as usize);
                        }
                    }
                    Action::Expire(index, attempt) => {
                        let session = &self.sessions[index as usize];
                        let is_open = matches!(session.state, State::Live | State::Away);
                        if session.attempt == attempt && !is_open {
                            self.end(index as usize, "no answer in time".to_owned());
                        }
                    }
                    Action::Send(index) => self.send_in_window(index as usize),
                    Action::Pause => self.pause(true),
                }
            }
            self.tick();
        }
    }

    /// Notes that a session has ended, and why.
    fn end(&mut self, index: usize, why: String) {
        let session = &mut self.sessions[index];
        let was = session.state;
        if was == State::Away {
            return;
        }
        session.cut();
        let (room, member) = (session.room as usize, session.member);
        let (is_slow, is_returning) = (session.is_slow, session.is_returning);
        self.not_ready(index);
        self.give_up_answers(room, member);
        if is_returning || self.is_storm {
            count(&mut self.record.resumes.refused_without_hint, why);
            self.return_later(index);
            return;
        }
        for due in self.rooms[room].ledger.leave(member) {
            self.owed -= 1;
            self.record.expected -= u64::from(self.is_measured(due));
        }
        if was != State::Live {
            count(&mut self.record.failed, why);
            Status::add(&self.status.failed, 1);
        } else if is_slow {
            self.record.slow.closed += 1;
            Status::add(&self.status.closed, 1);
        } else {
            count(&mut self.record.closed, why);
            Status::add(&self.status.closed, 1);
        }
    }
}

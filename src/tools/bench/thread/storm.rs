//! All are cut off at once and come back.

use std::cmp::Reverse;

use super::opening::name;
use super::{Action, Status, Thread};
use crate::tools::bench::plan::{Load, Traffic};
use crate::tools::bench::session::State;

impl Thread {
    /// Cuts all members off and lets them come back at times spread evenly over so many nanoseconds, each in no
    /// order with its neighbors; whoever is there goes on sending at the plan's rate.
    pub(super) fn storm(&mut self, length: u64) {
        self.is_storm = true;
        let mut cut: Vec<usize> = Vec::new();
        for index in 0..self.sessions.len() {
            let session = &mut self.sessions[index];
            if session.state != State::Live {
                continue;
            }
            session.cut();
            session.is_returning = true;
            session.is_paused = false;
            let (room, member) = (session.room as usize, session.member);
            self.give_up_answers(room, member);
            self.not_ready(index);
            cut.push(index);
        }
        self.record.resumes.sessions = cut.len() as u64;
        self.random.shuffle(&mut cut);
        #[expect(clippy::cast_precision_loss, reason = "both are far below 2⁵³")]
        let gap = length as f64 / f64::from(self.plan.sessions);
        let now = self.clock;
        for (turn, index) in cut.into_iter().enumerate() {
            let at = now + self.slot(turn, gap);
            self.sessions[index].begun = at;
            self.agenda.push(Reverse((at, Action::Open(name(index)))));
        }
        if let Load::Rate(rate) = self.plan.load {
            let traffic = Traffic {
                start: now,
                measured: self
                    .traffic
                    .as_ref()
                    .map_or(now..now, |traffic| traffic.measured.clone()),
                end: u64::MAX,
            };
            self.begin_rate(rate, traffic);
        }
    }

    /// Notes that a session that came back has what it missed, if so.
    pub(super) fn caught_up(&mut self, index: usize) {
        let session = &mut self.sessions[index];
        let is_whole = session.goal.is_some() && session.seq >= session.goal;
        if !session.is_returning || session.state != State::Live || !is_whole {
            return;
        }
        session.is_returning = false;
        session.goal = None;
        self.record.resumes.whole += 1;
        self.record.resumes.last = self.clock;
        Status::add(&self.status.whole, 1);
        self.ready(index);
    }
}

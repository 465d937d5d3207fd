//! What a thread is told to do, and what it tells meanwhile.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::{Action, Thread};
use crate::tools::bench::plan::{Load, Traffic};
use crate::tools::bench::session::State;

/// What a thread does next. Times are nanoseconds since the run began.
#[derive(Clone, Debug)]
pub(in crate::tools::bench) enum Order {
    /// Opens all sessions, at the plan's rate, from this time on.
    Open(u64),
    /// Sends.
    Send(Traffic),
    /// Sends nothing more, and has all read.
    Drain,
    /// Cuts all sessions now and lets them come back over so many nanoseconds.
    Storm(u64),
    /// Ends all sessions, and the thread.
    Finish,
}

/// Counts that others may read at any time.
#[derive(Debug, Default)]
pub(in crate::tools::bench) struct Status {
    pub(in crate::tools::bench) opened: AtomicU64,
    pub(in crate::tools::bench) failed: AtomicU64,
    pub(in crate::tools::bench) closed: AtomicU64,
    pub(in crate::tools::bench) sent: AtomicU64,
    pub(in crate::tools::bench) received: AtomicU64,
    /// Sessions that are back and have what they missed.
    pub(in crate::tools::bench) whole: AtomicU64,
    /// Deliveries and answers that are still to come.
    pub(in crate::tools::bench) owed: AtomicI64,
    pub(in crate::tools::bench) unanswered: AtomicI64,
    /// Orders that were obeyed.
    pub(in crate::tools::bench) obeyed: AtomicU64,
    /// Sessions that may send.
    pub(in crate::tools::bench) ready: AtomicU64,
}

impl Status {
    /// Adds to a count. Only the thread whose counts they are does.
    pub(super) fn add(count: &AtomicU64, more: u64) {
        count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }
}

impl Thread {
    /// Does what it is ordered.
    pub(super) fn obey(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Open(start) => self.open_all(start),
                Order::Send(traffic) => self.begin(traffic),
                Order::Drain => {
                    self.traffic_ends();
                    self.pause(false);
                }
                Order::Storm(length) => self.storm(length),
                Order::Finish => {
                    self.is_over = true;
                    for session in &mut self.sessions {
                        session.cut();
                    }
                }
            }
            self.tell();
            // Whoever sees the order obeyed sees the counts as they are after it.
            self.status.obeyed.fetch_add(1, Ordering::Release);
        }
    }

    /// Tells others how far it is.
    pub(super) fn tell(&self) {
        self.status.owed.store(self.owed, Ordering::Relaxed);
        self.status
            .unanswered
            .store(self.unanswered, Ordering::Relaxed);
        self.status
            .ready
            .store(self.ready.len() as u64, Ordering::Relaxed);
    }

    /// Lets the slow ones stop reading, or go on with it.
    pub(super) fn pause(&mut self, is_paused: bool) {
        for index in 0..self.sessions.len() {
            let session = &mut self.sessions[index];
            if session.is_slow && session.is_paused != is_paused && session.state == State::Live {
                session.is_paused = is_paused;
                if !is_paused {
                    self.readable(index, true);
                }
            }
        }
    }

    fn begin(&mut self, traffic: Traffic) {
        if self.record.slow.sessions > 0 {
            self.agenda
                .push(std::cmp::Reverse((traffic.measured.start, Action::Pause)));
        }
        match self.plan.load {
            Load::Idle => {}
            Load::Rate(rate) => self.begin_rate(rate, traffic),
            Load::Window(window) => self.begin_window(window, traffic),
        }
    }
}

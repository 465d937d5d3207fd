//! When messages are due: an open loop that never waits for answers, and never skips what it is late for.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::str::FromStr;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

const SECOND: f64 = 1e9;

/// The gaps between messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// What many people make who do not know of each other: exponential gaps.
    Poisson,
    /// All the same.
    Even,
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "poisson" => Ok(Self::Poisson),
            "even" => Ok(Self::Even),
            _ => Err("must be poisson or even".to_owned()),
        }
    }
}

/// See the [module](self). Times are nanoseconds since the run began.
#[derive(Debug)]
pub(super) struct Pace {
    arrivals: Arrivals,
    gap: f64,
    /// The time that even gaps are counted from, so that they do not drift.
    start: f64,
    count: f64,
    next: f64,
}

impl Pace {
    /// So many messages a second from this time on.
    pub(super) fn new(
        arrivals: Arrivals,
        per_second: f64,
        start: u64,
        random: &mut fastrand::Rng,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "2⁵³ ns are 104 days")]
        let start = start as f64;
        let mut pace = Self {
            arrivals,
            gap: SECOND / per_second,
            start,
            count: 0.0,
            next: start,
        };
        // Threads that begin together must not send together.
        match arrivals {
            Arrivals::Poisson => pace.advance(random),
            Arrivals::Even => {
                pace.start += pace.gap * random.f64();
                pace.next = pace.start;
            }
        }
        pace
    }

    /// Returns when the next message is due.
    pub(super) fn next(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "times are positive and below 2⁵³"
        )]
        let next = self.next as u64;
        next
    }

    /// Goes on to the one after it.
    pub(super) fn advance(&mut self, random: &mut fastrand::Rng) {
        match self.arrivals {
            // 1 - f64() is never 0.
            Arrivals::Poisson => self.next -= self.gap * (1.0 - random.f64()).ln(),
            Arrivals::Even => {
                self.count += 1.0;
                self.next = self.start + self.gap * self.count;
            }
        }
    }
}

/// A timer that a poll can wait for, exact to some microseconds; those of the poll itself have a millisecond, which
/// would be most of what is measured.
#[derive(Debug)]
pub(super) struct Timer {
    timer: OwnedFd,
    armed: Option<u64>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer, armed: None })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    /// Makes it go off at this time, if it is not set to it.
    pub(super) fn set(&mut self, now: u64, at: u64) -> io::Result<()> {
        if self.armed == Some(at) {
            return Ok(());
        }
        // Zero would disarm it.
        let wait = at.saturating_sub(now).max(1);
        let value = Timespec {
            tv_sec: i64::try_from(wait / 1_000_000_000).expect("below 2⁶³"),
            tv_nsec: i64::try_from(wait % 1_000_000_000).expect("below 10⁹"),
        };
        let interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let setting = Itimerspec {
            it_interval: interval,
            it_value: value,
        };
        // It is watched for edges, and setting it makes it quiet again: it need not be read.
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting)?;
        self.armed = Some(at);
        Ok(())
    }

    /// Notes that it went off.
    pub(super) fn went_off(&mut self) {
        self.armed = None;
    }
}

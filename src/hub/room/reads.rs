//! When a room reads its log: at most one read at a time, shared by all who wait.

use std::time::{Duration, Instant};

use crate::protocol::Position;

/// First pause after a read that got no answer; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two reads that get no answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A read that has begun.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    /// Which of the room's reads it is, from 1.
    pub(super) number: u64,
    /// It asks for the entries above this seq.
    pub(super) after: u64,
    /// Where the room stood when it began.
    pub(super) position: Option<Position>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Reads {
    begun: u64,
    applied: u64,
    flight: Option<Flight>,
    needed: Option<u64>,
    /// Where the next page for cursors begins at the lowest: the pages sweep over the log and begin anew at its end.
    swept: u64,
    failures: u32,
    retry_at: Option<Instant>,
}

impl Reads {
    /// Asks for a read that begins from now on: the room's own position may be behind or wrong.
    pub(super) fn need(&mut self) {
        self.needed = Some(self.next());
    }

    /// Returns true while the room must not deliver before a read has told what is missing.
    pub(super) fn is_needed(&self) -> bool {
        self.needed.is_some()
    }

    /// Returns the number of the next read to begin.
    pub(super) fn next(&self) -> u64 {
        self.begun + 1
    }

    /// Returns true if the room has come as far as a read with this number or a later one saw.
    pub(super) fn has_applied(&self, number: u64) -> bool {
        self.applied >= number
    }

    /// Returns true while a read is in flight.
    pub(super) fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Returns true if a read may begin.
    pub(super) fn may_begin(&self, now: Instant) -> bool {
        self.flight.is_none() && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Begins a read.
    pub(super) fn begin(&mut self, after: u64, position: Option<Position>) -> Flight {
        self.begun += 1;
        let flight = Flight {
            number: self.begun,
            after,
            position,
        };
        self.flight = Some(flight.clone());
        flight
    }

    /// Ends the read with this number; `None` if it is not the one in flight.
    pub(super) fn end(&mut self, number: u64) -> Option<Flight> {
        self.flight.take_if(|flight| flight.number == number)
    }

    /// Notes that a read got no answer; returns when the next may begin.
    pub(super) fn fail(&mut self, now: Instant) -> Instant {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(8))
            .min(LONGEST_PAUSE);
        self.failures += 1;
        let at = now + pause;
        self.retry_at = Some(at);
        at
    }

    /// Notes that the room has come as far as a read saw; returns true if it needs no other one for itself.
    pub(super) fn apply(&mut self, number: u64) -> bool {
        self.applied = number;
        if self.needed.is_some_and(|needed| needed <= number) {
            self.needed = None;
        }
        self.needed.is_none()
    }

    /// Notes up to where a page for cursors went; `None` if it went to the log's end.
    pub(super) fn sweep(&mut self, flight: &Flight, swept: Option<u64>) {
        if flight
            .position
            .as_ref()
            .is_some_and(|own| flight.after < own.seq)
        {
            self.swept = swept.unwrap_or(0);
        }
    }

    /// Chooses among cursors the one whose page is read next, so that none waits for more than one sweep.
    pub(super) fn choose(&self, cursors: impl Iterator<Item = u64>) -> Option<u64> {
        cursors.min_by_key(|cursor| (*cursor < self.swept, *cursor))
    }

    /// Lets a read begin at once, whatever failed before.
    pub(super) fn retry_now(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }
}

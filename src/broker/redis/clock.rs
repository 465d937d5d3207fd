//! Redis time as this node knows it.
//!
//! The node's monotonic clock plus an offset that every new link and the watchdog's round trips set. No wall clock of
//! the node takes part once Redis was reached, so that a step of it moves nothing.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The broker's time. Cheap to read from anywhere.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    /// Unix time at `origin`, in microseconds.
    offset: AtomicI64,
    is_set: AtomicBool,
}

impl Clock {
    /// Begins with the node's own time, which stands until Redis was asked for its.
    #[must_use]
    pub fn new() -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let offset = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX);
        Self {
            origin: Instant::now(),
            offset: AtomicI64::new(offset),
            is_set: AtomicBool::new(false),
        }
    }

    /// Takes over what `TIME` answered, in Unix microseconds, to a question sent and answered at these moments.
    ///
    /// The answer is taken to be of the middle: the error is at most half of the round trip.
    pub fn observe(&self, sent: Instant, answered: Instant, micros: u64) {
        let middle = sent + answered.saturating_duration_since(sent) / 2;
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        self.offset.store(
            micros.saturating_sub(self.since_origin(middle)),
            Ordering::Relaxed,
        );
        self.is_set.store(true, Ordering::Relaxed);
    }

    /// Returns true once Redis was asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// Returns the broker's time now, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.at(Instant::now())
    }

    /// Returns the broker's time at a moment of this node's monotonic clock, in Unix milliseconds.
    #[must_use]
    pub fn at(&self, moment: Instant) -> u64 {
        let micros = self
            .offset
            .load(Ordering::Relaxed)
            .saturating_add(self.since_origin(moment));
        u64::try_from(micros / 1000).unwrap_or(0)
    }

    fn since_origin(&self, moment: Instant) -> i64 {
        let micros =
            |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        match moment.checked_duration_since(self.origin) {
            Some(after) => micros(after),
            None => -micros(self.origin - moment),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_is_of_the_middle_of_its_round_trip() {
        let clock = Clock::new();
        let sent = clock.origin + Duration::from_secs(5);
        clock.observe(
            sent,
            sent + Duration::from_millis(20),
            1_700_000_000_010_000,
        );
        assert_eq!(clock.at(sent), 1_700_000_000_000);
        assert_eq!(clock.at(sent + Duration::from_secs(3)), 1_700_000_003_000);
        assert_eq!(
            clock.at(clock.origin - Duration::from_secs(1)),
            1_699_999_994_000
        );
    }

    #[test]
    fn it_begins_with_the_time_of_the_node() {
        let clock = Clock::new();
        let node = u64::try_from(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_millis(),
        )
        .unwrap();
        assert!(clock.now_ms().abs_diff(node) < 1000);
    }
}

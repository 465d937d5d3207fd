//! A token bucket: so many per second in the long run, so many at once after a pause.

use std::time::{Duration, Instant};

/// A token bucket. A rate of 0 sets no limit.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// Makes a full bucket.
    #[must_use]
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self {
            per_second: f64::from(per_second),
            burst,
            tokens: burst,
            filled_at: now,
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time until there is one, if there is none.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.take_many(1, now)
    }

    /// Takes so many tokens, all or none; more than the burst are never there at once.
    ///
    /// # Errors
    /// The time until there are as many, if there are less.
    pub fn take_many(&mut self, count: u32, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0.0 {
            return Ok(());
        }
        let count = f64::from(count);
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        if self.tokens < count {
            return Err(Duration::from_secs_f64(
                (count - self.tokens) / self.per_second,
            ));
        }
        self.tokens -= count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 2, start);
        assert_eq!(bucket.take(start), Ok(()));
        assert_eq!(bucket.take(start), Ok(()));
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(start + Duration::from_millis(101)), Ok(()));
        assert!(bucket.take(start + Duration::from_millis(102)).is_err());
    }

    #[test]
    fn many_are_taken_all_or_none() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 20, start);
        assert_eq!(bucket.take_many(15, start), Ok(()));
        assert_eq!(bucket.take_many(10, start), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take_many(5, start), Ok(()));
    }

    #[test]
    fn a_rate_of_zero_never_refuses() {
        let start = Instant::now();
        let mut bucket = Bucket::new(0, 1, start);
        assert!((0..1000).all(|_| bucket.take(start).is_ok()));
    }
}

//! How fast sessions of this node come back to rooms that must be read for them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::bucket::Bucket;
use crate::hub::Admission;

/// Those who are refused come back over at least this time.
const SPREAD: Duration = Duration::from_secs(2);

/// A token bucket of the node: a second of them at once after a pause.
#[derive(Debug)]
pub struct Resumes(Mutex<Bucket>);

impl Resumes {
    /// Takes the setting `limits.resumes_per_second`; 0 sets no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self(Mutex::new(Bucket::new(per_second, per_second, now)))
    }
}

impl Admission for Resumes {
    fn resume(&self) -> Result<(), Duration> {
        let now = tokio::time::Instant::now().into_std();
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spread = |wait| wait + SPREAD.mul_f64(fastrand::f64());
        bucket.take(now).map_err(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_beyond_the_rate_come_back_spread() {
        let resumes = Resumes::new(10);
        assert!((0..10).all(|_| resumes.resume().is_ok()));
        let waits: Vec<_> = (0..20).filter_map(|_| resumes.resume().err()).collect();
        assert_eq!(waits.len(), 20);
        let longest = Duration::from_millis(100) + SPREAD;
        assert!(waits.iter().all(|wait| *wait <= longest), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        tokio::time::advance(Duration::from_millis(101)).await;
        assert_eq!(resumes.resume(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_everybody_comes_back() {
        let resumes = Resumes::new(0);
        assert!((0..10_000).all(|_| resumes.resume().is_ok()));
    }
}

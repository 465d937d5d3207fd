//! How the sessions of a node are let go: one way for a drain, a node that is cut off, and a rebalance.
//!
//! Those who leave come to the other nodes at the pace at which they are told to. So they are told one after the other,
//! evenly over a window, and nobody is told twice.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::protocol::{ReconnectReason, millis};
use crate::telemetry::Metrics;

/// Time between two groups that are told to leave.
const TICK: Duration = Duration::from_millis(50);
/// Slowest pace, per second: so few that come back are no burden, and a small node need not use its whole window.
const SLOWEST: f64 = 20.0;
/// A node that was held up does not make up for more than this at once; what it missed is spread over what is left.
const CATCH_UP: Duration = Duration::from_millis(200);
/// Time between two lines about how far it is.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// What a session that leaves is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Why.
    pub reason: ReconnectReason,
    /// It comes back after a time drawn evenly from 0 to this.
    pub spread: Duration,
}

impl Letter {
    /// Returns the letter of those who are told one after the other, so that they need no spread of their own.
    #[must_use]
    pub const fn paced(reason: ReconnectReason) -> Self {
        let spread = Duration::from_millis(200);
        Self { reason, spread }
    }

    /// Returns the letter of those who are all told at one moment.
    #[must_use]
    pub const fn at_once(reason: ReconnectReason) -> Self {
        let spread = Duration::from_secs(2);
        Self { reason, spread }
    }
}

/// The sessions of a node, as who lets them go sees them.
pub trait Crowd: Send + Sync + 'static {
    /// Returns how many sessions stay: those that have not been told to leave.
    fn staying(&self) -> usize;

    /// Tells up to `count` sessions to leave; returns how many.
    ///
    /// For [`ReconnectReason::Rebalance`] only sessions are told that were not moved a short while ago.
    fn let_go(&self, count: usize, letter: Letter) -> usize;
}

/// Lets all sessions go at an even pace over `window`; returns when each has been told. Those that come meanwhile are
/// told too.
pub async fn let_all_go(
    crowd: &dyn Crowd,
    window: Duration,
    reason: ReconnectReason,
    metrics: &Metrics,
) {
    let began = Instant::now();
    let end = began + window;
    let sessions = crowd.staying();
    let mut pace = Pace::new(began);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told_at = began;
    loop {
        let now = ticks.tick().await;
        let left = end.saturating_duration_since(now);
        metrics.drain_remaining.set(left.as_secs_f64());
        let staying = crowd.staying();
        if left.is_zero() {
            let letter = match window.is_zero() {
                true => Letter::at_once(reason),
                false => Letter::paced(reason),
            };
            crowd.let_go(staying, letter);
            break;
        }
        if staying == 0 {
            break;
        }
        crowd.let_go(pace.due(staying, left, now), Letter::paced(reason));
        if told_at + LOG_INTERVAL <= now {
            told_at = now;
            tracing::info!(
                reason = reason.as_str(),
                staying,
                remaining_ms = millis(left),
                "sessions are let go"
            );
        }
    }
    metrics.drain_remaining.set(0.0);
    tracing::info!(
        reason = reason.as_str(),
        sessions,
        duration_ms = millis(began.elapsed()),
        "all sessions were told to leave"
    );
}

/// How many are due: the fraction that no tick has told yet, and since when it grows.
#[derive(Debug)]
struct Pace {
    owed: f64,
    at: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { owed: 0.0, at: now }
    }

    /// Returns how many of those that stay are due now, if the rest is to leave evenly in the time that is left.
    fn due(&mut self, staying: usize, left: Duration, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.at).min(CATCH_UP);
        self.at = now;
        let per_second =
            (as_f64(staying) / left.as_secs_f64().max(TICK.as_secs_f64())).max(SLOWEST);
        self.owed += per_second * passed.as_secs_f64();
        let due = self.owed.floor();
        self.owed -= due;
        as_count(due).min(staying)
    }
}

/// Returns a count as a number to reckon with; exact far beyond any number of sessions.
pub(crate) fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// Returns the count below a number that is not negative.
pub(crate) fn as_count(number: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and what is beyond is every session there is"
    )]
    let count = number.max(0.0) as usize;
    count
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use tokio::time::advance;

    use super::*;

    /// Sessions that leave as soon as they are told, and when that was.
    #[derive(Debug)]
    pub(crate) struct Leavers {
        staying: Mutex<usize>,
        pub(crate) told: Mutex<Vec<(Instant, Letter)>>,
    }

    impl Leavers {
        pub(crate) fn new(staying: usize) -> Self {
            Self {
                staying: Mutex::new(staying),
                told: Mutex::default(),
            }
        }

        pub(crate) fn set(&self, staying: usize) {
            *self.staying.lock().unwrap() = staying;
        }

        /// How many were told in each two seconds.
        fn buckets(&self, began: Instant) -> Vec<usize> {
            let mut buckets = Vec::new();
            for (at, _) in self.told.lock().unwrap().iter() {
                let bucket = usize::try_from((*at - began).as_secs() / 2).unwrap();
                buckets.resize(buckets.len().max(bucket + 1), 0);
                buckets[bucket] += 1;
            }
            buckets
        }
    }

    impl Crowd for Leavers {
        fn staying(&self) -> usize {
            *self.staying.lock().unwrap()
        }

        fn let_go(&self, count: usize, letter: Letter) -> usize {
            let mut staying = self.staying.lock().unwrap();
            let count = count.min(*staying);
            *staying -= count;
            let told = (Instant::now(), letter);
            self.told.lock().unwrap().extend(vec![told; count]);
            count
        }
    }

    async fn drain(crowd: &Leavers, window: Duration) {
        let metrics = Metrics::new();
        let_all_go(crowd, window, ReconnectReason::Drain, &metrics).await;
        assert_eq!(crowd.staying(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn five_thousand_leave_evenly_and_within_the_window() {
        let (crowd, began) = (Leavers::new(5000), Instant::now());
        drain(&crowd, Duration::from_secs(20)).await;
        let took = began.elapsed();
        assert!(took <= Duration::from_millis(20_100), "{took:?}");
        let buckets = crowd.buckets(began);
        assert_eq!(buckets.iter().sum::<usize>(), 5000);
        assert!(
            buckets[..10].iter().all(|told| (450..=550).contains(told)),
            "{buckets:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn few_do_not_wait_for_the_end_of_the_window() {
        let (crowd, began) = (Leavers::new(10), Instant::now());
        drain(&crowd, Duration::from_secs(20)).await;
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_window_all_are_told_at_once_and_come_back_spread() {
        let (crowd, began) = (Leavers::new(3000), Instant::now());
        drain(&crowd, Duration::ZERO).await;
        assert!(began.elapsed() < TICK);
        let told = crowd.told.lock().unwrap();
        let letter = Letter::at_once(ReconnectReason::Drain);
        assert!(told.iter().all(|(_, told)| *told == letter));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_stall_missed_is_spread_over_the_rest() {
        let (mut pace, began) = (Pace::new(Instant::now()), Instant::now());
        let window = Duration::from_secs(20);
        advance(Duration::from_secs(10)).await;
        let left = window - began.elapsed();
        // Half of the window is gone: 500 in each of the seconds that are left, 100 of them for the time caught up.
        assert_eq!(pace.due(5000, left, Instant::now()), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_during_the_window_leaves_too() {
        let crowd = Leavers::new(1000);
        let metrics = Metrics::new();
        let late = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            crowd.set(crowd.staying() + 500);
        };
        let window = Duration::from_secs(5);
        let drain = let_all_go(&crowd, window, ReconnectReason::Drain, &metrics);
        tokio::join!(drain, late);
        assert_eq!(crowd.staying(), 0);
        assert_eq!(crowd.told.lock().unwrap().len(), 1500);
    }
}

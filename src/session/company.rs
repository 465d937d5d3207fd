//! Answers that wait a moment for what leaves in the same write: one timer for all sessions of a node.
//!
//! Most often the company comes, and neither the session's task nor its own timer has had anything to do with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::place::Place;

/// How long an answer waits: the least that the runtime's timers know.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);

/// Sessions that a queue without any keeps space for.
const KEPT: usize = 256;

type Waiting = VecDeque<(Instant, Weak<Place>)>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Company {
    waiting: Mutex<Waiting>,
    begun: Notify,
}

impl Company {
    /// Has the task of a session woken in [`PATIENCE`], if an answer that was queued before this still waits then.
    pub(super) fn wait(&self, place: &Arc<Place>) {
        let mut waiting = self.waiting();
        // Under the lock, so that the queue is in the order of the times.
        let until = Instant::now() + PATIENCE;
        let is_first = waiting.is_empty();
        waiting.push_back((until, Arc::downgrade(place)));
        drop(waiting);
        if is_first {
            self.begun.notify_one();
        }
    }

    /// Wakes those whose answers have waited long enough, for ever.
    pub(super) async fn run(&self) {
        loop {
            let next = self.waiting().front().map(|(until, _)| *until);
            match next {
                None => self.begun.notified().await,
                Some(until) => {
                    sleep_until(until).await;
                    let due = self.due(Instant::now());
                    due.iter().filter_map(Weak::upgrade).for_each(|place| {
                        place.outbox.hold_no_longer(Instant::now());
                    });
                }
            }
        }
    }

    fn due(&self, now: Instant) -> Vec<Weak<Place>> {
        let mut waiting = self.waiting();
        let count = waiting.partition_point(|(until, _)| *until <= now);
        let due = waiting.drain(..count).map(|(_, place)| place).collect();
        if waiting.is_empty() && waiting.capacity() > KEPT {
            *waiting = Waiting::new();
        }
        due
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The bound on plain HTTP links.
//!
//! A link is a TCP stream that is no session yet. A listener has a fixed number of places for
//! them. While all are taken, new ones wait in the kernel's backlog, and the link that has been
//! silent longest gives up its place: a link on which a request is being answered never does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long a link may be silent although others wait; a head needs a few round trips on a phone.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a link that gives up its place takes at most, before the next one is asked.
const FAREWELL: Duration = Duration::from_millis(50);

/// The links of one listener.
#[derive(Debug)]
pub(super) struct Links {
    places: Arc<Semaphore>,
    /// Held for one insertion or removal, never across an await.
    silent: Mutex<Silent>,
}

/// Links without a request, in the order in which they fell silent.
#[derive(Debug, Default)]
struct Silent {
    next: u64,
    links: BTreeMap<u64, (Instant, CancellationToken)>,
}

impl Links {
    /// Makes room for `places` links.
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            silent: Mutex::default(),
        })
    }

    /// Waits for a free place, and takes places from silent links meanwhile.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            let place = Arc::clone(&self.places);
            if let Ok(place) = Arc::clone(&place).try_acquire_owned() {
                return place;
            }
            let wait = self.end_silent(PATIENCE).unwrap_or(FAREWELL);
            if let Ok(Ok(place)) = timeout(wait, place.acquire_owned()).await {
                return place;
            }
        }
    }

    /// Registers a link that has just been accepted.
    pub(super) fn link(self: &Arc<Self>, place: OwnedSemaphorePermit) -> Arc<Link> {
        let link = Arc::new(Link {
            links: Arc::clone(self),
            number: Mutex::default(),
            ended: CancellationToken::new(),
            _place: place,
        });
        link.fall_silent();
        link
    }

    /// Ends the link that has been silent longest, if that is at least `patience`; otherwise
    /// returns how long it takes until that is so. Returns nothing if one was ended or none is
    /// silent.
    pub(super) fn end_silent(&self, patience: Duration) -> Option<Duration> {
        let mut silent = lock(&self.silent);
        let (since, _) = silent.links.values().next()?;
        if let Some(left) = patience.checked_sub(since.elapsed())
            && !left.is_zero()
        {
            return Some(left);
        }
        let (_, (_, ended)) = silent.links.pop_first()?;
        ended.cancel();
        None
    }
}

/// One link; its place is free again when the last reference is dropped.
#[derive(Debug)]
pub(super) struct Link {
    links: Arc<Links>,
    /// Where the link stands among the silent ones.
    number: Mutex<Option<u64>>,
    ended: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Link {
    /// Says that a request has come: the link keeps its place until it is answered.
    pub(super) fn wake(&self) {
        if let Some(number) = lock(&self.number).take() {
            lock(&self.links.silent).links.remove(&number);
        }
    }

    /// Says that the link waits for a request.
    pub(super) fn fall_silent(&self) {
        self.wake();
        let mut silent = lock(&self.links.silent);
        let number = silent.next;
        silent.next += 1;
        let waits = (Instant::now(), self.ended.clone());
        silent.links.insert(number, waits);
        drop(silent);
        *lock(&self.number) = Some(number);
    }

    /// Returns what is canceled once the link has to give up its place.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.wake();
    }
}

/// Locks; what these mutexes guard is valid after every statement, so a panic elsewhere is no
/// reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_link_that_is_silent_longest_makes_room_and_a_busy_one_does_not() {
        let links = Links::new(3);
        let busy = links.link(links.place().await);
        busy.wake();
        let silent = links.link(links.place().await);
        let woken = links.link(links.place().await);
        woken.wake();
        woken.fall_silent();
        let begin = Instant::now();
        let ended = silent.ended();
        let gone = tokio::spawn(async move {
            ended.cancelled().await;
            drop(silent);
        });
        let _place = links.place().await;
        gone.await.unwrap();
        assert!(begin.elapsed() >= PATIENCE, "{:?}", begin.elapsed());
        assert!(!busy.ended().is_cancelled());
        assert!(!woken.ended().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_freed_place_is_taken_at_once() {
        let links = Links::new(1);
        let link = links.link(links.place().await);
        link.wake();
        let waiting = tokio::spawn({
            let links = Arc::clone(&links);
            async move { links.place().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let begin = Instant::now();
        drop(link);
        let _place = waiting.await.unwrap();
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert!(lock(&links.silent).links.is_empty());
    }
}

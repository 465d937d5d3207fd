//! Which sessions stay on this node, and how some of them are told to leave.
//!
//! A session that was told is not on the roll any more, so nobody is told twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::place::Place;
use crate::fleet::{Crowd, Letter};
use crate::hub::{Seat, SeatId};
use crate::protocol::ReconnectReason;

/// The sessions that have not been told to leave.
#[derive(Debug, Default)]
pub struct Roll(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those that stay; seats are numbered in the order in which they came.
    staying: BTreeMap<u64, Arc<Place>>,
    /// What everybody who still comes is told.
    closed: Option<Letter>,
}

impl Roll {
    /// Tells everybody to leave, also those who are still to come.
    pub fn close(&self, letter: Letter) {
        let left = {
            let mut state = self.lock();
            state.closed = Some(letter);
            std::mem::take(&mut state.staying)
        };
        left.into_values()
            .for_each(|place| place.tell_to_leave(letter));
    }

    pub(super) fn enter(&self, place: &Arc<Place>) {
        let mut state = self.lock();
        if let Some(letter) = state.closed {
            place.tell_to_leave(letter);
        } else {
            state.staying.insert(place.id().0, Arc::clone(place));
        }
    }

    /// Has everybody look at what all sessions share.
    pub(super) fn nudge(&self) {
        let staying: Vec<_> = self.lock().staying.values().cloned().collect();
        staying.iter().for_each(|place| place.outbox.nudge());
    }

    pub(super) fn leave(&self, seat: SeatId) {
        self.lock().staying.remove(&seat.0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd for Roll {
    fn staying(&self) -> usize {
        self.lock().staying.len()
    }

    fn let_go(&self, count: usize, letter: Letter) -> usize {
        let now = Instant::now();
        let leave =
            |place: &Place| letter.reason != ReconnectReason::Rebalance || !place.rests(now);
        let mut state = self.lock();
        let chosen: Vec<u64> = state
            .staying
            .iter()
            .filter(|(_, place)| leave(place))
            .map(|(seat, _)| *seat)
            .take(count)
            .collect();
        let places: Vec<_> = chosen
            .iter()
            .filter_map(|seat| state.staying.remove(seat))
            .collect();
        drop(state);
        places.iter().for_each(|place| place.tell_to_leave(letter));
        places.len()
    }
}

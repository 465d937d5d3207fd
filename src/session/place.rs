//! What of a session others see: its user, its rooms, its outbox.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::IntCounter;

use super::codec::Frame;
use super::outbox::Outbox;
use crate::hub::{Line, Seat, SeatId};
use crate::protocol::{RoomName, User};

/// The shared part of a session; the rest belongs to its task alone.
#[derive(Debug)]
pub(super) struct Place {
    id: SeatId,
    user: Mutex<User>,
    rooms: Mutex<HashSet<RoomName>>,
    unanswered: AtomicUsize,
    ephemeral_dropped: IntCounter,
    /// What the session still has to receive.
    pub(super) outbox: Outbox,
}

impl Place {
    pub(super) fn new(id: SeatId, user: User, outbox: Outbox, ephemeral_dropped: IntCounter) -> Self {
        Self {
            id,
            user: Mutex::new(user),
            rooms: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            ephemeral_dropped,
            outbox,
        }
    }

    pub(super) fn set_user(&self, user: User) {
        *self.user.lock().unwrap_or_else(PoisonError::into_inner) = user;
    }

    /// Returns the rooms that the session asked to join and has not left.
    pub(super) fn rooms(&self) -> MutexGuard<'_, HashSet<RoomName>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a publish until its answer.
    pub(super) fn begin_publish(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// Queues the answer of a publish.
    pub(super) fn end_publish(&self, frame: Frame) {
        self.outbox.answer(frame);
        self.unanswered.fetch_sub(1, Ordering::Release);
        self.outbox.nudge();
    }

    /// Returns true if every publish has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.load(Ordering::Acquire) == 0
    }
}

impl Seat for Place {
    fn id(&self) -> SeatId {
        self.id
    }

    fn user(&self) -> User {
        self.user.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, frame: Frame) {
        self.outbox.answer(frame);
    }

    fn stream(&self, room: &RoomName, lines: &[Line]) -> usize {
        self.outbox.stream(room, lines)
    }

    fn ephemeral(&self, frame: &Frame) {
        if !self.outbox.ephemeral(frame) {
            self.ephemeral_dropped.inc();
        }
    }

    fn expelled(&self, room: &RoomName) {
        self.rooms().remove(room);
    }
}

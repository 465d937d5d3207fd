//! What of a session others see: its user, its rooms, its outbox.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

use super::codec::Frame;
use super::company::PATIENCE;
use super::context::Context;
use super::outbox::Outbox;
use crate::fleet::Letter;
use crate::hub::{Line, Run, Seat, SeatId, Ticket};
use crate::protocol::{RoomName, User};

/// Questions whose answers may be large, at once: their size together is a few outboxes, not more.
const MAX_QUESTIONS: usize = 4;

/// A session that was moved to balance the nodes is not moved again within this time.
const REST: Duration = Duration::from_secs(600);

/// A question without an answer yet.
struct Asking(Arc<Place>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.questions.fetch_sub(1, Ordering::AcqRel);
        self.0.outbox.nudge();
    }
}

/// The shared part of a session; the rest belongs to its task alone.
#[derive(Debug)]
pub(super) struct Place {
    id: SeatId,
    user: Mutex<User>,
    rooms: Mutex<HashSet<RoomName>>,
    unanswered: AtomicUsize,
    /// The last entry that was queued while a publish was unanswered: its room and number.
    streamed: Mutex<Option<(RoomName, u64)>>,
    questions: AtomicUsize,
    context: Arc<Context>,
    /// What the session was told, once it is to leave.
    letter: OnceLock<Letter>,
    /// Until when it is not moved again; unset if nobody has said that it was moved.
    rests_until: OnceLock<Instant>,
    /// What the session still has to receive.
    pub(super) outbox: Outbox,
}

impl Place {
    pub(super) fn new(context: Arc<Context>, io: OwnedWriteHalf, user: User) -> Self {
        let gauge = context.metrics.outbox_bytes.clone();
        let outbox = Outbox::new(io, context.bounds.outbox, gauge);
        Self {
            id: context.next_seat(),
            user: Mutex::new(user),
            rooms: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            streamed: Mutex::default(),
            questions: AtomicUsize::new(0),
            context,
            letter: OnceLock::new(),
            rests_until: OnceLock::new(),
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
        self.answered();
    }

    /// Queues the answer of a publish that was accepted as an entry of the room; if its `message` is still to come, the
    /// answer waits for it, so that both leave in one write.
    pub(super) fn end_publish_beside(self: &Arc<Self>, frame: Frame, room: &RoomName, seq: u64) {
        let is_streamed = self
            .streamed()
            .as_ref()
            .is_some_and(|(of, last)| of == room && *last >= seq);
        if is_streamed {
            self.outbox.answer(frame);
        } else {
            self.outbox.answer_by(frame, Instant::now() + PATIENCE);
            // Not before the answer is queued: on a slow thread the look at it would come first, and be the only one.
            self.context.company.wait(self);
        }
        self.answered();
    }

    fn answered(&self) {
        if self.unanswered.fetch_sub(1, Ordering::Release) == 1 {
            *self.streamed() = None;
        }
        // Who is to leave waits for the last answer, whoever writes it.
        if self.letter().is_some() {
            self.outbox.nudge();
        }
    }

    /// Notes what was queued while a publish is unanswered, for [`Place::end_publish_beside`].
    fn note_streamed(&self, room: &RoomName, taken: &[Line]) {
        if !self.is_answered()
            && let Some(last) = taken.last()
        {
            *self.streamed() = Some((room.clone(), last.position.seq));
        }
    }

    fn streamed(&self) -> MutexGuard<'_, Option<(RoomName, u64)>> {
        self.streamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true while no further request should be read: its answer would find no room.
    pub(super) fn is_backed_up(&self) -> bool {
        self.outbox.is_backed_up() || self.questions.load(Ordering::Acquire) >= MAX_QUESTIONS
    }

    /// Counts a question to the hub until its ticket is dropped.
    pub(super) fn ticket(self: &Arc<Self>) -> Ticket {
        self.questions.fetch_add(1, Ordering::AcqRel);
        Ticket::new(Asking(self.clone()))
    }

    /// Tells the session to leave; what it is told first stands.
    pub(super) fn tell_to_leave(&self, letter: Letter) {
        if self.letter.set(letter).is_ok() {
            self.outbox.nudge();
        }
    }

    /// Returns what the session was told if it is to leave.
    pub(super) fn letter(&self) -> Option<Letter> {
        self.letter.get().copied()
    }

    /// Notes how long ago the session was moved here to balance the nodes.
    pub(super) fn moved(&self, ago: Duration) {
        if let Some(left) = REST.checked_sub(ago) {
            // A session says hello once.
            let _ = self.rests_until.set(Instant::now() + left);
        }
    }

    /// Returns true while the session is not to be moved again.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.get().is_some_and(|until| *until > now)
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
        self.user
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn answer(&self, frame: Frame) {
        self.outbox.answer(frame);
    }

    fn stream(&self, room: &RoomName, lines: &[Line]) -> usize {
        let taken = self.outbox.stream(room, lines);
        self.note_streamed(room, &lines[..taken]);
        taken
    }

    fn deliver(&self, room: &RoomName, run: &Run<'_>) -> (usize, Option<u64>) {
        let (taken, oldest) = self.outbox.deliver(room, run);
        self.note_streamed(room, &run.lines()[..taken]);
        (taken, oldest)
    }

    fn write(&self) -> Option<u64> {
        self.outbox.write()
    }

    fn wake(&self) {
        self.outbox.nudge();
    }

    fn ephemeral(&self, frame: &Frame) {
        if !self.outbox.ephemeral(frame) {
            self.context.metrics.ephemeral_dropped.inc();
        }
    }

    fn expelled(&self, room: &RoomName) {
        self.rooms().remove(room);
    }
}

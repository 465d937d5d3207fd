//! A seat with a bounded outbox, which pauses streams as a session's does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::hub::seat::{Line, Run, Seat, SeatId};
use crate::protocol::{Frame, RoomName, User, UserId, UserName};

#[derive(Debug, Default)]
struct State {
    bound: usize,
    queue: VecDeque<Frame>,
    ephemeral: usize,
    is_paused: bool,
    has_joined: bool,
    is_expelled: bool,
    /// Whether something was streamed that nobody has written or was woken for.
    is_unwritten: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Desk {
    id: SeatId,
    state: Mutex<State>,
}

impl Desk {
    /// Makes a seat whose outbox takes `bound` frames of streams.
    pub(super) fn new(id: u64, bound: usize) -> Arc<Self> {
        let state = State {
            bound,
            ..State::default()
        };
        Arc::new(Self {
            id: SeatId(id),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets the outbox take whatever comes.
    pub(super) fn widen(&self) {
        self.state().bound = usize::MAX;
    }

    /// Returns true if a stream was left for nobody to write.
    pub(super) fn is_unwritten(&self) -> bool {
        self.state().is_unwritten
    }

    /// Takes up to `count` frames out; the second value is true if a paused stream may go on.
    pub(super) fn take(&self, count: usize) -> (Vec<Frame>, bool) {
        let mut state = self.state();
        let count = count.min(state.queue.len());
        let frames = state.queue.drain(..count).collect();
        let is_half_free = state.queue.len() <= state.bound / 2;
        let goes_on = state.is_paused && is_half_free;
        state.is_paused &= !goes_on;
        (frames, goes_on)
    }

    /// Returns true if frames wait, or a stream for them.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.state();
        !state.queue.is_empty() || state.is_paused
    }

    /// Returns true if the join was answered.
    pub(super) fn has_joined(&self) -> bool {
        self.state().has_joined
    }

    /// Returns true if the hub gave the membership up.
    pub(super) fn is_expelled(&self) -> bool {
        self.state().is_expelled
    }

    /// Returns how many frames came that may be dropped.
    pub(super) fn ephemerals(&self) -> usize {
        self.state().ephemeral
    }
}

impl Seat for Desk {
    fn id(&self) -> SeatId {
        self.id
    }

    fn user(&self) -> User {
        let id = UserId::parse(&format!("u{}", self.id.0)).unwrap();
        User {
            id,
            name: UserName::parse("Ann").unwrap(),
            bot: None,
        }
    }

    fn answer(&self, frame: Frame) {
        let mut state = self.state();
        if frame.payload().starts_with(br#"{"type":"joined""#) {
            assert!(!state.has_joined, "a join is answered once");
            state.has_joined = true;
        }
        state.queue.push_back(frame);
    }

    fn stream(&self, _: &RoomName, lines: &[Line]) -> usize {
        let mut state = self.state();
        assert!(state.has_joined, "the stream begins before `joined`");
        assert!(
            !state.is_expelled,
            "the stream goes on after the membership was given up"
        );
        let taken = state
            .bound
            .saturating_sub(state.queue.len())
            .min(lines.len());
        state
            .queue
            .extend(lines[..taken].iter().map(|line| line.frame.clone()));
        state.is_paused |= taken < lines.len();
        state.is_unwritten = true;
        taken
    }

    fn write(&self) -> Option<u64> {
        self.wake();
        None
    }

    fn deliver(&self, room: &RoomName, run: &Run<'_>) -> (usize, Option<u64>) {
        (self.stream(room, run.lines()), self.write())
    }

    fn wake(&self) {
        self.state().is_unwritten = false;
    }

    fn ephemeral(&self, _: &Frame) {
        self.state().ephemeral += 1;
    }

    fn expelled(&self, _: &RoomName) {
        self.state().is_expelled = true;
    }
}

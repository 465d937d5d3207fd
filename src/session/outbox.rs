//! What a session still has to receive: bounded in frames and bytes.
//!
//! At the bound ephemeral frames go first; then the streams of rooms pause, and the rooms hear of it once half of the
//! outbox is free again. Answers are never refused: instead the session stops reading requests while it
//! [backs up](Outbox::is_backed_up).
//!
//! The lock is held for the time of a few moves of a frame, never across an await.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;
use tokio::sync::Notify;

use super::codec::{Frame, WriteQueue};
use crate::hub::Line;
use crate::protocol::RoomName;

/// Bounds of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Frames waiting. Setting `limits.outbox_frames`.
    pub frames: usize,
    /// Bytes waiting. Setting `limits.outbox_bytes`.
    pub bytes: usize,
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    at: Option<u64>,
    is_ephemeral: bool,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    /// Frames not yet written, those that the writer has taken included; `bytes` alike.
    frames: usize,
    bytes: usize,
    ephemerals: usize,
    paused: Vec<RoomName>,
    is_closed: bool,
}

/// What a session still has to receive.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    bounds: Bounds,
    gauge: IntGauge,
}

impl Outbox {
    /// Makes an empty outbox; `gauge` counts the bytes of all of them.
    #[must_use]
    pub fn new(bounds: Bounds, gauge: IntGauge) -> Self {
        Self {
            state: Mutex::default(),
            wake: Notify::new(),
            bounds,
            gauge,
        }
    }

    /// Queues an answer, whatever waits already.
    pub fn answer(&self, frame: Frame) {
        self.push(&mut self.lock(), frame, None, false);
        self.wake.notify_one();
    }

    /// Queues the close frame; nothing is queued behind it any more (RFC 6455 section 5.5.1).
    ///
    /// What comes later is dropped without a word: the session ends, and its page comes back to what it missed.
    pub fn close(&self, frame: Frame) {
        let mut state = self.lock();
        self.push(&mut state, frame, None, false);
        state.is_closed = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Queues lines of a room in order while there is space; returns how many.
    pub fn stream(&self, room: &RoomName, lines: &[Line]) -> usize {
        let mut state = self.lock();
        if state.is_closed {
            return lines.len();
        }
        let mut taken = 0;
        for line in lines {
            if !self.has_space(&state, line.frame.len()) {
                self.drop_ephemerals(&mut state);
                if !self.has_space(&state, line.frame.len()) {
                    break;
                }
            }
            self.push(&mut state, line.frame.clone(), line.at, false);
            taken += 1;
        }
        if taken < lines.len() && !state.paused.contains(room) {
            state.paused.push(room.clone());
        }
        drop(state);
        self.wake.notify_one();
        taken
    }

    /// Queues a frame that may be lost; returns false if it was.
    pub fn ephemeral(&self, frame: &Frame) -> bool {
        let mut state = self.lock();
        let has_space = self.has_space(&state, frame.len());
        if has_space {
            self.push(&mut state, frame.clone(), None, true);
            drop(state);
            self.wake.notify_one();
        }
        has_space
    }

    /// Waits until something may have been queued.
    pub async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Wakes the session's task though nothing was queued.
    pub fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Moves all that is queued to the writer; returns the `at` of the oldest message among it.
    pub fn take(&self, writer: &mut WriteQueue) -> Option<u64> {
        let mut state = self.lock();
        state.ephemerals = 0;
        let mut oldest = None;
        for queued in state.queue.drain(..) {
            oldest = oldest.or(queued.at);
            writer.push(queued.frame);
        }
        // A burst's memory is given back.
        if state.queue.capacity() > 64 {
            state.queue = VecDeque::new();
        }
        oldest
    }

    /// Counts what has been written; returns the rooms whose stream may go on.
    pub fn written(&self, frames: usize, bytes: usize) -> Vec<RoomName> {
        let mut state = self.lock();
        state.frames = state.frames.saturating_sub(frames);
        state.bytes = state.bytes.saturating_sub(bytes);
        self.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        let is_half_free =
            state.frames <= self.bounds.frames / 2 && state.bytes <= self.bounds.bytes / 2;
        if is_half_free {
            std::mem::take(&mut state.paused)
        } else {
            Vec::new()
        }
    }

    /// Returns true while so much waits that no further request should be read.
    pub fn is_backed_up(&self) -> bool {
        let state = self.lock();
        state.frames >= self.bounds.frames || state.bytes >= self.bounds.bytes
    }

    fn push(&self, state: &mut State, frame: Frame, at: Option<u64>, is_ephemeral: bool) {
        if state.is_closed {
            return;
        }
        state.frames += 1;
        state.bytes += frame.len();
        state.ephemerals += usize::from(is_ephemeral);
        self.gauge
            .add(i64::try_from(frame.len()).unwrap_or(i64::MAX));
        state.queue.push_back(Queued {
            frame,
            at,
            is_ephemeral,
        });
    }

    fn has_space(&self, state: &State, bytes: usize) -> bool {
        // An empty outbox takes any frame: a pause ends only when something has been written.
        state.frames == 0
            || state.frames < self.bounds.frames && state.bytes + bytes <= self.bounds.bytes
    }

    fn drop_ephemerals(&self, state: &mut State) {
        if state.ephemerals == 0 {
            return;
        }
        let (mut frames, mut bytes) = (0, 0);
        state.queue.retain(|queued| {
            frames += usize::from(queued.is_ephemeral);
            bytes += if queued.is_ephemeral {
                queued.frame.len()
            } else {
                0
            };
            !queued.is_ephemeral
        });
        state.ephemerals = 0;
        state.frames -= frames;
        state.bytes -= bytes;
        self.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Position;

    fn outbox(frames: usize) -> Outbox {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        Outbox::new(
            Bounds {
                frames,
                bytes: 1024,
            },
            gauge,
        )
    }

    fn line(seq: u64) -> Line {
        let position = Position { epoch: None, seq };
        Line {
            position,
            frame: Frame::text("{}"),
            at: Some(seq),
        }
    }

    #[test]
    fn a_stream_pauses_at_the_bound_and_goes_on_at_half() {
        let outbox = outbox(4);
        let room = RoomName::parse("a").unwrap();
        let lines: Vec<_> = (1..=6).map(line).collect();
        assert_eq!(outbox.stream(&room, &lines), 4);
        assert!(outbox.is_backed_up());
        let mut writer = WriteQueue::new();
        assert_eq!(outbox.take(&mut writer), Some(1));
        assert_eq!(outbox.written(1, 4), Vec::new());
        assert_eq!(outbox.written(1, 4), vec![room]);
    }

    #[test]
    fn ephemeral_frames_give_way_to_messages_and_answers_are_never_refused() {
        let outbox = outbox(2);
        let room = RoomName::parse("a").unwrap();
        assert!(outbox.ephemeral(&Frame::text("1")));
        assert!(outbox.ephemeral(&Frame::text("2")));
        assert!(!outbox.ephemeral(&Frame::text("3")));
        assert_eq!(outbox.stream(&room, &[line(1), line(2), line(3)]), 2);
        outbox.answer(Frame::text("answer"));
        let mut writer = WriteQueue::new();
        outbox.take(&mut writer);
        assert_eq!(writer.len(), 3);
    }

    #[test]
    fn nothing_is_queued_behind_the_close_frame() {
        let outbox = outbox(8);
        let room = RoomName::parse("a").unwrap();
        outbox.close(Frame::close(1012, "drain"));
        outbox.answer(Frame::text("answer"));
        outbox.ephemeral(&Frame::text("typing"));
        assert_eq!(outbox.stream(&room, &[line(1)]), 1);
        let mut writer = WriteQueue::new();
        outbox.take(&mut writer);
        assert_eq!(writer.len(), 1);
    }

    #[test]
    fn an_empty_outbox_takes_a_line_of_any_size() {
        let outbox = outbox(4);
        let room = RoomName::parse("a").unwrap();
        let huge = Line {
            frame: Frame::text(&"x".repeat(2000)),
            ..line(1)
        };
        assert_eq!(outbox.stream(&room, &[huge.clone(), huge]), 1);
    }

    #[test]
    fn the_gauge_ends_at_zero() {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        let outbox = Outbox::new(
            Bounds {
                frames: 8,
                bytes: 1024,
            },
            gauge.clone(),
        );
        outbox.answer(Frame::text("one"));
        outbox.answer(Frame::text("two"));
        assert_eq!(gauge.get(), 10);
        outbox.written(1, 5);
        assert_eq!(gauge.get(), 5);
        drop(outbox);
        assert_eq!(gauge.get(), 0);
    }
}

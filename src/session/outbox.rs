//! What a session still has to receive: bounded in frames and bytes.
//!
//! At the bound ephemeral frames go first; then the streams of rooms pause, and the rooms hear of it once half of the
//! outbox is free again. Answers are never refused: instead the session stops reading requests while it
//! [backs up](Outbox::is_backed_up).
//!
//! The lock is held for the time of a few moves of a frame, never across an await.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use prometheus::IntGauge;
use tokio::time::Instant;

use super::codec::{Frame, WriteQueue};
use crate::hub::Line;
use crate::protocol::RoomName;

/// Slots that an empty queue keeps while its session talks.
const KEPT_SLOTS: usize = 16;

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
    /// Until when what is queued may wait for something that leaves in the same write; `None` is: not at all.
    held_until: Option<Instant>,
}

/// What a session still has to receive.
///
/// One task alone may wait for it and take from it: its waker has one place.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    waker: AtomicWaker,
    /// Something happened since the session's task looked last.
    has_news: AtomicBool,
    is_backed_up: AtomicBool,
    bounds: Bounds,
    gauge: IntGauge,
}

/// What a writer has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// `at` of the oldest message among it.
    pub oldest: Option<u64>,
    /// When to come for what was left behind, unless there are news before.
    pub held_until: Option<Instant>,
}

impl Outbox {
    /// Makes an empty outbox; `gauge` counts the bytes of all of them.
    #[must_use]
    pub fn new(bounds: Bounds, gauge: IntGauge) -> Self {
        Self {
            state: Mutex::default(),
            waker: AtomicWaker::new(),
            has_news: AtomicBool::new(false),
            is_backed_up: AtomicBool::new(false),
            bounds,
            gauge,
        }
    }

    /// Queues an answer, whatever waits already.
    pub fn answer(&self, frame: Frame) {
        self.push_one(frame, false);
    }

    /// Queues an answer that may wait until a time, if nothing else waits: what comes next takes it along.
    pub fn answer_by(&self, frame: Frame, until: Instant) {
        let mut state = self.lock();
        if state.queue.is_empty() && !state.is_closed {
            state.held_until = Some(until);
        }
        self.push(&mut state, frame, None, false);
        self.told(state);
    }

    /// Queues the close frame; nothing is queued behind it any more (RFC 6455 section 5.5.1).
    ///
    /// What comes later is dropped without a word: the session ends, and its page comes back to what it missed.
    pub fn close(&self, frame: Frame) {
        self.push_one(frame, true);
    }

    fn push_one(&self, frame: Frame, closes: bool) {
        let mut state = self.lock();
        state.held_until = None;
        self.push(&mut state, frame, None, false);
        state.is_closed |= closes;
        self.told(state);
    }

    /// Queues lines of a room in order while there is space; returns how many.
    pub fn stream(&self, room: &RoomName, lines: &[Line]) -> usize {
        let mut state = self.lock();
        if state.is_closed {
            return lines.len();
        }
        state.held_until = None;
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
        self.told(state);
        taken
    }

    /// Queues a frame that may be lost; returns false if it was.
    pub fn ephemeral(&self, frame: &Frame) -> bool {
        let mut state = self.lock();
        let has_space = self.has_space(&state, frame.len());
        if has_space {
            state.held_until = None;
            self.push(&mut state, frame.clone(), None, true);
            self.told(state);
        }
        has_space
    }

    /// Returns whether there are news since the last time, or has the task woken for them.
    pub fn poll_news(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.has_news.swap(false, Ordering::AcqRel) {
            return Poll::Ready(());
        }
        self.waker.register(context.waker());
        // What came before the waker was in its place has woken nobody.
        if self.has_news.swap(false, Ordering::AcqRel) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Waits until something may have been queued.
    pub async fn wait(&self) {
        poll_fn(|context| self.poll_news(context)).await;
    }

    /// Wakes the session's task though nothing was queued.
    pub fn nudge(&self) {
        if !self.has_news.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Moves what is queued to the writer, unless all of it may wait and nothing is being written.
    pub fn take(&self, writer: &mut WriteQueue) -> Taken {
        let mut state = self.lock();
        if state.queue.is_empty() {
            return Taken::default();
        }
        if let Some(until) = state.held_until
            && writer.is_empty()
            && Instant::now() < until
        {
            return Taken {
                oldest: None,
                held_until: Some(until),
            };
        }
        state.held_until = None;
        state.ephemerals = 0;
        let mut oldest = None;
        for queued in state.queue.drain(..) {
            oldest = oldest.or(queued.at);
            writer.push(queued.frame);
        }
        // A burst's memory is given back.
        if state.queue.capacity() > KEPT_SLOTS {
            state.queue = VecDeque::new();
        }
        Taken {
            oldest,
            held_until: None,
        }
    }

    /// Gives the memory of an empty queue back: the session is silent.
    pub fn rest(&self) {
        let mut state = self.lock();
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
        }
    }

    /// Counts what has been written; returns the rooms whose stream may go on.
    pub fn written(&self, frames: usize, bytes: usize) -> Vec<RoomName> {
        let mut state = self.lock();
        state.frames = state.frames.saturating_sub(frames);
        state.bytes = state.bytes.saturating_sub(bytes);
        self.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.judge(&state);
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
        self.is_backed_up.load(Ordering::Acquire)
    }

    fn judge(&self, state: &State) {
        let is_backed_up = state.frames >= self.bounds.frames || state.bytes >= self.bounds.bytes;
        if is_backed_up != self.is_backed_up.load(Ordering::Relaxed) {
            self.is_backed_up.store(is_backed_up, Ordering::Release);
        }
    }

    /// Ends a change that the session's task has to hear of.
    fn told(&self, state: MutexGuard<'_, State>) {
        self.judge(&state);
        drop(state);
        self.nudge();
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
    use std::time::Duration;

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
        assert_eq!(outbox.take(&mut writer).oldest, Some(1));
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

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_may_wait_leaves_with_what_comes_next_or_at_its_time() {
        let outbox = outbox(8);
        let room = RoomName::parse("a").unwrap();
        let until = Instant::now() + Duration::from_millis(1);
        let mut writer = WriteQueue::new();
        let held = Taken {
            held_until: Some(until),
            oldest: None,
        };
        outbox.answer_by(Frame::text("answer"), until);
        assert_eq!(outbox.take(&mut writer), held);
        assert_eq!(outbox.stream(&room, &[line(7)]), 1);
        assert_eq!(outbox.take(&mut writer).oldest, Some(7));
        assert_eq!(writer.len(), 2);
        let frames = writer.advance(usize::MAX);
        outbox.written(frames, 0);
        outbox.answer_by(Frame::text("answer"), until);
        assert_eq!(outbox.take(&mut writer), held);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(outbox.take(&mut writer), Taken::default());
        assert_eq!(writer.len(), 1);
    }

    #[test]
    fn behind_what_waits_nothing_is_held() {
        let outbox = outbox(8);
        let far = Instant::now() + Duration::from_secs(60);
        let mut writer = WriteQueue::new();
        outbox.answer(Frame::text("first"));
        outbox.answer_by(Frame::text("second"), far);
        assert_eq!(outbox.take(&mut writer), Taken::default());
        assert_eq!(writer.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_news_are_missed() {
        let outbox = outbox(8);
        let is_told = async |outbox: &Outbox| {
            tokio::time::timeout(Duration::from_secs(1), outbox.wait())
                .await
                .is_ok()
        };
        assert!(!is_told(&outbox).await);
        outbox.answer(Frame::text("before"));
        outbox.nudge();
        assert!(is_told(&outbox).await);
        assert!(!is_told(&outbox).await, "told once");
        let (told, ()) = tokio::join!(is_told(&outbox), async {
            tokio::task::yield_now().await;
            outbox.nudge();
        });
        assert!(told);
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

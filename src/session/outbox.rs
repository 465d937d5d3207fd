//! What a session still has to receive: bounded in frames and bytes.
//!
//! At the bound ephemeral frames go first; then the streams of rooms pause, and the rooms hear of it once half of the
//! outbox is free again. Answers are never refused: instead the session stops reading requests while it
//! [backs up](Outbox::is_backed_up).
//!
//! What is queued leaves with as few system calls as it can, from whichever task has just queued it: a room writes to its
//! members itself, so that none of their tasks is woken for a delivery. Only who finds the page not reading leaves the rest
//! to the session's own task.
//!
//! The lock is held for a few moves of a frame or one write that does not wait, never across an await.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use prometheus::IntGauge;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

use super::codec::{Frame, MAX_SLICES, WriteQueue};
use crate::hub::{Line, Run};
use crate::protocol::RoomName;

/// What waits is put together up to this size: one plain `send` of it costs less than a list of frames.
const TOGETHER_BYTES: usize = 8 * 1024;

thread_local! {
    /// Where a thread puts together what it writes.
    static TOGETHER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(TOGETHER_BYTES));
}

/// Bounds of an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Frames waiting. Setting `limits.outbox_frames`.
    pub frames: usize,
    /// Bytes waiting. Setting `limits.outbox_bytes`.
    pub bytes: usize,
}

/// Where an outbox writes to. No method waits: what cannot be taken now is [`ErrorKind::WouldBlock`].
pub trait Wire {
    /// Writes bytes, as many as are taken.
    ///
    /// # Errors
    /// Of the system.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Writes a list of bytes, as many as are taken.
    ///
    /// # Errors
    /// Of the system.
    fn write_list(&self, list: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Wire for OwnedWriteHalf {
    /// Asks the system at once: whether the runtime takes the page for ready lies somewhere that nothing else touches.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match send(self.as_ref(), bytes, SendFlags::NOSIGNAL) {
            // The runtime has to hear of it, for the session's task waits with it.
            Err(Errno::WOULDBLOCK) => self.try_write(bytes),
            result => Ok(result?),
        }
    }

    fn write_list(&self, list: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(list)
    }
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    is_ephemeral: bool,
}

impl AsRef<[u8]> for Queued {
    fn as_ref(&self) -> &[u8] {
        self.frame.as_ref()
    }
}

#[derive(Debug)]
struct State<W> {
    /// `None` once the session has ended.
    wire: Option<W>,
    queue: WriteQueue<Queued>,
    bytes: usize,
    /// Ephemeral frames that may be in the queue; never fewer than there are.
    ephemerals: usize,
    /// `at` of the oldest message that is not yet written.
    oldest: Option<u64>,
    paused: Vec<RoomName>,
    is_closed: bool,
    /// Until when what is queued may wait for something that leaves in the same write; `None` is: not at all.
    held_until: Option<Instant>,
    /// Since when the page takes nothing; its own task writes on.
    blocked_since: Option<Instant>,
}

/// What a session still has to receive.
///
/// One task alone waits for it, the session's own: the waker has one place.
#[derive(Debug)]
pub struct Outbox<W = OwnedWriteHalf> {
    state: Mutex<State<W>>,
    waker: AtomicWaker,
    /// Something happened since the session's task looked last.
    has_news: AtomicBool,
    is_backed_up: AtomicBool,
    bounds: Bounds,
    gauge: IntGauge,
}

/// What the session's task has to know after a write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// `at` of the oldest message among what was written, if nothing is left.
    pub oldest: Option<u64>,
    /// When to come for what was left behind, unless there are news before.
    pub held_until: Option<Instant>,
    /// Since when the page takes nothing.
    pub blocked_since: Option<Instant>,
    /// Rooms whose stream may go on.
    pub drained: Vec<RoomName>,
}

impl<W: Wire> Outbox<W> {
    /// Makes an empty outbox; `gauge` counts the bytes of all of them.
    #[must_use]
    pub fn new(wire: W, bounds: Bounds, gauge: IntGauge) -> Self {
        Self {
            state: Mutex::new(State {
                wire: Some(wire),
                queue: WriteQueue::new(),
                bytes: 0,
                ephemerals: 0,
                oldest: None,
                paused: Vec::new(),
                is_closed: false,
                held_until: None,
                blocked_since: None,
            }),
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

    /// Queues an answer that may wait until a time, if nothing else waits: what comes next takes it along. Whoever calls
    /// this sees to it that [`Outbox::hold_no_longer`] is called at that time or later.
    pub fn answer_by(&self, frame: Frame, until: Instant) {
        let mut state = self.lock();
        if state.queue.is_empty() {
            state.held_until = Some(until);
        }
        self.push(&mut state, frame, false);
        let is_held = state.held_until.is_some();
        drop(state);
        if !is_held {
            self.nudge();
        }
    }

    /// Wakes the session's task if what is queued has waited until its time.
    pub fn hold_no_longer(&self, now: Instant) {
        let state = self.lock();
        if state.held_until.is_some_and(|until| until <= now) && !state.queue.is_empty() {
            drop(state);
            self.nudge();
        }
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
        self.push(&mut state, frame, false);
        state.is_closed |= closes;
        drop(state);
        self.nudge();
    }

    /// Queues lines of a room in order while there is space; returns how many. They leave with the next
    /// [`Outbox::write`], or once the session's task is woken by [`Outbox::nudge`].
    pub fn stream(&self, room: &RoomName, lines: &[Line]) -> usize {
        self.take(&mut self.lock(), room, lines)
    }

    /// Queues lines as [`Outbox::stream`] does and writes as [`Outbox::write`] does; returns what both return. Lines for
    /// which nothing has to wait are not queued at all.
    pub fn deliver(&self, room: &RoomName, run: &Run<'_>) -> (usize, Option<u64>) {
        let mut state = self.lock();
        let lines = run.lines();
        let written = match (run.bytes(), &state.wire) {
            (Some(bytes), Some(wire)) if self.is_free(&state, lines.len(), bytes.len()) => {
                // An error comes again when the rest is written below.
                let written = wire.write(bytes).unwrap_or(0);
                if written == bytes.len() {
                    return (lines.len(), lines.iter().find_map(|line| line.at));
                }
                written
            }
            _ => 0,
        };
        let taken = self.take(&mut state, room, lines);
        self.written(&mut state, written);
        (taken, self.write_locked(state))
    }

    /// Returns true if so much may be written with nothing before it, and would fit if it had to wait.
    fn is_free(&self, state: &State<W>, frames: usize, bytes: usize) -> bool {
        let fits = frames == 1 || frames <= self.bounds.frames && bytes <= self.bounds.bytes;
        let is_idle = state.queue.is_empty() && state.paused.is_empty();
        fits && is_idle && !state.is_closed && state.blocked_since.is_none()
    }

    fn take(&self, state: &mut State<W>, room: &RoomName, lines: &[Line]) -> usize {
        if state.is_closed {
            return lines.len();
        }
        state.held_until = None;
        let mut taken = 0;
        for line in lines {
            if !self.has_space(state, line.frame.len()) {
                self.drop_ephemerals(state);
                if !self.has_space(state, line.frame.len()) {
                    break;
                }
            }
            self.push(state, line.frame.clone(), false);
            state.oldest = state.oldest.or(line.at);
            taken += 1;
        }
        if taken < lines.len() && !state.paused.contains(room) {
            state.paused.push(room.clone());
        }
        taken
    }

    /// Queues a frame that may be lost; returns false if it was.
    pub fn ephemeral(&self, frame: &Frame) -> bool {
        let mut state = self.lock();
        let has_space = self.has_space(&state, frame.len());
        if has_space {
            state.held_until = None;
            self.push(&mut state, frame.clone(), true);
            drop(state);
            self.nudge();
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

    /// Wakes the session's task.
    pub fn nudge(&self) {
        if !self.has_news.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Writes what is queued, for the session's task.
    ///
    /// # Errors
    /// Of the wire: the session is lost.
    pub fn flush(&self) -> io::Result<Flushed> {
        let mut state = self.lock();
        if let Some(until) = state.held_until
            && !state.queue.is_empty()
            && Instant::now() < until
        {
            return Ok(Flushed {
                held_until: Some(until),
                ..Flushed::default()
            });
        }
        state.held_until = None;
        self.write_queued(&mut state)?;
        let is_empty = state.queue.is_empty();
        let is_half_free =
            state.queue.len() <= self.bounds.frames / 2 && state.bytes <= self.bounds.bytes / 2;
        Ok(Flushed {
            oldest: state.oldest.take_if(|_| is_empty),
            held_until: None,
            blocked_since: state.blocked_since,
            drained: if is_half_free {
                std::mem::take(&mut state.paused)
            } else {
                Vec::new()
            },
        })
    }

    /// Writes what is queued from another task than the session's, which is woken only for what this cannot do: to wait
    /// for the page, to end. Returns the `at` of the oldest message that was written, if nothing is left.
    pub fn write(&self) -> Option<u64> {
        self.write_locked(self.lock())
    }

    fn write_locked(&self, mut state: MutexGuard<'_, State<W>>) -> Option<u64> {
        if state.queue.is_empty() || state.blocked_since.is_some() {
            return None;
        }
        let is_written = self.write_queued(&mut state).is_ok();
        if !is_written || !state.queue.is_empty() || !state.paused.is_empty() {
            drop(state);
            self.nudge();
            return None;
        }
        state.held_until = None;
        state.oldest.take()
    }

    fn write_queued(&self, state: &mut State<W>) -> io::Result<()> {
        while !state.queue.is_empty() {
            let Some(wire) = &state.wire else {
                return Err(ErrorKind::NotConnected.into());
            };
            match write_once(wire, &state.queue) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.written(state, bytes);
                    state.blocked_since = (!state.queue.is_empty()).then(Instant::now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    state.blocked_since.get_or_insert_with(Instant::now);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if state.queue.is_empty() {
            state.ephemerals = 0;
        }
        self.judge(state);
        Ok(())
    }

    /// Takes what was written off the queue.
    fn written(&self, state: &mut State<W>, bytes: usize) {
        state.queue.advance(bytes);
        state.bytes = state.bytes.saturating_sub(bytes);
        self.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Gives the memory of an empty queue back: the session is silent.
    pub fn rest(&self) {
        self.lock().queue.rest();
    }

    /// Drops the wire and with it the sending side; nothing is written any more.
    pub fn shut(&self) {
        self.lock().wire = None;
    }

    /// Returns true while so much waits that no further request should be read.
    pub fn is_backed_up(&self) -> bool {
        self.is_backed_up.load(Ordering::Acquire)
    }

    fn judge(&self, state: &State<W>) {
        let is_backed_up =
            state.queue.len() >= self.bounds.frames || state.bytes >= self.bounds.bytes;
        if is_backed_up != self.is_backed_up.load(Ordering::Relaxed) {
            self.is_backed_up.store(is_backed_up, Ordering::Release);
        }
    }

    fn push(&self, state: &mut State<W>, frame: Frame, is_ephemeral: bool) {
        if state.is_closed {
            return;
        }
        state.bytes += frame.len();
        state.ephemerals += usize::from(is_ephemeral);
        self.gauge
            .add(i64::try_from(frame.len()).unwrap_or(i64::MAX));
        state.queue.push(Queued {
            frame,
            is_ephemeral,
        });
        self.judge(state);
    }

    fn has_space(&self, state: &State<W>, bytes: usize) -> bool {
        // An empty outbox takes any frame: a pause ends only when something has been written.
        state.queue.is_empty()
            || state.queue.len() < self.bounds.frames && state.bytes + bytes <= self.bounds.bytes
    }

    fn drop_ephemerals(&self, state: &mut State<W>) {
        if state.ephemerals == 0 {
            return;
        }
        let mut bytes = 0;
        state.queue.retain(|queued| {
            if queued.is_ephemeral {
                bytes += queued.frame.len();
            }
            !queued.is_ephemeral
        });
        state.ephemerals = 0;
        state.bytes -= bytes;
        self.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes with one system call as much of the queue as the wire takes.
fn write_once(wire: &impl Wire, queue: &WriteQueue<Queued>) -> io::Result<usize> {
    TOGETHER.with_borrow_mut(|buffer| {
        buffer.clear();
        if queue.copy_to(buffer, TOGETHER_BYTES) {
            return wire.write(buffer);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = queue.slices(&mut slices);
        wire.write_list(&slices[..count])
    })
}

impl<W> Drop for Outbox<W> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.gauge
            .sub(i64::try_from(state.bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::protocol::Position;

    /// A wire that takes so many bytes; `None` is broken.
    #[derive(Debug, Default)]
    struct Page {
        space: Mutex<Option<usize>>,
        read: Mutex<Vec<u8>>,
    }

    impl Wire for Arc<Page> {
        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            self.write_list(&[IoSlice::new(bytes)])
        }

        fn write_list(&self, list: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut space = self.space.lock().unwrap();
            let left = space.as_mut().ok_or(ErrorKind::BrokenPipe)?;
            if *left == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let bytes: Vec<u8> = list.iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = bytes.len().min(*left);
            *left -= taken;
            self.read.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
    }

    impl Page {
        fn takes(&self, bytes: usize) {
            *self.space.lock().unwrap() = Some(bytes);
        }

        /// Returns the texts that were read since the last time.
        fn texts(&self) -> Vec<String> {
            let bytes = std::mem::take(&mut *self.read.lock().unwrap());
            let mut rest = &bytes[..];
            let mut texts = Vec::new();
            while let [_, length, tail @ ..] = rest {
                let (text, more) = tail.split_at(usize::from(*length));
                texts.push(String::from_utf8_lossy(text).into_owned());
                rest = more;
            }
            texts
        }
    }

    fn outbox(frames: usize) -> (Outbox<Arc<Page>>, Arc<Page>) {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        outbox_on(frames, gauge)
    }

    fn outbox_on(frames: usize, gauge: IntGauge) -> (Outbox<Arc<Page>>, Arc<Page>) {
        let page = Arc::<Page>::default();
        page.takes(usize::MAX);
        let bounds = Bounds {
            frames,
            bytes: 1024,
        };
        (Outbox::new(Arc::clone(&page), bounds, gauge), page)
    }

    /// Returns true if the task would be woken.
    async fn is_told(outbox: &Outbox<Arc<Page>>) -> bool {
        let news = poll_fn(|context| outbox.poll_news(context));
        tokio::time::timeout(Duration::from_secs(1), news)
            .await
            .is_ok()
    }

    fn line(seq: u64) -> Line {
        let position = Position { epoch: None, seq };
        Line {
            position,
            frame: Frame::text(&format!("{seq:02}")),
            at: Some(seq),
        }
    }

    fn room() -> RoomName {
        RoomName::parse("a").unwrap()
    }

    #[test]
    fn a_stream_pauses_at_the_bound_and_goes_on_at_half() {
        let (outbox, page) = outbox(4);
        let lines: Vec<_> = (1..=6).map(line).collect();
        assert_eq!(outbox.stream(&room(), &lines), 4);
        assert!(outbox.is_backed_up());
        page.takes(4);
        let flushed = outbox.flush().unwrap();
        assert_eq!((flushed.oldest, flushed.drained), (None, Vec::new()));
        assert!(flushed.blocked_since.is_some());
        assert!(!outbox.is_backed_up());
        page.takes(4);
        let flushed = outbox.flush().unwrap();
        assert_eq!((flushed.oldest, flushed.drained), (None, vec![room()]));
        page.takes(usize::MAX);
        let flushed = outbox.flush().unwrap();
        assert_eq!((flushed.oldest, flushed.blocked_since), (Some(1), None));
        assert_eq!(page.texts(), ["01", "02", "03", "04"]);
    }

    #[tokio::test(start_paused = true)]
    async fn others_write_what_they_queued_and_wake_the_task_only_for_the_rest() {
        let (outbox, page) = outbox(8);
        let is_told = async || is_told(&outbox).await;
        outbox.stream(&room(), &[line(1), line(2)]);
        assert_eq!(outbox.write(), Some(1));
        assert_eq!(page.texts(), ["01", "02"]);
        assert_eq!(outbox.write(), None, "nothing is left");
        assert!(!is_told().await);

        page.takes(6);
        outbox.stream(&room(), &[line(3), line(4)]);
        assert_eq!(outbox.write(), None);
        assert!(is_told().await, "half a frame is left");
        page.takes(usize::MAX);
        outbox.stream(&room(), &[line(5)]);
        assert_eq!(outbox.write(), None, "the task alone waits for the page");
        assert!(!is_told().await);
        assert_eq!(outbox.flush().unwrap().oldest, Some(3));
        assert_eq!(page.texts(), ["03", "04", "05"]);

        *page.space.lock().unwrap() = None;
        outbox.stream(&room(), &[line(6)]);
        assert_eq!(outbox.write(), None);
        assert!(is_told().await, "the session is lost");
        outbox.flush().unwrap_err();
        outbox.shut();
        outbox.flush().unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_delivers_past_the_queue_while_nothing_waits() {
        let (outbox, page) = outbox(4);
        let is_told = async || is_told(&outbox).await;
        let lines: Vec<_> = (1..=3).map(line).collect();
        assert_eq!(outbox.deliver(&room(), &Run::new(&lines)), (3, Some(1)));
        assert_eq!(page.texts(), ["01", "02", "03"]);
        let far = Instant::now() + Duration::from_secs(60);
        outbox.answer_by(Frame::text("answer"), far);
        assert_eq!(outbox.deliver(&room(), &Run::new(&lines)), (3, Some(1)));
        assert_eq!(page.texts(), ["answer", "01", "02", "03"]);
        assert!(!is_told().await, "nothing is left to be done");

        page.takes(6);
        assert_eq!(outbox.deliver(&room(), &Run::new(&lines)), (3, None));
        assert!(is_told().await, "one and a half are left");
        page.takes(usize::MAX);
        assert_eq!(outbox.deliver(&room(), &Run::new(&lines)), (2, None));
        assert_eq!(outbox.flush().unwrap().oldest, Some(1));
        assert_eq!(page.texts(), ["01", "02", "03", "01", "02"]);

        let many: Vec<_> = (1..=5).map(line).collect();
        assert_eq!(outbox.deliver(&room(), &Run::new(&many)), (4, None));
        assert!(is_told().await, "a room has paused");
        assert_eq!(outbox.flush().unwrap().drained, [room()]);
        assert_eq!(page.texts(), ["01", "02", "03", "04"]);
        *page.space.lock().unwrap() = None;
        assert_eq!(outbox.deliver(&room(), &Run::new(&lines)), (3, None));
        assert!(is_told().await, "the session is lost");
        outbox.flush().unwrap_err();
    }

    #[test]
    fn ephemeral_frames_give_way_to_messages_and_answers_are_never_refused() {
        let (outbox, page) = outbox(2);
        assert!(outbox.ephemeral(&Frame::text("t1")));
        assert!(outbox.ephemeral(&Frame::text("t2")));
        assert!(!outbox.ephemeral(&Frame::text("t3")));
        assert_eq!(outbox.stream(&room(), &[line(1), line(2), line(3)]), 2);
        outbox.answer(Frame::text("answer"));
        outbox.flush().unwrap();
        assert_eq!(page.texts(), ["01", "02", "answer"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_may_wait_leaves_with_what_comes_next_or_at_its_time() {
        let (outbox, page) = outbox(8);
        let until = Instant::now() + Duration::from_millis(1);
        outbox.answer_by(Frame::text("answer"), until);
        assert_eq!(outbox.flush().unwrap().held_until, Some(until));
        assert_eq!(outbox.stream(&room(), &[line(7)]), 1);
        assert_eq!(outbox.write(), Some(7));
        assert_eq!(page.texts(), ["answer", "07"]);
        outbox.answer_by(Frame::text("answer"), until);
        assert_eq!(outbox.flush().unwrap().held_until, Some(until));
        assert_eq!(page.texts(), [""; 0]);
        outbox.hold_no_longer(Instant::now());
        assert!(!is_told(&outbox).await);
        tokio::time::advance(Duration::from_millis(1)).await;
        outbox.hold_no_longer(Instant::now());
        assert!(is_told(&outbox).await);
        assert_eq!(outbox.flush().unwrap(), Flushed::default());
        assert_eq!(page.texts(), ["answer"]);
    }

    #[test]
    fn behind_what_waits_nothing_is_held() {
        let (outbox, page) = outbox(8);
        let far = Instant::now() + Duration::from_secs(60);
        outbox.answer(Frame::text("first"));
        outbox.answer_by(Frame::text("second"), far);
        assert_eq!(outbox.flush().unwrap(), Flushed::default());
        assert_eq!(page.texts(), ["first", "second"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_news_are_missed() {
        let (outbox, _page) = outbox(8);
        let is_told = async || is_told(&outbox).await;
        assert!(!is_told().await);
        outbox.answer(Frame::text("before"));
        outbox.nudge();
        assert!(is_told().await);
        assert!(!is_told().await, "told once");
        let (told, ()) = tokio::join!(is_told(), async {
            tokio::task::yield_now().await;
            outbox.nudge();
        });
        assert!(told);
    }

    #[test]
    fn nothing_is_queued_behind_the_close_frame() {
        let (outbox, page) = outbox(8);
        outbox.close(Frame::close(1012, "drain"));
        outbox.answer(Frame::text("answer"));
        outbox.ephemeral(&Frame::text("typing"));
        assert_eq!(outbox.stream(&room(), &[line(1)]), 1);
        outbox.flush().unwrap();
        assert_eq!(page.texts().len(), 1);
    }

    #[test]
    fn an_empty_outbox_takes_a_line_of_any_size() {
        let (outbox, page) = outbox(4);
        let huge = Line {
            frame: Frame::text(&"x".repeat(20_000)),
            ..line(1)
        };
        assert_eq!(outbox.stream(&room(), &[huge.clone(), huge.clone()]), 1);
        assert_eq!(outbox.write(), None, "its room may go on");
        assert_eq!(page.read.lock().unwrap()[..], huge.frame.bytes()[..]);
        assert_eq!(outbox.flush().unwrap().drained, vec![room()]);
    }

    #[test]
    fn the_gauge_ends_at_zero() {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        let (outbox, page) = outbox_on(8, gauge.clone());
        outbox.answer(Frame::text("one"));
        outbox.answer(Frame::text("two"));
        assert_eq!(gauge.get(), 10);
        page.takes(5);
        outbox.flush().unwrap();
        assert_eq!(gauge.get(), 5);
        drop(outbox);
        assert_eq!(gauge.get(), 0);
    }
}

//! Frames that wait for the page, written together.
//!
//! One write takes as many of them as fit into a system call; what a partial write left over is remembered to the byte.
//! An empty queue holds little memory, whatever burst went through it.

use std::{collections::VecDeque, io::IoSlice};

use super::Frame;

/// Frames that go into one vectored write at most.
///
/// Beyond it a longer list saves nothing: the cost of the system call is spread thin, and a list of 64 takes 1 KiB of
/// the stack.
pub const MAX_SLICES: usize = 64;

/// Slots that an empty queue keeps: enough for a trickle of messages, 256 bytes at rest.
const KEPT_SLOTS: usize = 8;

/// The frames that a session is writing, oldest first, with what their owner notes beside each.
#[derive(Debug)]
pub struct WriteQueue<F = Frame> {
    frames: VecDeque<F>,
    /// Bytes of the first frame that are already written.
    offset: usize,
}

impl<F> Default for WriteQueue<F> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            offset: 0,
        }
    }
}

impl<F: AsRef<[u8]>> WriteQueue<F> {
    /// Makes an empty queue, without allocating.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, frame: F) {
        self.frames.push_back(frame);
    }

    /// Drops the frames that are not to be kept, but none that is written in part.
    pub fn retain(&mut self, mut keep: impl FnMut(&F) -> bool) {
        let mut is_begun = self.is_mid_frame();
        self.frames
            .retain(|frame| std::mem::take(&mut is_begun) || keep(frame));
    }

    /// Gives the memory of an empty queue back: the session is silent.
    pub fn rest(&mut self) {
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }

    /// Returns true if everything is written.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns the number of frames that are not yet written whole.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns true if the first frame is written in part, so that no other may be written before its rest.
    pub fn is_mid_frame(&self) -> bool {
        self.offset > 0
    }

    /// Copies what is to be written next behind `buffer`'s content, if all that waits is at most `most` bytes; returns
    /// false, and copies nothing, if it is more.
    pub fn copy_to(&self, buffer: &mut Vec<u8>, most: usize) -> bool {
        let bytes: usize = self.frames.iter().map(|frame| frame.as_ref().len()).sum();
        let fits = bytes <= most + self.offset;
        if fits {
            let mut skip = self.offset;
            for frame in &self.frames {
                buffer.extend_from_slice(&frame.as_ref()[skip..]);
                skip = 0;
            }
        }
        fits
    }

    /// Points `slices` at what is to be written next and returns how many of them it used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(frame.as_ref());
        }
        if let Some(first) = self.frames.front() {
            slices[0] = IoSlice::new(&first.as_ref()[self.offset..]);
        }
        self.frames.len().min(MAX_SLICES)
    }

    /// Takes `written` bytes off the front and returns the number of frames that this completed.
    ///
    /// `written` is what a write of [`slices`](Self::slices) returned; more than what waits counts as all of it.
    pub fn advance(&mut self, written: usize) -> usize {
        let before = self.frames.len();
        self.offset += written;
        while let Some(first) = self.frames.front()
            && self.offset >= first.as_ref().len()
        {
            self.offset -= first.as_ref().len();
            self.frames.pop_front();
        }
        let completed = before - self.frames.len();
        if self.frames.is_empty() {
            self.offset = 0;
            if self.frames.capacity() > KEPT_SLOTS {
                self.frames = VecDeque::new();
            }
        }
        completed
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Returns what one vectored write is given.
    fn offered(queue: &WriteQueue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = queue.slices(&mut slices);
        assert!(slices[used..].iter().all(|slice| slice.is_empty()));
        slices[..used]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect()
    }

    #[test]
    fn a_partial_write_goes_on_at_the_byte() {
        let mut queue = WriteQueue::new();
        assert_eq!(offered(&queue), b"");
        for text in ["ab", "cde", "f"] {
            queue.push(Frame::text(text));
        }
        let copied = |queue: &WriteQueue, most| {
            let mut buffer = b">".to_vec();
            let fits = queue.copy_to(&mut buffer, most);
            (fits, buffer.split_off(1))
        };
        for (written, completed, left) in [
            (0, 0, &b"\x81\x02ab\x81\x03cde\x81\x01f"[..]),
            (3, 0, b"b\x81\x03cde\x81\x01f"),
            (1, 1, b"\x81\x03cde\x81\x01f"),
            (6, 1, b"\x01f"),
            (2, 1, b""),
        ] {
            assert_eq!(queue.advance(written), completed);
            assert_eq!(offered(&queue), left);
            assert_eq!(copied(&queue, left.len()), (true, left.to_vec()));
            if let Some(less) = left.len().checked_sub(1) {
                assert_eq!(copied(&queue, less), (false, Vec::new()));
            }
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn a_write_takes_at_most_64_frames_and_a_burst_gives_its_memory_back() {
        let frame = Frame::text("x");
        let mut queue = WriteQueue::new();
        std::iter::repeat_n(frame.clone(), 1000).for_each(|frame| queue.push(frame));
        assert_eq!(offered(&queue).len(), MAX_SLICES * frame.len());
        assert_eq!(queue.advance(1000 * frame.len()), 1000);
        assert_eq!(queue.frames.capacity(), 0);

        queue.push(frame.clone());
        assert_eq!(queue.advance(frame.len()), 1);
        assert!((1..=KEPT_SLOTS).contains(&queue.frames.capacity()));
    }

    #[test]
    fn the_rest_of_a_frame_is_announced() {
        let mut queue = WriteQueue::new();
        queue.push(Frame::text("ab"));
        assert!(!queue.is_mid_frame());
        queue.advance(1);
        assert!(queue.is_mid_frame());
        queue.advance(3);
        assert!(!queue.is_mid_frame());
    }

    #[test]
    fn what_is_written_in_part_is_kept() {
        let mut queue = WriteQueue::new();
        for text in ["ab", "cd", "ef"] {
            queue.push(Frame::text(text));
        }
        queue.advance(1);
        queue.retain(|frame| frame.bytes().ends_with(b"ef"));
        assert_eq!(offered(&queue), b"\x02ab\x81\x02ef");
        queue.advance(3);
        queue.retain(|_| false);
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn any_partial_writes_give_the_same_bytes(
            texts in vec(".{0,40}", 0..200),
            writes in vec(1_usize..600, 1..50),
        ) {
            let mut queue = WriteQueue::new();
            let mut want = Vec::new();
            for text in &texts {
                let frame = Frame::text(text);
                want.extend_from_slice(frame.bytes());
                queue.push(frame);
            }
            let (mut got, mut completed) = (Vec::new(), 0);
            for most in writes.iter().cycle() {
                if queue.is_empty() {
                    break;
                }
                let offered = offered(&queue);
                let written = offered.len().min(*most);
                prop_assert!(written > 0, "a queue that is not empty offers nothing");
                got.extend_from_slice(&offered[..written]);
                completed += queue.advance(written);
            }
            prop_assert_eq!(got, want);
            prop_assert_eq!(completed, texts.len());
        }
    }
}

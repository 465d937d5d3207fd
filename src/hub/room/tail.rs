//! The last lines a room delivered, kept to answer those who come back.
//!
//! What is kept is contiguous: every entry above the floor and up to the room's position is here.

use std::collections::VecDeque;

use crate::hub::seat::Line;

/// How much is kept.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Lines kept while nobody catches up.
    pub(super) rest_lines: usize,
    /// Bytes kept while nobody catches up.
    pub(super) rest_bytes: usize,
    /// Lines kept while a read is in flight: all that came since it began, unless the room is faster than any reader.
    pub(super) held_lines: usize,
    /// Bytes kept while a read is in flight.
    pub(super) held_bytes: usize,
}

/// The bounds of every room.
pub(super) const TAIL: Bounds = Bounds {
    rest_lines: 128,
    rest_bytes: 128 * 1024,
    held_lines: 4096,
    held_bytes: 4 * 1024 * 1024,
};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tail {
    bounds: &'static Bounds,
    lines: VecDeque<Line>,
    bytes: usize,
    floor: u64,
}

impl Tail {
    /// Makes an empty tail behind 0.
    pub(super) fn new(bounds: &'static Bounds) -> Self {
        Self {
            bounds,
            lines: VecDeque::new(),
            bytes: 0,
            floor: 0,
        }
    }

    /// Forgets all and begins behind `floor`.
    pub(super) fn reset(&mut self, floor: u64) {
        self.lines = VecDeque::new();
        self.bytes = 0;
        self.floor = floor;
    }

    /// Forgets what lies above `seq`.
    pub(super) fn cut(&mut self, seq: u64) {
        while self
            .lines
            .back()
            .is_some_and(|line| line.position.seq > seq)
        {
            if let Some(line) = self.lines.pop_back() {
                self.bytes -= line.frame.len();
            }
        }
        self.floor = self.floor.min(seq);
    }

    /// Adds the line after the newest; `held` keeps more, for a read in flight.
    pub(super) fn push(&mut self, line: Line, held: bool) {
        self.bytes += line.frame.len();
        self.lines.push_back(line);
        if held {
            self.shrink(self.bounds.held_lines, self.bounds.held_bytes);
        } else {
            self.rest();
        }
    }

    /// Takes lines that lead up to the oldest one, as far as they follow each other and fit at rest: whoever comes back
    /// from there next needs no read.
    pub(super) fn adopt(&mut self, older: &[Line]) {
        for line in older.iter().rev() {
            let (seq, bytes) = (line.position.seq, line.frame.len());
            if seq > self.floor {
                continue;
            }
            let fits = self.lines.len() < self.bounds.rest_lines
                && self.bytes + bytes <= self.bounds.rest_bytes;
            if seq < self.floor || !fits {
                break;
            }
            self.bytes += bytes;
            self.lines.push_front(line.clone());
            self.floor = seq - 1;
        }
    }

    /// Keeps what is kept while nobody catches up.
    pub(super) fn rest(&mut self) {
        self.shrink(self.bounds.rest_lines, self.bounds.rest_bytes);
    }

    fn shrink(&mut self, lines: usize, bytes: usize) {
        while self.lines.len() > lines || self.bytes > bytes {
            let Some(line) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= line.frame.len();
            self.floor = line.position.seq;
        }
    }

    /// Returns true if all that follows `seq` is kept.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        seq >= self.floor
    }

    /// Returns the lines above `seq`, or `None` if some of them are gone.
    pub(super) fn after(&mut self, seq: u64) -> Option<&[Line]> {
        if !self.reaches(seq) {
            return None;
        }
        let start = self.lines.partition_point(|line| line.position.seq <= seq);
        Some(&self.lines.make_contiguous()[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Epoch, Frame, Position};

    const SMALL: Bounds = Bounds {
        rest_lines: 2,
        rest_bytes: 100,
        held_lines: 4,
        held_bytes: 200,
    };

    fn line(seq: u64, bytes: usize) -> Line {
        let position = Position::new(Epoch::parse("a").unwrap(), seq);
        Line {
            position,
            frame: Frame::text(&"x".repeat(bytes)),
            at: Some(seq),
        }
    }

    fn seqs(tail: &mut Tail, after: u64) -> Option<Vec<u64>> {
        tail.after(after)
            .map(|lines| lines.iter().map(|line| line.position.seq).collect())
    }

    #[test]
    fn keeps_more_while_a_read_is_in_flight() {
        let mut tail = Tail::new(&SMALL);
        (1..=5).for_each(|seq| tail.push(line(seq, 1), true));
        assert_eq!(seqs(&mut tail, 0), None);
        assert_eq!(seqs(&mut tail, 1), Some(vec![2, 3, 4, 5]));
        assert_eq!(seqs(&mut tail, 5), Some(vec![]));
        tail.rest();
        assert_eq!(
            (seqs(&mut tail, 2), seqs(&mut tail, 3)),
            (None, Some(vec![4, 5]))
        );
    }

    #[test]
    fn is_bounded_in_bytes_too() {
        let mut tail = Tail::new(&SMALL);
        (1..=3).for_each(|seq| tail.push(line(seq, 60), false));
        assert_eq!(
            (seqs(&mut tail, 1), seqs(&mut tail, 2)),
            (None, Some(vec![3]))
        );
        tail.push(line(4, 500), false);
        assert_eq!((seqs(&mut tail, 3), tail.bytes), (None, 0));
        assert_eq!(seqs(&mut tail, 4), Some(vec![]));
    }

    #[test]
    fn what_was_read_is_kept_as_far_as_it_follows_and_fits() {
        let older = [3, 5, 6, 7, 8].map(|seq| line(seq, 1));
        let mut tail = Tail::new(&Bounds {
            rest_lines: 4,
            ..SMALL
        });
        tail.reset(7);
        tail.push(line(8, 1), false);
        tail.adopt(&older);
        assert_eq!(seqs(&mut tail, 4), Some(vec![5, 6, 7, 8]));
        assert_eq!(seqs(&mut tail, 3), None, "4 is a hole");
        tail.push(line(9, 1), false);
        tail.adopt(&older);
        assert_eq!(seqs(&mut tail, 5), Some(vec![6, 7, 8, 9]));
        assert_eq!(seqs(&mut tail, 4), None, "it is full");
        tail.reset(2);
        tail.adopt(&older);
        assert_eq!(
            (seqs(&mut tail, 2), seqs(&mut tail, 1)),
            (Some(vec![]), None)
        );
    }

    #[test]
    fn a_cut_forgets_what_lies_above() {
        let mut tail = Tail::new(&SMALL);
        tail.reset(10);
        (11..=12).for_each(|seq| tail.push(line(seq, 1), false));
        tail.cut(11);
        assert_eq!(
            (seqs(&mut tail, 9), seqs(&mut tail, 10)),
            (None, Some(vec![11]))
        );
        tail.cut(5);
        assert_eq!(
            (seqs(&mut tail, 4), seqs(&mut tail, 5)),
            (None, Some(vec![]))
        );
        assert_eq!(tail.bytes, 0);
    }
}

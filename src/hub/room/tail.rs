//! The last lines a room delivered, kept to answer those who come back.
//!
//! What is kept is contiguous: every entry above the floor and up to the room's position is here.

use std::collections::VecDeque;

use crate::hub::seat::Line;

/// Lines kept while nobody catches up.
const REST_LINES: usize = 128;
/// Bytes kept while nobody catches up.
const REST_BYTES: usize = 128 * 1024;
/// Lines kept while a read is in flight: all that came since it began, unless the room is faster than any reader.
const HELD_LINES: usize = 4096;
/// Bytes kept while a read is in flight.
const HELD_BYTES: usize = 4 * 1024 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<Line>,
    bytes: usize,
    floor: u64,
}

impl Tail {
    /// Forgets all and begins behind `floor`.
    pub(super) fn reset(&mut self, floor: u64) {
        self.lines = VecDeque::new();
        self.bytes = 0;
        self.floor = floor;
    }

    /// Forgets what lies above `seq`.
    pub(super) fn cut(&mut self, seq: u64) {
        while self.lines.back().is_some_and(|line| line.position.seq > seq) {
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
        let (lines, bytes) = if held { (HELD_LINES, HELD_BYTES) } else { (REST_LINES, REST_BYTES) };
        while self.lines.len() > lines || self.bytes > bytes {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.frame.len();
            self.floor = line.position.seq;
        }
    }

    /// Returns the lines above `seq`, or `None` if some of them are gone.
    pub(super) fn after(&mut self, seq: u64) -> Option<&[Line]> {
        if seq < self.floor {
            return None;
        }
        let start = self.lines.partition_point(|line| line.position.seq <= seq);
        Some(&self.lines.make_contiguous()[start..])
    }
}

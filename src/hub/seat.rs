//! A member as its room sees it: a place that takes frames.

use crate::protocol::{Frame, Position, RoomName, User};

/// Names a session on this node for as long as the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId(pub u64);

/// One frame of a room's stream, encoded once and shared by all members.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where a member stands after this frame.
    pub position: Position,
    /// The frame: `message`, `gap` or `epoch`.
    pub frame: Frame,
    /// Unix milliseconds of the message; `None` for `gap` and `epoch`.
    pub at: Option<u64>,
}

/// Bytes of several frames that are put together at most; a single frame is never copied.
const JOINED_BYTES: usize = 8 * 1024;

/// Lines for many members, and their frames as they lie one behind the other on the wire, put together once for all.
#[derive(Debug)]
pub struct Run<'a> {
    lines: &'a [Line],
    joined: Vec<u8>,
}

impl<'a> Run<'a> {
    /// Puts lines together.
    #[must_use]
    pub fn new(lines: &'a [Line]) -> Self {
        let bytes: usize = lines.iter().map(|line| line.frame.len()).sum();
        let mut joined = Vec::new();
        if lines.len() > 1 && bytes <= JOINED_BYTES {
            joined.reserve_exact(bytes);
            for line in lines {
                joined.extend_from_slice(line.frame.as_ref());
            }
        }
        Self { lines, joined }
    }

    /// Returns the lines.
    #[must_use]
    pub fn lines(&self) -> &'a [Line] {
        self.lines
    }

    /// Returns the bytes of all frames; `None` if there are none, or too many to be put together.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self.lines {
            [line] => Some(line.frame.as_ref()),
            _ => Some(&self.joined[..]).filter(|bytes| !bytes.is_empty()),
        }
    }
}

/// Where a member's frames go. No method blocks.
pub trait Seat: Send + Sync {
    /// Returns the session's name on this node.
    fn id(&self) -> SeatId;

    /// Returns who sits here.
    fn user(&self) -> User;

    /// Takes an answer; it is never refused.
    fn answer(&self, frame: Frame);

    /// Takes frames of a room's stream in order and returns how many; fewer than given means that the outbox is full
    /// and that the hub hears of it when it has drained. They stay where they are until [`Seat::write`] or
    /// [`Seat::wake`].
    fn stream(&self, room: &RoomName, lines: &[Line]) -> usize;

    /// Writes what was taken, as far as the page takes it now; the session's task does the rest. Returns the `at` of
    /// the oldest message of it if nothing is left.
    fn write(&self) -> Option<u64>;

    /// Takes lines as [`Seat::stream`] does and writes as [`Seat::write`] does; returns what both return.
    fn deliver(&self, room: &RoomName, run: &Run<'_>) -> (usize, Option<u64>);

    /// Has the session's task write what was taken.
    fn wake(&self);

    /// Takes a frame that may be dropped.
    fn ephemeral(&self, frame: &Frame);

    /// Hears that the hub gave the membership up: the join could not be served.
    fn expelled(&self, room: &RoomName);
}

impl std::fmt::Debug for dyn Seat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Seat({})", self.id().0)
    }
}

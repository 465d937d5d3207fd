//! Encodes the frames of a room's stream, each once for all members.

use super::seat::Line;
use crate::broker::Entry;
use crate::protocol::{
    Answer, Epoch, FRAME_BYTES, Frame, FrameBuilder, GapReason, Position, RoomName, Spliced, splice,
};

/// Encodes an answer.
#[must_use]
pub fn frame(answer: &Answer<'_>) -> Frame {
    let mut builder = FrameBuilder::with_capacity(256);
    serde_json::to_writer(&mut builder, answer).expect("an answer of valid messages becomes JSON");
    builder.finish()
}

/// Encodes an entry as a `message`; the second value tells what became of its content.
pub fn message(room: &RoomName, entry: &Entry) -> (Line, Spliced) {
    let Entry { epoch, seq, at, m } = entry;
    let bytes = FRAME_BYTES + room.as_str().len() + epoch.as_str().len() + m.len();
    let mut builder = FrameBuilder::with_capacity(bytes);
    let spliced = splice(room, epoch, *seq, *at, m, &mut builder);
    (
        Line {
            position: Position::new(epoch.clone(), *seq),
            frame: builder.finish(),
            at: Some(*at),
        },
        spliced,
    )
}

/// Encodes a gap; a member stands behind it afterwards.
#[must_use]
pub fn gap(room: &RoomName, epoch: &Epoch, from: u64, to: u64, reason: GapReason) -> Line {
    let frame = frame(&Answer::Gap {
        room,
        epoch,
        from,
        to,
        reason,
    });
    Line {
        position: Position::new(epoch.clone(), to),
        frame,
        at: None,
    }
}

/// Encodes the withdrawal of everything above `cut`.
#[must_use]
pub fn rewind(room: &RoomName, cut: Position) -> Line {
    let frame = frame(&Answer::Epoch {
        room,
        epoch: cut.epoch.as_ref(),
        from: cut.seq + 1,
    });
    Line {
        position: cut,
        frame,
        at: None,
    }
}

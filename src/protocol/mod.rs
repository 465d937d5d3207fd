//! Words of the wire: frames, values, errors and close codes.
//!
//! Pure code without state or I/O. `docs/protocol.md` says the same for people who write a page or a bot, and
//! tests hold the two together.
//!
//! | file | idea |
//! | --- | --- |
//! | `request.rs`, `fields.rs`, `refused.rs` | frames to a node: parsed, checked, refused |
//! | `answer.rs`, `reasons.rs` | frames to a page: encoded |
//! | `entry.rs` | what the log keeps, and the `message` frame spliced from it |
//! | `errors.rs`, `close.rs` | the tables of error and close codes |
//! | `names.rs`, `characters.rs`, `text.rs`, `ids.rs`, `values.rs` | values in canonical form |
//! | `frames.rs` | every frame with its fields, as data for the tests of the documents |

mod answer;
mod characters;
mod close;
mod entry;
mod errors;
mod fields;
mod frames;
mod ids;
mod names;
mod reasons;
mod refused;
mod request;
mod text;
mod values;

pub use answer::{Answer, Messages, SessionLimits};
pub use close::CloseCode;
pub use entry::{FRAME_BYTES, Spliced, UNREADABLE, encode_m, splice};
pub use errors::ErrorCode;
pub use frames::{Direction, FRAMES, FieldDoc, FrameDoc, OBJECTS, ObjectDoc};
pub use ids::{Epoch, IdFault, Key, MAX_ID_BYTES, NodeId, SessionId, UserId};
pub use names::{MAX_NAME, NameFault, RoomName, UserName};
pub use reasons::{DegradedReason, GapReason, LeftReason, ReconnectReason};
pub use refused::{Refused, RequestId};
pub use request::{
    HISTORY_LIMIT, JOIN_LIMIT, Limits, MAX_HISTORY_LIMIT, MAX_JOIN_LIMIT, MAX_MEMBERS_LIMIT,
    MEMBERS_LIMIT, Range, Request,
};
pub use text::{DEFAULT_TEXT_LIMIT, Text, TextFault};
pub use values::{MAX_SEQ, Position, PositionFault, User, millis};

pub use crate::session::codec::{Frame, FrameBuilder};

/// The WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "madang.v1";

/// How long a `typing` frame is valid, in milliseconds.
pub const TYPING_VALID_MS: u64 = 6_000;

/// How many members `joined` names at most.
pub const JOINED_MEMBERS: usize = 100;

#[cfg(test)]
mod documents;

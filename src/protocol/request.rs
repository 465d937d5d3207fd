//! What a page asks: the frames to a node, parsed and checked.
//!
//! Parsing knows no state: whether the session has joined the room, or may do what it asks, is decided later.
//! Arbitrary input is refused with its fault, never more.

use std::fmt;

use super::errors::ErrorCode;
use super::fields::Fields;
use super::frames::{Direction, FRAMES};
use super::ids::Key;
use super::names::{MAX_NAME, RoomName, UserName};
use super::refused::{Refused, RequestId};
use super::text::{DEFAULT_TEXT_LIMIT, Text};
use super::values::Position;

/// How many missed entries `join` sends unless it says otherwise.
pub const JOIN_LIMIT: usize = 200;
/// How many missed entries `join` can ask for.
pub const MAX_JOIN_LIMIT: usize = 1_000;
/// How many entries `history` sends unless it says otherwise.
pub const HISTORY_LIMIT: usize = 50;
/// How many entries `history` can ask for.
pub const MAX_HISTORY_LIMIT: usize = 200;
/// How many members `members` sends unless it says otherwise.
pub const MEMBERS_LIMIT: usize = 100;
/// How many members `members` can ask for.
pub const MAX_MEMBERS_LIMIT: usize = 500;

/// Bounds of requests that an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in code points.
    pub text: usize,
    /// The longest name, in code points; at most [`MAX_NAME`].
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text: DEFAULT_TEXT_LIMIT,
            names: MAX_NAME,
        }
    }
}

/// Which part of a room's history is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// The newest entries.
    Newest,
    /// The newest entries below this position, exclusive.
    Before(Position),
    /// The oldest entries above this position, exclusive.
    After(Position),
}

/// One checked frame from a page.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Says who speaks; the first frame of a session.
    Hello {
        /// What `welcome` gave an earlier session, to keep its user; opaque.
        token: Option<String>,
        /// The name that is asked for.
        name: Option<UserName>,
        /// The page or program and its version, for logs.
        client: Option<String>,
        /// Optional abilities that the page has.
        features: Vec<String>,
        /// How long ago the page was told to come back for `rebalance`, in milliseconds.
        moved_ms: Option<u64>,
    },
    /// Asks for a sign of life.
    Ping {
        /// Repeated in `pong`.
        id: RequestId,
    },
    /// Becomes a member of a room.
    Join {
        /// Repeated in the answer, as in all others.
        id: RequestId,
        /// The room.
        room: RoomName,
        /// How far the page has come before; it gets what it missed.
        after: Option<Position>,
        /// How many missed entries at most.
        limit: usize,
    },
    /// Ends the membership.
    Leave {
        /// Repeated in the answer.
        id: RequestId,
        /// The room.
        room: RoomName,
    },
    /// Says something.
    Send {
        /// Repeated in the answer.
        id: RequestId,
        /// The room.
        room: RoomName,
        /// The text in canonical form.
        text: String,
        /// The same when the message is sent again.
        key: Key,
    },
    /// Asks for numbered entries.
    History {
        /// Repeated in the answer.
        id: RequestId,
        /// The room.
        room: RoomName,
        /// Which entries.
        range: Range,
        /// How many at most.
        limit: usize,
    },
    /// Asks for the members of a room, by pages.
    Members {
        /// Repeated in the answer.
        id: RequestId,
        /// The room.
        room: RoomName,
        /// Where the last page ended, from its answer.
        cursor: Option<String>,
        /// How many at most.
        limit: usize,
    },
    /// Tells the others that the user is typing; has no answer.
    Typing {
        /// The room.
        room: RoomName,
    },
    /// Changes the user's name.
    Rename {
        /// Repeated in the answer.
        id: RequestId,
        /// The new name.
        name: UserName,
    },
}

impl Request {
    /// Parses one text frame.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Refused> {
        let fields = Fields::read(text, limits)?;
        let kind = fields.kind();
        match kind.as_deref() {
            Some("hello") => Ok(Self::Hello {
                token: fields.token()?,
                name: fields.name()?,
                client: fields.client()?,
                features: fields.features()?,
                moved_ms: fields.moved_ms()?,
            }),
            Some("ping") => Ok(Self::Ping { id: fields.id()? }),
            Some("join") => Ok(Self::Join {
                id: fields.id()?,
                room: fields.room()?,
                after: fields.after()?,
                limit: fields.limit(JOIN_LIMIT, MAX_JOIN_LIMIT)?,
            }),
            Some("leave") => Ok(Self::Leave {
                id: fields.id()?,
                room: fields.room()?,
            }),
            Some("send") => send(&fields, limits),
            Some("history") => Ok(Self::History {
                id: fields.id()?,
                room: fields.room()?,
                range: range(&fields)?,
                limit: fields.limit(HISTORY_LIMIT, MAX_HISTORY_LIMIT)?,
            }),
            Some("members") => Ok(Self::Members {
                id: fields.id()?,
                room: fields.room()?,
                cursor: fields.cursor()?,
                limit: fields.limit(MEMBERS_LIMIT, MAX_MEMBERS_LIMIT)?,
            }),
            Some("typing") => Ok(Self::Typing {
                room: fields.room()?,
            }),
            Some("rename") => Ok(Self::Rename {
                id: fields.id()?,
                name: fields.required_name()?,
            }),
            _ => Err(fields.refuse(ErrorCode::BadType, Some("type"), known_types())),
        }
    }

    /// Returns the frame's type.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Ping { .. } => "ping",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Send { .. } => "send",
            Self::History { .. } => "history",
            Self::Members { .. } => "members",
            Self::Typing { .. } => "typing",
            Self::Rename { .. } => "rename",
        }
    }

    /// Returns the id that the answer repeats; `hello` and `typing` have none.
    pub const fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Ping { id }
            | Self::Join { id, .. }
            | Self::Leave { id, .. }
            | Self::Send { id, .. }
            | Self::History { id, .. }
            | Self::Members { id, .. }
            | Self::Rename { id, .. } => Some(id),
            Self::Hello { .. } | Self::Typing { .. } => None,
        }
    }

    /// Returns the room that the request speaks of.
    pub const fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Join { room, .. }
            | Self::Leave { room, .. }
            | Self::Send { room, .. }
            | Self::History { room, .. }
            | Self::Members { room, .. }
            | Self::Typing { room } => Some(room),
            Self::Hello { .. } | Self::Ping { .. } | Self::Rename { .. } => None,
        }
    }
}

/// Shows type, id and room only: texts and tokens never reach a log.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.kind())
            .field("id", &self.id())
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}

fn send(fields: &Fields<'_>, limits: &Limits) -> Result<Request, Refused> {
    let (id, room) = (fields.id()?, fields.room()?);
    let text = Text::parse(&fields.text()?, limits.text)
        .map_err(|fault| fields.refuse(fault.code(), Some("text"), fault.to_string()))?;
    Ok(Request::Send {
        id,
        room,
        text,
        key: fields.key()?,
    })
}

fn range(fields: &Fields<'_>) -> Result<Range, Refused> {
    match (fields.before()?, fields.after()?) {
        (None, None) => Ok(Range::Newest),
        (Some(position), None) => Ok(Range::Before(position)),
        (None, Some(position)) => Ok(Range::After(position)),
        (Some(_), Some(_)) => {
            let message = "`before` and `after` exclude each other";
            Err(fields.refuse(ErrorCode::BadField, Some("after"), message))
        }
    }
}

fn known_types() -> String {
    let known: Vec<_> = FRAMES
        .iter()
        .filter(|frame| frame.direction == Direction::ToNode)
        .map(|frame| frame.name)
        .collect();
    format!("`type` must be one of {}", known.join(", "))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;

//! What a node says: the frames to a page, encoded.
//!
//! An answer borrows what it tells and is encoded once, as the payload of a text frame. `message` frames are not
//! made here but spliced from the log (see `entry.rs`).

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::errors::ErrorCode;
use super::ids::{Epoch, NodeId, SessionId, UserId};
use super::names::RoomName;
use super::reasons::{DegradedReason, GapReason, LeftReason, ReconnectReason};
use super::refused::{Refused, RequestId};
use super::values::User;

/// What a session may do, as `welcome` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionLimits {
    /// The longest frame from a page, in bytes.
    pub frame_bytes: usize,
    /// The longest text, in code points.
    pub text: usize,
    /// The longest name of a room or user, in code points.
    pub name: usize,
    /// Rooms joined at the same time.
    pub rooms: usize,
    /// Sends per second in the long run; 0 for no limit.
    pub sends_per_second: u32,
    /// Sends at once.
    pub send_burst: u32,
    /// How long a key is remembered at least, in milliseconds.
    pub dedupe_ms: u64,
    /// How many entries of a room are kept, about.
    pub history: usize,
}

/// Encoded `message` frames, each one whole JSON object.
#[derive(Clone, Copy)]
pub struct Messages<'a>(pub &'a [Bytes]);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for message in self.0 {
            let raw: &RawValue = serde_json::from_slice(message).map_err(S::Error::custom)?;
            list.serialize_element(raw)?;
        }
        list.end()
    }
}

/// One frame to a page.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer<'a> {
    /// The session may begin.
    Welcome {
        /// Names this session in logs.
        session: &'a SessionId,
        /// Who speaks.
        user: &'a User,
        /// To be sent with the next `hello`.
        token: &'a str,
        /// True if the token of `hello` was good and the user is the one of before.
        resumed_identity: bool,
        /// The node that serves the session.
        node: &'a NodeId,
        /// What the session may do.
        limits: &'a SessionLimits,
        /// Optional abilities of the node.
        features: &'a [&'a str],
    },
    /// Answers `ping`.
    Pong {
        /// The id of the request, as in all answers.
        id: &'a RequestId,
        /// The node's time, Unix milliseconds.
        at: u64,
    },
    /// Answers `join`: the session is a member.
    Joined {
        /// The id of the request.
        id: &'a RequestId,
        /// The room.
        room: &'a RoomName,
        /// The lineage of the room's log; none if it has none.
        epoch: Option<&'a Epoch>,
        /// The last entry delivered before the stream begins, 0 for none.
        seq: u64,
        /// Members, at most 100.
        members: &'a [User],
        /// All members, in users.
        count: usize,
    },
    /// The session is a member no more.
    Left {
        /// The id of `leave`; none if nobody asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestId>,
        /// The room.
        room: &'a RoomName,
        /// Why.
        reason: LeftReason,
    },
    /// Answers `send`: the message is accepted.
    Sent {
        /// The id of the request.
        id: &'a RequestId,
        /// The room.
        room: &'a RoomName,
        /// The lineage that numbered it.
        epoch: &'a Epoch,
        /// Its number.
        seq: u64,
        /// Its time, Unix milliseconds.
        at: u64,
        /// True if an earlier send with this key was accepted; the numbers are of that one.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    /// Answers `history`.
    History {
        /// The id of the request.
        id: &'a RequestId,
        /// The room.
        room: &'a RoomName,
        /// The lineage of the room's log; none if it has none.
        epoch: Option<&'a Epoch>,
        /// Entries in ascending order.
        messages: Messages<'a>,
        /// True if there are more in the direction asked.
        more: bool,
        /// Set if the position asked from is not good: what was shown at this seq and above is withdrawn.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
    },
    /// Answers `members`.
    Members {
        /// The id of the request.
        id: &'a RequestId,
        /// The room.
        room: &'a RoomName,
        /// Members of this page.
        members: &'a [User],
        /// All members, in users.
        count: usize,
        /// Asks for the next page; none after the last.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<&'a str>,
    },
    /// Members came, went or changed.
    Presence {
        /// The room.
        room: &'a RoomName,
        /// Users who came; may be left out in big rooms.
        joined: &'a [User],
        /// Users who went; may be left out in big rooms.
        left: &'a [UserId],
        /// Users with another name.
        renamed: &'a [User],
        /// All members after that, in users.
        count: usize,
    },
    /// Answers `rename`.
    Renamed {
        /// The id of the request.
        id: &'a RequestId,
        /// The user with the new name.
        user: &'a User,
    },
    /// Somebody is typing; valid for 6 s.
    Typing {
        /// The room.
        room: &'a RoomName,
        /// Who.
        user: &'a User,
    },
    /// Entries that do not come by themselves.
    Gap {
        /// The room.
        room: &'a RoomName,
        /// Their lineage.
        epoch: &'a Epoch,
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
        /// Why.
        reason: GapReason,
    },
    /// The room's log was replaced or cut back.
    Epoch {
        /// The room.
        room: &'a RoomName,
        /// The lineage from now on; none if the room has no log.
        epoch: Option<&'a Epoch>,
        /// Everything shown at this seq and above is withdrawn.
        from: u64,
    },
    /// The session ends soon; come back.
    Reconnect {
        /// How long to wait before coming back, in milliseconds.
        after_ms: u64,
        /// Why.
        reason: ReconnectReason,
    },
    /// Sends are refused for now; everything else stays.
    Degraded {
        /// Why.
        reason: DegradedReason,
    },
    /// Ends `degraded`.
    Recovered {},
    /// A request was refused.
    Error {
        /// The id of the request, if it had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a RequestId>,
        /// The room of the request, if it had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        /// What is wrong.
        code: ErrorCode,
        /// The field that is wrong, if it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
        /// What is wrong, for a developer.
        message: &'a str,
        /// After how many milliseconds the same request may be repeated; none for final errors.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl Answer<'_> {
    /// Appends the JSON text to `out`.
    ///
    /// # Panics
    ///
    /// If one of [`Messages`] is not JSON, which [`super::splice`] never makes.
    pub fn encode(&self, out: &mut BytesMut) {
        serde_json::to_writer(out.writer(), self)
            .expect("an answer of valid messages becomes JSON");
    }

    /// Returns the JSON text.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        self.encode(&mut out);
        out.freeze()
    }

    /// Returns the frame's type.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "welcome",
            Self::Pong { .. } => "pong",
            Self::Joined { .. } => "joined",
            Self::Left { .. } => "left",
            Self::Sent { .. } => "sent",
            Self::History { .. } => "history",
            Self::Members { .. } => "members",
            Self::Presence { .. } => "presence",
            Self::Renamed { .. } => "renamed",
            Self::Typing { .. } => "typing",
            Self::Gap { .. } => "gap",
            Self::Epoch { .. } => "epoch",
            Self::Reconnect { .. } => "reconnect",
            Self::Degraded { .. } => "degraded",
            Self::Recovered {} => "recovered",
            Self::Error { .. } => "error",
        }
    }
}

impl<'a> From<&'a Refused> for Answer<'a> {
    fn from(refused: &'a Refused) -> Self {
        Self::Error {
            id: refused.id.as_ref(),
            room: refused.room.as_deref(),
            code: refused.error,
            field: refused.field,
            message: &refused.message,
            retry_after_ms: refused.error.retry_after_ms(),
        }
    }
}

/// Shows the type only: tokens and names do not belong in a log.
impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.kind()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages({})", self.0.len())
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;

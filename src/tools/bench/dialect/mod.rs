//! How servers of several kinds are spoken to, and what their frames say.
//!
//! A dialect is pure: it writes the payloads of frames and reads them. Frames with a message are not parsed, only
//! searched for the stamp.

mod centrifuge;
mod madang;
mod plain;
mod socketio;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use super::stamp::Stamp;

/// The id of the request that joins; those before it greet.
const JOIN: u64 = 2;
/// Added to the number of a message for the id of the request that sends it.
const FIRST_SEND: u64 = 10;

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `madang.v1` of `docs/protocol.md`.
    Madang,
    /// The JSON protocol of Centrifugo and of the Centrifuge library, version 2.
    Centrifuge,
    /// Socket.IO 4 over Engine.IO 4, with the events `join` and `msg`.
    SocketIo,
    /// Bare WebSocket with frames of `t`, `room` and `d`.
    Plain,
}

/// What a frame said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// A message of the bench, with its number in the room's log and the epoch of that, if the dialect has them.
    Message {
        stamp: Stamp,
        seq: Option<u64>,
        epoch: Option<&'a str>,
    },
    /// The session may join; with what makes it the same user later.
    Greeted(Option<&'a str>),
    /// The session is a member; with the position behind which the stream begins or up to which it catches up.
    Joined {
        epoch: Option<&'a str>,
        seq: Option<u64>,
    },
    /// The session is no member: why, and after how many milliseconds it may ask again.
    JoinRefused(String, Option<u64>),
    /// A message was accepted: its number among those of its sender.
    Accepted(u64),
    /// A message was refused: its number, and why.
    Refused(u64, String),
    /// Entries that do not come, and that this is told.
    Gap { from: u64, to: u64 },
    /// The log was replaced: its epoch, and the first number that is withdrawn.
    Rewound { epoch: Option<&'a str>, from: u64 },
    /// Something must be answered with this payload at once.
    Asked(&'static str),
    /// The session is about to be ended; it should come back.
    ComeBack,
    /// The frame makes no sense.
    Nonsense(String),
}

/// Where a session comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) room: &'a str,
    /// The position that it resumes from: epoch and number of the last message that it has.
    pub(super) after: Option<(Option<&'a str>, u64)>,
}

impl Dialect {
    const ALL: [(&'static str, Self); 4] = [
        ("madang", Self::Madang),
        ("centrifuge", Self::Centrifuge),
        ("socketio", Self::SocketIo),
        ("plain", Self::Plain),
    ];

    /// Returns the path at which sessions are opened.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Madang => "/ws",
            Self::Centrifuge => "/connection/websocket",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
            Self::Plain => "/",
        }
    }

    pub(super) const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Madang => Some(crate::protocol::SUBPROTOCOL),
            _ => None,
        }
    }

    /// Returns true if a session can come back to where it was.
    pub(super) const fn resumes(self) -> bool {
        matches!(self, Self::Madang | Self::Centrifuge)
    }

    /// Returns true if the one who opens the session speaks first.
    pub(super) const fn speaks_first(self) -> bool {
        !matches!(self, Self::SocketIo)
    }

    /// Returns the first frame, or nothing if the session can join at once.
    pub(super) fn greeting(self, name: &str, token: Option<&str>) -> Option<String> {
        match self {
            Self::Madang => Some(madang::greeting(name, token)),
            Self::Centrifuge => Some(centrifuge::greeting()),
            Self::SocketIo => Some(socketio::greeting()),
            Self::Plain => None,
        }
    }

    /// Returns the frame that joins.
    pub(super) fn join(self, place: Place<'_>) -> String {
        match self {
            Self::Madang => madang::join(place),
            Self::Centrifuge => centrifuge::join(place),
            Self::SocketIo => socketio::join(place),
            Self::Plain => plain::join(place),
        }
    }

    /// Appends the frame that sends a message.
    pub(super) fn send(self, room: &str, stamp: Stamp, payload: usize, frame: &mut Vec<u8>) {
        let id = FIRST_SEND + u64::from(stamp.n);
        match self {
            Self::Madang => madang::send(id, room, stamp, payload, frame),
            Self::Centrifuge => centrifuge::send(id, room, stamp, payload, frame),
            Self::SocketIo => socketio::send(id, room, stamp, payload, frame),
            Self::Plain => plain::send(id, room, stamp, payload, frame),
        }
    }

    /// Tells what a frame says, one thing after the other.
    pub(super) fn hear<'a>(self, payload: &'a [u8], tell: &mut dyn FnMut(Heard<'a>)) {
        match self {
            Self::Madang => madang::hear(payload, tell),
            Self::Centrifuge => centrifuge::hear(payload, tell),
            Self::SocketIo => socketio::hear(payload, tell),
            Self::Plain => plain::hear(payload, tell),
        }
    }
}

/// Tells how a request was answered, by its id.
fn answered<'a>(id: u64, fault: Option<(String, Option<u64>)>, tell: &mut dyn FnMut(Heard<'a>)) {
    match (id.checked_sub(FIRST_SEND), fault) {
        (Some(n), None) => tell(Heard::Accepted(n)),
        (Some(n), Some((code, _))) => tell(Heard::Refused(n, code)),
        (None, Some((code, retry_after))) => tell(Heard::JoinRefused(code, retry_after)),
        // Greetings and joins are told by what their answers hold.
        (None, None) => {}
    }
}

/// Says that a frame is none of the dialect, with its beginning.
fn nonsense<'a>(payload: &[u8]) -> Heard<'a> {
    let beginning = &payload[..payload.len().min(80)];
    Heard::Nonsense(String::from_utf8_lossy(beginning).into_owned())
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, dialect)| dialect == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, dialect)| *dialect)
            .ok_or_else(|| "must be madang, centrifuge, socketio or plain".to_owned())
    }
}

//! Socket.IO 4 over Engine.IO 4, without the polling that may come before.
//!
//! The server joins a room by the event `join` and says what `msg` brings to all of it; both are acknowledged.

use serde_json::json;

use super::{Heard, JOIN, Place, answered, nonsense};
use crate::tools::bench::stamp::{Stamp, number, write_number};

pub(super) fn greeting() -> String {
    "40".to_owned()
}

pub(super) fn join(place: Place<'_>) -> String {
    format!("42{JOIN}{}", json!(["join", place.room]))
}

pub(super) fn send(id: u64, room: &str, stamp: Stamp, payload: usize, frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"42");
    write_number(id, frame);
    frame.extend_from_slice(b"[\"msg\",\"");
    frame.extend_from_slice(room.as_bytes());
    frame.extend_from_slice(b"\",\"");
    stamp.write(payload, frame);
    frame.extend_from_slice(b"\"]");
}

pub(super) fn hear<'a>(payload: &'a [u8], tell: &mut dyn FnMut(Heard<'a>)) {
    match payload {
        [b'4', b'2', event @ ..] => match Stamp::find(event) {
            Some((stamp, _)) => tell(Heard::Message {
                stamp,
                seq: None,
                epoch: None,
            }),
            None => tell(nonsense(payload)),
        },
        [b'4', b'3', ack @ ..] => match number(ack, b'[') {
            Some((JOIN, _)) => tell(Heard::Joined {
                epoch: None,
                seq: None,
            }),
            Some((id, _)) => answered(id, None, tell),
            None => tell(nonsense(payload)),
        },
        // A ping has to be answered with a pong.
        b"2" => tell(Heard::Asked("3")),
        // Engine.IO is open: the namespace can be entered.
        [b'0', ..] => tell(Heard::Asked("40")),
        [b'4', b'0', ..] => tell(Heard::Greeted(None)),
        _ => tell(nonsense(payload)),
    }
}

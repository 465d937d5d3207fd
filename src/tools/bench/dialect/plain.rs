//! The dialect of a bare WebSocket server: `{"t":"join"}` and `{"t":"msg"}`.

use serde::Deserialize;
use serde_json::json;

use super::{Heard, Place, answered, nonsense};
use crate::tools::bench::stamp::{Stamp, write_number};

#[derive(Debug, Deserialize)]
struct Frame<'a> {
    t: &'a str,
    id: Option<u64>,
}

pub(super) fn join(place: Place<'_>) -> String {
    json!({"t": "join", "room": place.room}).to_string()
}

pub(super) fn send(id: u64, room: &str, stamp: Stamp, payload: usize, frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"{\"t\":\"msg\",\"room\":\"");
    frame.extend_from_slice(room.as_bytes());
    frame.extend_from_slice(b"\",\"d\":\"");
    stamp.write(payload, frame);
    frame.extend_from_slice(b"\",\"id\":");
    write_number(id, frame);
    frame.push(b'}');
}

pub(super) fn hear<'a>(payload: &'a [u8], tell: &mut dyn FnMut(Heard<'a>)) {
    if let Some((stamp, _)) = Stamp::find(payload) {
        return tell(Heard::Message {
            stamp,
            seq: None,
            epoch: None,
        });
    }
    match serde_json::from_slice::<Frame<'a>>(payload) {
        Ok(Frame { t: "joined", .. }) => tell(Heard::Joined {
            epoch: None,
            seq: None,
        }),
        Ok(Frame { t: "ok", id }) => answered(id.unwrap_or(0), None, tell),
        _ => tell(nonsense(payload)),
    }
}

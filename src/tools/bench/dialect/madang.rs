//! `madang.v1`, see `docs/protocol.md`.

use memchr::memmem;
use serde::Deserialize;
use serde_json::json;

use super::{Heard, JOIN, Place, answered, nonsense};
use crate::protocol::MAX_JOIN_LIMIT;
use crate::tools::bench::stamp::{Stamp, write_number};

/// What a frame without a message may hold of interest.
#[derive(Debug, Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: Option<u64>,
    epoch: Option<&'a str>,
    seq: Option<u64>,
    token: Option<&'a str>,
    code: Option<&'a str>,
    retry_after_ms: Option<u64>,
    from: Option<u64>,
    to: Option<u64>,
}

pub(super) fn greeting(name: &str, token: Option<&str>) -> String {
    let mut hello = json!({"type": "hello", "name": name, "client": concat!("madang-bench/", env!("CARGO_PKG_VERSION"))});
    if let Some(token) = token {
        hello["token"] = json!(token);
    }
    hello.to_string()
}

pub(super) fn join(place: Place<'_>) -> String {
    let mut join = json!({"type": "join", "id": JOIN, "room": place.room});
    if let Some((epoch, seq)) = place.after {
        join["after"] = json!({"epoch": epoch, "seq": seq});
        join["limit"] = json!(MAX_JOIN_LIMIT);
    }
    join.to_string()
}

pub(super) fn send(id: u64, room: &str, stamp: Stamp, payload: usize, frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"{\"type\":\"send\",\"id\":");
    write_number(id, frame);
    frame.extend_from_slice(b",\"room\":\"");
    frame.extend_from_slice(room.as_bytes());
    frame.extend_from_slice(b"\",\"text\":\"");
    stamp.write(payload, frame);
    frame.extend_from_slice(b"\",\"key\":\"");
    // As long as a page's: 96 bits in base64.
    for _ in 0..16 {
        let letter = u8::try_from(fastrand::alphanumeric()).expect("alphanumeric is ASCII");
        frame.push(letter);
    }
    frame.extend_from_slice(b"\"}");
}

pub(super) fn hear<'a>(payload: &'a [u8], tell: &mut dyn FnMut(Heard<'a>)) {
    if let Some((stamp, _)) = Stamp::find(payload) {
        tell(Heard::Message {
            stamp,
            seq: number_of(payload, b"\"seq\":"),
            epoch: text_of(payload, b"\"epoch\":\""),
        });
        return;
    }
    // They come to every member at every join: thousands of names that nobody here reads.
    if payload.starts_with(b"{\"type\":\"presence\"") {
        return;
    }
    let Ok(frame) = serde_json::from_slice::<Frame<'a>>(payload) else {
        return tell(nonsense(payload));
    };
    let Frame { epoch, seq, .. } = frame;
    match frame.kind {
        "welcome" => tell(Heard::Greeted(frame.token)),
        "joined" => tell(Heard::Joined { epoch, seq }),
        "sent" => answered(frame.id.unwrap_or(0), None, tell),
        "error" => {
            let code = frame.code.unwrap_or("error").to_owned();
            answered(
                frame.id.unwrap_or(0),
                Some((code, frame.retry_after_ms)),
                tell,
            );
        }
        "gap" => {
            if let (Some(from), Some(to)) = (frame.from, frame.to) {
                tell(Heard::Gap { from, to });
            }
        }
        "epoch" => tell(Heard::Rewound {
            epoch,
            from: frame.from.unwrap_or(0),
        }),
        "reconnect" => tell(Heard::ComeBack),
        _ => {}
    }
}

/// Returns the number behind the first of some bytes.
pub(super) fn number_of(payload: &[u8], name: &[u8]) -> Option<u64> {
    let begin = memmem::find(payload, name)? + name.len();
    let digits = &payload[begin..];
    let length = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

/// Returns the text behind the first of some bytes, up to the next quotation mark.
pub(super) fn text_of<'a>(payload: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let begin = memmem::find(payload, name)? + name.len();
    let text = &payload[begin..];
    let length = memchr::memchr(b'"', text)?;
    std::str::from_utf8(&text[..length]).ok()
}

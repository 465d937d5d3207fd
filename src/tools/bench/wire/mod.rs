//! Frames of RFC 6455 as one who opens sessions reads and writes them, and the request that opens one.
//!
//! What a node sends is not masked, so a frame is read where it lies.

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use memchr::memmem;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(super) use crate::session::codec::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use crate::session::codec::{FIN, MASKED, RESERVED, unmask};

/// The longest frame that is read; no dialect sends longer ones.
const LONGEST: u64 = 16 * 1024 * 1024;
/// The longest answer to the request that opens a session.
const LONGEST_ANSWER: usize = 16 * 1024;

/// A frame as it lies in what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    /// True unless continuations follow.
    pub(super) is_last: bool,
    pub(super) payload: &'a [u8],
}

/// Reads the frame at the beginning of some bytes; returns it and how many bytes it takes, or nothing if it goes on
/// behind them.
///
/// # Errors
/// What is wrong with the frame.
pub(super) fn read_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, &'static str> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    if first & RESERVED != 0 {
        return Err("a frame with a reserved bit, which nobody asked for");
    }
    if second & MASKED != 0 {
        return Err("a masked frame");
    }
    let (length, header) = match second {
        126 => match bytes.get(2..4) {
            Some(length) => (u64::from(u16::from_be_bytes([length[0], length[1]])), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(length) => {
                let length: [u8; 8] = length.try_into().expect("eight bytes were taken");
                (u64::from_be_bytes(length), 10)
            }
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > LONGEST {
        return Err("a frame of more than 16 MiB");
    }
    let end = header + usize::try_from(length).expect("at most 16 MiB");
    let Some(payload) = bytes.get(header..end) else {
        return Ok(None);
    };
    let frame = Frame {
        opcode: first & 0x0F,
        is_last: first & FIN != 0,
        payload,
    };
    Ok(Some((frame, end)))
}

/// Appends a whole frame, masked as RFC 6455 section 5.3 asks of who opened the session.
pub(super) fn write_frame(opcode: u8, payload: &[u8], mask: [u8; 4], bytes: &mut Vec<u8>) {
    bytes.push(FIN | opcode);
    match payload.len() {
        length @ 0..126 => bytes.push(MASKED | u8::try_from(length).expect("below 126")),
        length => match u16::try_from(length) {
            Ok(length) => {
                bytes.push(MASKED | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(MASKED | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        },
    }
    bytes.extend_from_slice(&mask);
    let begin = bytes.len();
    bytes.extend_from_slice(payload);
    unmask(&mut bytes[begin..], mask);
}

/// The request that opens a session, and what its answer must hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    nonce: [u8; 16],
}

/// How a request that opens a session was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes on behind what was read.
    Unfinished,
    /// The session is open; frames begin after so many bytes.
    Open(usize),
    /// There is no session: why, and after how many seconds it may be tried again.
    Refused(String, Option<u64>),
}

impl Opening {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        Self { nonce }
    }

    fn key(self) -> String {
        BASE64_STANDARD.encode(self.nonce)
    }

    /// Appends the request.
    pub(super) fn write(
        self,
        host: &str,
        path: &str,
        subprotocol: Option<&str>,
        bytes: &mut Vec<u8>,
    ) {
        let subprotocol = subprotocol
            .map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n{subprotocol}\r\n",
            self.key()
        );
        bytes.extend_from_slice(request.as_bytes());
    }

    /// Reads the answer.
    pub(super) fn read(self, bytes: &[u8]) -> Answer {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            if bytes.len() > LONGEST_ANSWER {
                return Answer::Refused("an answer without an end".to_owned(), None);
            }
            return Answer::Unfinished;
        };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let code = status.split(' ').nth(1).unwrap_or_default();
        let (mut accepted, mut retry_after) = (None, None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("sec-websocket-accept") {
                accepted = Some(value.trim());
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = value.trim().parse().ok();
            }
        }
        if !status.starts_with("HTTP/1.1 ") || code.len() != 3 {
            return Answer::Refused("an answer that is not HTTP".to_owned(), None);
        }
        if code != "101" {
            return Answer::Refused(format!("HTTP {code}"), retry_after);
        }
        if accepted != Some(derive_accept_key(self.key().as_bytes()).as_str()) {
            return Answer::Refused("a wrong Sec-WebSocket-Accept".to_owned(), None);
        }
        Answer::Open(end + 4)
    }
}

/// Returns what a close frame says, as `1012 drain`.
pub(super) fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("{code} {}", String::from_utf8_lossy(reason))
                .trim_end()
                .to_owned()
        }
        _ => "no code".to_owned(),
    }
}

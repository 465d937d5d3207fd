//! The header of a frame from the page: 2 to 14 bytes before its payload.
//!
//! A header is either read whole and known to be lawful by itself, or it is a violation; what it means after the frames
//! before it is the decoder's to judge.

use super::{MAX_CONTROL_BYTES, close::Violation};

/// Bit of the first byte: the last frame of a message.
pub(crate) const FIN: u8 = 0x80;
/// Opcode of a fragment that is not the first of its message.
pub(crate) const CONTINUATION: u8 = 0x0;
/// Opcode of a text message or its first fragment.
pub(crate) const TEXT: u8 = 0x1;
/// Opcode of a binary message or its first fragment.
pub(crate) const BINARY: u8 = 0x2;
/// Opcode of a close frame; the smallest opcode of a control frame.
pub(crate) const CLOSE: u8 = 0x8;
/// Opcode of a ping.
pub(crate) const PING: u8 = 0x9;
/// Opcode of a pong.
pub(crate) const PONG: u8 = 0xa;

/// Bits of the first byte that extensions use; none is ever negotiated.
pub(crate) const RESERVED: u8 = 0x70;
/// Bit of the second byte: the payload is masked.
pub(crate) const MASKED: u8 = 0x80;
/// Bytes of the masking key, the end of every header from a page.
const MASK_BYTES: usize = 4;
/// Longest header: 2 bytes, 8 of extended length, 4 of mask.
const MAX_HEADER_BYTES: usize = 14;

/// A lawful header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The last frame of its message.
    pub(super) fin: bool,
    /// One of the six constants above.
    pub(super) opcode: u8,
    /// Key that the payload is masked with.
    pub(super) mask: [u8; MASK_BYTES],
    /// Announced bytes of payload, below 2⁶³.
    pub(super) len: u64,
}

impl Header {
    /// Returns true if the frame is a close, ping or pong.
    pub(super) fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }
}

/// The bytes of a header that have arrived so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeaderReader {
    bytes: [u8; MAX_HEADER_BYTES],
    len: u8,
}

impl HeaderReader {
    /// Takes from `input` what the header still needs; returns it once it is whole.
    ///
    /// Errs as soon as the bytes that decide it are there, and is to be dropped after either outcome.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Violation> {
        if !self.fill(2, input) {
            return Ok(None);
        }
        let [first, second] = [self.bytes[0], self.bytes[1]];
        check_start(first, second)?;
        let extended = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if !self.fill(2 + extended + MASK_BYTES, input) {
            return Ok(None);
        }
        let (length, mask) = self.bytes[2..2 + extended + MASK_BYTES].split_at(extended);
        let mut key = [0; MASK_BYTES];
        key.copy_from_slice(mask);
        Ok(Some(Header {
            fin: first & FIN != 0,
            opcode: first & 0x0f,
            mask: key,
            len: payload_len(second & !MASKED, length)?,
        }))
    }

    /// Takes bytes from `input` until there are `want`; returns true if there are.
    fn fill(&mut self, want: usize, input: &mut &[u8]) -> bool {
        let have = usize::from(self.len);
        let (taken, rest) = input.split_at(input.len().min(want.saturating_sub(have)));
        self.bytes[have..have + taken.len()].copy_from_slice(taken);
        self.len += taken.len() as u8;
        *input = rest;
        usize::from(self.len) >= want
    }
}

/// Checks all that the first two bytes say by themselves.
fn check_start(first: u8, second: u8) -> Result<(), Violation> {
    let wrong = match first & 0x0f {
        _ if first & RESERVED != 0 => {
            "reserved bit set; no extension is negotiated, send RSV1 to RSV3 as 0"
        }
        0x3..=0x7 | 0xb..=0xf => "unknown opcode; send text, ping, pong or close frames",
        _ if second & MASKED == 0 => return Err(Violation::unmasked()),
        CLOSE | PING | PONG if first & FIN == 0 => {
            "control frame is fragmented; send it as one frame"
        }
        CLOSE | PING | PONG if usize::from(second & !MASKED) > MAX_CONTROL_BYTES => {
            "control frame is too long; its payload has at most 125 bytes"
        }
        _ => return Ok(()),
    };
    Err(Violation::protocol(wrong))
}

/// Reads the payload length from the 7 bits of the second byte and the extended length of 0, 2 or 8 bytes.
fn payload_len(short: u8, extended: &[u8]) -> Result<u64, Violation> {
    let len = extended
        .iter()
        .fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
    let least = match extended.len() {
        0 => return Ok(u64::from(short)),
        2 => 126,
        _ => 0x1_0000,
    };
    if len < least {
        return Err(Violation::protocol(
            "payload length is not in its shortest form; use as few length bytes as possible",
        ));
    }
    if len >> 63 != 0 {
        return Err(Violation::protocol(
            "payload length has its highest bit set; send it as 0",
        ));
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [1, 2, 3, 4];

    /// Reads a header that arrives in pieces of `step` bytes.
    fn read(bytes: &[u8], step: usize) -> Result<Option<Header>, Violation> {
        let mut reader = HeaderReader::default();
        for mut piece in bytes.chunks(step) {
            if let Some(header) = reader.read(&mut piece)? {
                assert!(piece.is_empty(), "the header ends with its last byte");
                return Ok(Some(header));
            }
            assert!(piece.is_empty(), "an unfinished header takes all there is");
        }
        Ok(None)
    }

    #[test]
    fn lawful_headers_are_read_however_they_arrive() {
        let rows: [(&[u8], bool, u8, u64); 7] = [
            (&[0x81, 0x80], true, TEXT, 0),
            (&[0x01, 0x85], false, TEXT, 5),
            (&[0x80, 0xfd], true, CONTINUATION, 125),
            (&[0x82, 0xfe, 0, 126], true, BINARY, 126),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], true, TEXT, 0x1_0000),
            (
                &[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                true,
                TEXT,
                u64::MAX >> 1,
            ),
            (&[0x89, 0xfd], true, PING, 125),
        ];
        for (start, fin, opcode, len) in rows {
            let bytes = [start, &KEY].concat();
            let header = Header {
                fin,
                opcode,
                mask: KEY,
                len,
            };
            for step in 1..=bytes.len() {
                assert_eq!(read(&bytes, step), Ok(Some(header)), "{start:x?} by {step}");
            }
            assert_eq!(read(&bytes[..bytes.len() - 1], 3), Ok(None));
        }
    }

    #[test]
    fn unlawful_headers_say_what_is_wrong() {
        let rows: [(&[u8], &str); 13] = [
            (&[0xc1, 0x80], "reserved bit"),
            (&[0xa1, 0x80], "reserved bit"),
            (&[0x91, 0x80], "reserved bit"),
            (&[0x83, 0x80], "unknown opcode"),
            (&[0x87, 0x80], "unknown opcode"),
            (&[0x8b, 0x80], "unknown opcode"),
            (&[0x8f, 0x80], "unknown opcode"),
            (&[0x81, 0x05], "not masked"),
            (&[0x09, 0x80], "fragmented"),
            (&[0x89, 0xfe], "too long"),
            (&[0x81, 0xfe, 0, 125, 1, 2, 3, 4], "shortest form"),
            (
                &[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4],
                "shortest form",
            ),
            (
                &[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
                "highest bit",
            ),
        ];
        for (bytes, words) in rows {
            for step in [1, bytes.len()] {
                let violation = read(bytes, step).unwrap_err();
                assert_eq!(violation.close.code(), 1002);
                assert!(violation.reason.contains(words), "{bytes:x?}: {violation}");
                assert!(violation.reason.len() <= super::super::MAX_REASON_BYTES);
            }
        }
    }
}

//! A frame for pages, encoded once and shared.
//!
//! Every frame is whole, unfragmented and unmasked, and its header and payload lie in one allocation, so that any
//! number of sessions write the same bytes.

use std::{fmt, io};

use bytes::{Buf, Bytes};

use super::{
    MAX_CONTROL_BYTES,
    close::MAX_REASON_BYTES,
    header::{BINARY, CLOSE, FIN, PING, PONG, TEXT},
};

/// Room before the payload: the longest header of an unmasked frame.
const HEADER_ROOM: usize = 10;

/// A complete WebSocket frame from node to page; a clone costs one reference count.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
}

impl Frame {
    /// Encodes a text frame, copying `payload` once.
    pub fn text(payload: &str) -> Self {
        Self::encode(TEXT, payload.as_bytes())
    }

    /// Encodes a binary frame, copying `payload` once.
    pub fn binary(payload: &[u8]) -> Self {
        Self::encode(BINARY, payload)
    }

    /// Encodes a ping; of `payload` at most [`MAX_CONTROL_BYTES`] are sent.
    pub fn ping(payload: &[u8]) -> Self {
        Self::encode(PING, &payload[..payload.len().min(MAX_CONTROL_BYTES)])
    }

    /// Encodes a pong; of `payload` at most [`MAX_CONTROL_BYTES`] are sent, so every ping can be answered whole.
    pub fn pong(payload: &[u8]) -> Self {
        Self::encode(PONG, &payload[..payload.len().min(MAX_CONTROL_BYTES)])
    }

    /// Encodes a close frame; `reason` is cut at a character boundary to [`MAX_REASON_BYTES`].
    pub fn close(code: u16, reason: &str) -> Self {
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
        let mut frame = FrameBuilder::with_capacity(2 + reason.len());
        frame.put(&code.to_be_bytes());
        frame.put(reason.as_bytes());
        frame.finish_as(CLOSE)
    }

    /// Encodes the answer to a close frame of the page: its own code, or none if it sent none (RFC 6455 section 5.5.1).
    pub fn close_reply(received: Option<&(u16, String)>) -> Self {
        match received {
            Some((code, _)) => Self::close(*code, ""),
            None => Self::encode(CLOSE, b""),
        }
    }

    /// Returns the frame as it goes onto the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the payload without the header, sharing the frame's memory.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.header_len()..)
    }

    /// Returns the number of bytes on the wire, header included: never 0.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame has at least its header"
    )]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    fn header_len(&self) -> usize {
        match self.bytes[1] {
            127 => 10,
            126 => 4,
            _ => 2,
        }
    }

    fn encode(opcode: u8, payload: &[u8]) -> Self {
        let mut frame = FrameBuilder::with_capacity(payload.len());
        frame.put(payload);
        frame.finish_as(opcode)
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Frame {
    /// Writes opcode and size only: what people wrote must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("opcode", &(self.bytes[0] & !FIN))
            .field("len", &self.len())
            .finish()
    }
}

/// Builds a text frame in the memory that it will be sent from.
///
/// Takes the payload through [`io::Write`] (for `serde_json::to_writer`), [`fmt::Write`] or [`put`](Self::put); none of
/// them fails. The header is written before the payload once its length is known, so nothing moves.
pub struct FrameBuilder {
    buffer: Vec<u8>,
}

impl FrameBuilder {
    /// Starts a frame with room for `payload_bytes`; more is allocated as needed.
    ///
    pub fn with_capacity(payload_bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER_ROOM + payload_bytes);
        buffer.extend_from_slice(&[0; HEADER_ROOM]);
        Self { buffer }
    }

    /// Appends a part of the payload, which must be UTF-8 once it is whole.
    pub fn put(&mut self, part: &[u8]) {
        self.buffer.extend_from_slice(part);
    }

    /// Returns the bytes of the payload so far.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[HEADER_ROOM..]
    }

    /// Writes the header and returns the text frame.
    pub fn finish(self) -> Frame {
        debug_assert!(
            std::str::from_utf8(self.payload()).is_ok(),
            "the payload of a text frame is UTF-8"
        );
        self.finish_as(TEXT)
    }

    fn finish_as(mut self, opcode: u8) -> Frame {
        let len = self.payload().len();
        let extended = (len as u64).to_be_bytes();
        let (short, extended) = match len {
            0..=125 => (len as u8, &extended[8..]),
            126..=0xffff => (126, &extended[6..]),
            _ => (127, &extended[..]),
        };
        let start = HEADER_ROOM - extended.len() - 2;
        self.buffer[start] = FIN | opcode;
        self.buffer[start + 1] = short;
        self.buffer[start + 2..HEADER_ROOM].copy_from_slice(extended);
        // A frame may stay in memory for long; it must not hold much more than it counts for.
        if self.buffer.capacity() - self.buffer.len() > self.buffer.len() / 4 {
            self.buffer.shrink_to_fit();
        }
        let mut bytes = Bytes::from(self.buffer);
        bytes.advance(start);
        Frame { bytes }
    }
}

impl fmt::Debug for FrameBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBuilder")
            .field("payload_bytes", &self.payload().len())
            .finish()
    }
}

impl io::Write for FrameBuilder {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.put(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for FrameBuilder {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.put(part.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, io::Write as _};

    use super::*;

    #[test]
    fn the_header_has_the_shortest_form_for_every_length() {
        let rows: [(usize, &[u8]); 7] = [
            (0, &[0x81, 0]),
            (1, &[0x81, 1]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (0xffff, &[0x81, 126, 0xff, 0xff]),
            (0x1_0000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x12_3456, &[0x81, 127, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56]),
        ];
        for (len, header) in rows {
            let payload = "x".repeat(len);
            let frame = Frame::text(&payload);
            assert_eq!(&frame.bytes()[..header.len()], header, "{len}");
            assert_eq!(frame.payload(), payload.as_bytes(), "{len}");
            assert_eq!(frame.len(), header.len() + len);
        }
    }

    #[test]
    fn each_kind_of_frame_has_its_opcode() {
        for (frame, wire) in [
            (Frame::text("ab"), &b"\x81\x02ab"[..]),
            (Frame::binary(b"ab"), b"\x82\x02ab"),
            (Frame::ping(b"ab"), b"\x89\x02ab"),
            (Frame::pong(b"ab"), b"\x8a\x02ab"),
            (Frame::close(1012, "ab"), b"\x88\x04\x03\xf4ab"),
            (
                Frame::close_reply(Some(&(1000, String::from("ab")))),
                b"\x88\x02\x03\xe8",
            ),
            (Frame::close_reply(None), b"\x88\x00"),
        ] {
            assert_eq!(frame.bytes(), wire);
        }
    }

    #[test]
    fn control_payloads_are_cut_to_what_may_be_sent() {
        assert_eq!(Frame::ping(&[7; 200]).len(), 2 + MAX_CONTROL_BYTES);
        assert_eq!(Frame::pong(&[7; 200]).len(), 2 + MAX_CONTROL_BYTES);
        // 41 characters of 3 bytes are 123 bytes; one more byte in front leaves room for 40 of them.
        let reason = "a".to_owned() + &"안".repeat(100);
        let payload = Frame::close(1000, &reason).payload();
        assert_eq!(
            std::str::from_utf8(&payload[2..]),
            Ok(&reason[..1 + 40 * 3])
        );
    }

    #[test]
    fn a_built_frame_equals_an_encoded_one_and_holds_no_spare_memory() {
        for len in [0, 1, 125, 126, 200, 70_000] {
            let text = "y".repeat(len);
            let mut builder = FrameBuilder::with_capacity(0);
            for (at, part) in text.as_bytes().chunks(7).enumerate() {
                match at % 3 {
                    0 => builder.put(part),
                    1 => builder.write_all(part).unwrap(),
                    _ => builder
                        .write_str(std::str::from_utf8(part).unwrap())
                        .unwrap(),
                }
            }
            assert_eq!(builder.payload(), text.as_bytes());
            let frame = builder.finish();
            assert_eq!(frame, Frame::text(&text));
            let memory = Vec::from(frame.bytes).capacity();
            assert!(
                memory <= HEADER_ROOM + len + (HEADER_ROOM + len) / 4,
                "{memory} for {len}"
            );
        }
    }

    #[test]
    fn a_clone_and_its_payload_share_the_memory() {
        let frame = Frame::text("shared");
        let copy = frame.clone();
        assert_eq!(copy.bytes().as_ptr(), frame.bytes().as_ptr());
        assert_eq!(copy.payload().as_ptr(), frame.bytes()[2..].as_ptr());
    }
}

//! The decoder: bytes from the page to messages, however the network cut them.
//!
//! It keeps bytes only of a frame or message that is not finished: its buffer follows what has arrived, never what a
//! header announces, stays below the message limit, and leaves with the message. Between messages it holds no heap
//! memory. Text is checked as it comes, so a page that sends something else is told at its first wrong byte.

use std::{fmt, mem};

use bytes::Bytes;

use super::{
    MAX_CONTROL_BYTES,
    close::{self, Violation},
    header::{BINARY, CONTINUATION, Header, HeaderReader, PING, PONG, TEXT},
};

/// What a page sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A whole binary message; comes only from a decoder made with [`Decoder::accept_binary`].
    Binary(Bytes),
    /// A ping, to be answered by a pong with the same payload of at most 125 bytes.
    Ping(Bytes),
    /// A pong with its payload of at most 125 bytes.
    Pong(Bytes),
    /// The page leaves, with a lawful code and reason if it sent one; the decoder takes nothing after it.
    Close(Option<(u16, String)>),
}

/// Reads the frames of one page, in any pieces.
#[derive(Debug)]
pub struct Decoder {
    max_message_bytes: usize,
    accept_binary: bool,
    state: State,
    /// The message whose fragments are arriving, if there is one.
    pub(super) message: Option<Message>,
    /// Payload of the control frame that is arriving; control frames may come between the fragments of a message.
    pub(super) control: Vec<u8>,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum State {
    Header(HeaderReader),
    /// A payload; `len` counts down to what is missing and `mask` begins with the key of the next byte.
    Payload(Header),
    /// After a close or a violation.
    Ended,
}

impl State {
    fn start() -> Self {
        Self::Header(HeaderReader::default())
    }
}

/// The bytes of an unfinished message.
pub(super) struct Message {
    is_text: bool,
    pub(super) bytes: Vec<u8>,
    /// Length of the front of `bytes` that is known to be UTF-8; stays 0 for a binary message.
    checked: usize,
}

impl fmt::Debug for Message {
    /// Writes the size only: what people write must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// Makes a decoder that closes on binary messages and on messages above `max_message_bytes`, fragments together.
    pub fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            accept_binary: false,
            state: State::start(),
            message: None,
            control: Vec::new(),
        }
    }

    /// Lets binary messages through.
    #[must_use]
    pub fn accept_binary(mut self) -> Self {
        self.accept_binary = true;
        self
    }

    /// Reads from the front of `input`; returns the first message or control frame that it completes.
    ///
    /// Bytes that are used are cut from `input`: call again until the answer is `None`, which means that all of them are
    /// used and more are needed. Errs with what to tell the page, as soon as the bytes that decide it are there: with
    /// code 1002 for what RFC 6455 forbids, 1003 for binary, 1007 for text that is not UTF-8, and 1009 for a message
    /// above the limit, which the header alone decides. After an error or a [`Incoming::Close`] the decoder swallows all
    /// input: a page may have sent more before it learns of the end.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        let result = self.step(input);
        if matches!(result, Err(_) | Ok(Some(Incoming::Close(_)))) {
            self.state = State::Ended;
            self.message = None;
        }
        result
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, Violation> {
        loop {
            match &mut self.state {
                State::Ended => {
                    *input = &[];
                    return Ok(None);
                }
                State::Header(reader) => {
                    let Some(header) = reader.read(input)? else {
                        return Ok(None);
                    };
                    self.open(&header)?;
                    self.state = State::Payload(header);
                }
                State::Payload(frame) => {
                    let mut frame = *frame;
                    self.take_payload(&mut frame, input)?;
                    if frame.len > 0 {
                        self.state = State::Payload(frame);
                        return Ok(None);
                    }
                    self.state = State::start();
                    if let Some(incoming) = self.finish(frame)? {
                        return Ok(Some(incoming));
                    }
                }
            }
        }
    }

    /// Judges a new frame by the frames before it and by the limits.
    fn open(&mut self, header: &Header) -> Result<(), Violation> {
        if header.is_control() {
            return Ok(());
        }
        match (&self.message, header.opcode) {
            (None, CONTINUATION) => {
                return Err(Violation::protocol(
                    "continuation without a message; begin a message with a text frame",
                ));
            }
            (None, BINARY) if !self.accept_binary => return Err(Violation::unsupported()),
            (None, opcode) => self.message = Some(Message::new(opcode == TEXT)),
            (Some(_), CONTINUATION) => {}
            (Some(_), _) => {
                return Err(Violation::protocol(
                    "new message inside a fragmented one; finish that with continuation frames first",
                ));
            }
        }
        let so_far = self
            .message
            .as_ref()
            .map_or(0, |message| message.bytes.len());
        if header.len > (self.max_message_bytes - so_far) as u64 {
            return Err(Violation::too_big(self.max_message_bytes));
        }
        Ok(())
    }

    /// Moves what `input` has of the frame's payload into its buffer.
    fn take_payload(&mut self, frame: &mut Header, input: &mut &[u8]) -> Result<(), Violation> {
        // `open` and the header's own check leave no length that is above a usize.
        let missing = frame.len as usize;
        let (part, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        frame.len -= part.len() as u64;
        let mask = frame.mask;
        frame.mask.rotate_left(part.len() % mask.len());
        match &mut self.message {
            Some(message) if !frame.is_control() => {
                let most = if frame.fin {
                    message.bytes.len() + missing
                } else {
                    self.max_message_bytes
                };
                append_unmasked(&mut message.bytes, part, mask, most);
                // The end of a message is checked when it becomes a string.
                let is_end = frame.fin && frame.len == 0;
                if message.is_text && !is_end {
                    message.check_utf8()
                } else {
                    Ok(())
                }
            }
            _ => {
                append_unmasked(&mut self.control, part, mask, MAX_CONTROL_BYTES);
                Ok(())
            }
        }
    }

    /// Ends a frame whose payload is whole; returns what it completes.
    fn finish(&mut self, frame: Header) -> Result<Option<Incoming>, Violation> {
        if frame.is_control() {
            let payload = mem::take(&mut self.control);
            return Ok(Some(match frame.opcode {
                PING => Incoming::Ping(payload.into()),
                PONG => Incoming::Pong(payload.into()),
                _ => Incoming::Close(close::parse(&payload)?),
            }));
        }
        let Some(message) = self.message.take_if(|_| frame.fin) else {
            return Ok(None);
        };
        Ok(Some(if message.is_text {
            Incoming::Text(String::from_utf8(message.bytes).map_err(|_| Violation::not_utf8())?)
        } else {
            Incoming::Binary(message.bytes.into())
        }))
    }
}

impl Message {
    fn new(is_text: bool) -> Self {
        Self {
            is_text,
            bytes: Vec::new(),
            checked: 0,
        }
    }

    /// Checks what came since the last call; an unfinished character at the end is left for the next.
    fn check_utf8(&mut self) -> Result<(), Violation> {
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::not_utf8()),
        }
        Ok(())
    }
}

/// Appends `part`, unmasked, to a `buffer` that will hold at most `most` bytes.
///
/// The buffer doubles as bytes arrive, so that appending stays cheap, but never beyond `most`.
fn append_unmasked(buffer: &mut Vec<u8>, part: &[u8], mask: [u8; 4], most: usize) {
    let start = buffer.len();
    let needed = start + part.len();
    if needed > buffer.capacity() {
        let target = (buffer.capacity() * 2).min(most).max(needed);
        buffer.reserve_exact(target - start);
    }
    buffer.extend_from_slice(part);
    unmask(&mut buffer[start..], mask);
}

/// Applies the masking key, a machine word at a time; what it is applied to twice is as before.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let word = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

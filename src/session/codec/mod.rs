//! The WebSocket codec: what is read from a page and what is written to it.
//!
//! Pure code after RFC 6455, server side: no input or output, no clock, no task. A frame for pages is encoded once and
//! its bytes are shared by every session that gets it; a session whose page is silent holds no heap memory here; what a
//! page sends costs at most the message limit, and only for bytes that have arrived.
//!
//! | file | what it does |
//! | --- | --- |
//! | `encode` | [`Frame`], complete and cheap to clone, and [`FrameBuilder`], which encodes one in place |
//! | `parse` | [`Decoder`], bytes from the page to [`Incoming`], however the network cut them |
//! | `header` | the 2 to 14 bytes before a payload, and what is forbidden in them |
//! | `close` | close codes, close payloads and [`Violation`] |
//! | `write` | [`WriteQueue`], all that waits in one write |
//!
//! Extensions (compression among them) are never negotiated, so every reserved bit is a violation.

mod close;
mod encode;
mod header;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use close::{MAX_REASON_BYTES, Violation};
pub use encode::{Frame, FrameBuilder};
pub(crate) use header::{BINARY, CLOSE, CONTINUATION, FIN, MASKED, PING, PONG, RESERVED, TEXT};
pub(crate) use parse::unmask;
pub use parse::{Decoder, Incoming};
pub use write::{MAX_SLICES, WriteQueue};

/// Largest payload of a ping, pong or close frame, in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_BYTES: usize = 125;

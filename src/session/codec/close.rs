//! Close codes, close payloads, and the violation that ends a session.
//!
//! A violation always says what is wrong and what would be right, in as many bytes as a close frame can carry.

use std::borrow::Cow;

use super::{Frame, MAX_CONTROL_BYTES};
use crate::protocol::CloseCode;

/// Longest reason that a close frame carries, in bytes: a control payload without its two bytes of code.
pub const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - 2;

/// What a page did against RFC 6455 or against the limits; the session ends with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (close code {})", .close.code())]
pub struct Violation {
    /// The row of the close table that it falls under.
    pub close: CloseCode,
    /// What is wrong and what would be right, at most [`MAX_REASON_BYTES`] bytes.
    pub reason: Cow<'static, str>,
}

impl Violation {
    /// Returns the close frame that tells the page.
    pub fn frame(&self) -> Frame {
        Frame::close(self.close.code(), &self.reason)
    }

    pub(super) fn protocol(reason: &'static str) -> Self {
        Self::fixed(CloseCode::Protocol, reason)
    }

    pub(super) fn unmasked() -> Self {
        Self::fixed(
            CloseCode::Unmasked,
            "frame is not masked; mask every frame from page to node",
        )
    }

    pub(super) fn unsupported() -> Self {
        Self::fixed(
            CloseCode::Binary,
            "binary message; send JSON in text messages",
        )
    }

    pub(super) fn not_utf8() -> Self {
        Self::fixed(
            CloseCode::NotUtf8,
            "text is not UTF-8; encode text messages and close reasons as UTF-8",
        )
    }

    pub(super) fn too_big(max_message_bytes: usize) -> Self {
        Self {
            close: CloseCode::TooBig,
            reason: Cow::Owned(format!(
                "message is too big; send at most {max_message_bytes} bytes per message"
            )),
        }
    }

    fn fixed(close: CloseCode, reason: &'static str) -> Self {
        Self {
            close,
            reason: Cow::Borrowed(reason),
        }
    }
}

/// Returns true if `code` may stand in a close frame.
///
/// These are the codes of RFC 6455 section 7.4 and of IANA's WebSocket Close Code registry that are meant for the wire
/// (1005, 1006 and 1015 are not), and the ranges for libraries and applications.
fn is_wire_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads the payload of a close frame: nothing, or a code with a reason that may be empty.
pub(super) fn parse(payload: &[u8]) -> Result<Option<(u16, String)>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => {
            return Err(Violation::protocol(
                "close payload of one byte; send none or a code of two bytes",
            ));
        }
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !is_wire_code(code) {
        return Err(Violation::protocol(
            "close code is reserved or unknown; use 1000, 1001 or 3000 to 4999",
        ));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::not_utf8())?;
    Ok(Some((code, String::from(reason))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_meant_for_the_wire_are_accepted() {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
        ] {
            assert_eq!(
                parse(&u16::to_be_bytes(code)),
                Ok(Some((code, String::new()))),
                "{code}"
            );
        }
        for code in [
            0,
            999,
            1004,
            1005,
            1006,
            1015,
            1016,
            1100,
            2000,
            2999,
            5000,
            u16::MAX,
        ] {
            let violation = parse(&code.to_be_bytes()).unwrap_err();
            assert_eq!(violation.close, CloseCode::Protocol, "{code}");
        }
    }

    #[test]
    fn a_payload_is_nothing_or_a_code_with_a_utf8_reason() {
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"\x03\xe8bye"), Ok(Some((1000, String::from("bye")))));
        assert_eq!(parse(b"\x03").unwrap_err().close, CloseCode::Protocol);
        assert_eq!(
            parse(b"\x03\xe8\xff").unwrap_err().close,
            CloseCode::NotUtf8
        );
        assert_eq!(
            parse(b"\x03\xe8\xec\x95").unwrap_err().close,
            CloseCode::NotUtf8
        );
    }

    #[test]
    fn the_longest_reason_fits_and_names_the_limit() {
        let violation = Violation::too_big(usize::MAX);
        assert!(violation.reason.len() <= MAX_REASON_BYTES);
        assert!(violation.reason.contains(&usize::MAX.to_string()));
        assert_eq!(
            &violation.frame().payload()[2..],
            violation.reason.as_bytes()
        );
    }
}

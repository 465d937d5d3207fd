//! The close codes of the protocol: one table for close frames, logs, metrics and documents.
//!
//! The reason word travels in the close frame. A page comes back with back-off after every code, known or not,
//! except those for which [`CloseCode::comes_back`] is false.

use std::fmt;

/// Why a node closes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseCode {
    /// 1002: a frame without a mask (RFC 6455, 5.1).
    Unmasked,
    /// 1002: another fault against RFC 6455.
    Protocol,
    /// 1003: a binary message.
    Binary,
    /// 1007: a text message that is not UTF-8.
    NotUtf8,
    /// 1009: a message over the limit.
    TooBig,
    /// 1012: the node leaves or hands sessions over.
    Drain,
    /// 1013: the node has too much to do.
    Shed,
    /// 4001: no `hello` in time.
    NoHello,
    /// 4002: no pong in time.
    Heartbeat,
    /// 4003: the session does not read.
    Slow,
    /// 4004: the session sends far more frames than it may.
    Flood,
    /// 4005: the identity was withdrawn.
    Revoked,
}

impl CloseCode {
    /// Every reason, by number.
    pub const ALL: [Self; 12] = [
        Self::Unmasked,
        Self::Protocol,
        Self::Binary,
        Self::NotUtf8,
        Self::TooBig,
        Self::Drain,
        Self::Shed,
        Self::NoHello,
        Self::Heartbeat,
        Self::Slow,
        Self::Flood,
        Self::Revoked,
    ];

    #[rustfmt::skip]
    const fn row(self) -> (u16, &'static str, bool, &'static str) {
        match self {
            Self::Unmasked => (1002, "unmasked", false, "A frame was not masked, which RFC 6455 requires."),
            Self::Protocol => (1002, "protocol", false, "A frame breaks RFC 6455 in another way."),
            Self::Binary => (1003, "binary", false, "The protocol has text messages only."),
            Self::NotUtf8 => (1007, "not_utf8", false, "A text message was not UTF-8."),
            Self::TooBig => (1009, "too_big", false, "A message was longer than `limits.frame_bytes`."),
            Self::Drain => (1012, "drain", true, "The node leaves or hands the session over; come back after the `after_ms` of `reconnect`."),
            Self::Shed => (1013, "shed", true, "The node has too much to do; another may have room."),
            Self::NoHello => (4001, "no_hello", true, "No `hello` came within its time."),
            Self::Heartbeat => (4002, "heartbeat", true, "No sign of life came within its time."),
            Self::Slow => (4003, "slow", true, "The session did not read what was sent to it."),
            Self::Flood => (4004, "flood", true, "The session sent far more frames than it may."),
            Self::Revoked => (4005, "revoked", false, "The identity was withdrawn."),
        }
    }

    /// Returns the number in the close frame.
    pub const fn code(self) -> u16 {
        self.row().0
    }

    /// Returns the word in the close frame, in logs and in metrics.
    pub const fn reason(self) -> &'static str {
        self.row().1
    }

    /// Returns true if a page is to come back, with back-off.
    pub const fn comes_back(self) -> bool {
        self.row().2
    }

    /// Returns what the code says, in one sentence.
    pub const fn meaning(self) -> &'static str {
        self.row().3
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn reasons_are_unique_and_codes_may_be_sent() {
        let reasons: HashSet<_> = CloseCode::ALL.iter().map(|close| close.reason()).collect();
        assert_eq!(reasons.len(), CloseCode::ALL.len());
        for close in CloseCode::ALL {
            assert!(matches!(close.code(), 1000..=1003 | 1007..=1014 | 3000..=4999));
            // A control frame carries 125 bytes, two of them the code.
            assert!(close.reason().len() <= 123);
        }
    }

    #[test]
    fn only_faults_of_the_page_and_a_withdrawn_identity_end_for_good() {
        let final_codes: HashSet<_> = CloseCode::ALL
            .iter()
            .filter(|close| !close.comes_back())
            .map(|close| close.code())
            .collect();
        assert_eq!(final_codes, HashSet::from([1002, 1003, 1007, 1009, 4005]));
    }
}

//! The error codes of the protocol: one table for `error` frames, HTTP answers, metrics and documents.
//!
//! A final error repeats if the same request is sent unchanged. A retryable one carries `retry_after_ms`;
//! the same request may be repeated after it.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is wrong with a request, as one stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// See [`ErrorCode::meaning`], as for all.
    BadJson,
    /// No known frame type.
    BadType,
    /// A required field is absent.
    MissingField,
    /// A field has a wrong value.
    BadField,
    /// The text is over the limit.
    TextTooLong,
    /// A room's or user's name is not allowed.
    BadName,
    /// The session is not in the room.
    NotJoined,
    /// The session is in the room.
    AlreadyJoined,
    /// The session is in as many rooms as it may be.
    TooManyRooms,
    /// The key belongs to another text.
    KeyReused,
    /// Not allowed to this user.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// Too fast.
    RateLimited,
    /// The broker is out of reach.
    Unavailable,
    /// No answer in time; it may have happened.
    Timeout,
    /// A queue is full.
    Overloaded,
    /// Redis has no memory left.
    RedisFull,
    /// The room was written by a newer version.
    NewerLayout,
}

/// One row of the table.
struct Row {
    word: &'static str,
    /// Milliseconds to wait if nothing better is known; none for a final error.
    retry_after_ms: Option<u64>,
    http_status: u16,
    meaning: &'static str,
}

const fn row(
    word: &'static str,
    retry_after_ms: Option<u64>,
    http_status: u16,
    meaning: &'static str,
) -> Row {
    Row {
        word,
        retry_after_ms,
        http_status,
        meaning,
    }
}

impl ErrorCode {
    /// Every code, final ones first.
    pub const ALL: [Self; 18] = [
        Self::BadJson,
        Self::BadType,
        Self::MissingField,
        Self::BadField,
        Self::TextTooLong,
        Self::BadName,
        Self::NotJoined,
        Self::AlreadyJoined,
        Self::TooManyRooms,
        Self::KeyReused,
        Self::Forbidden,
        Self::NotFound,
        Self::RateLimited,
        Self::Unavailable,
        Self::Timeout,
        Self::Overloaded,
        Self::RedisFull,
        Self::NewerLayout,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        match self {
            Self::BadJson => row("bad_json", None, 400, "The frame or body is not JSON, or names a field twice."),
            Self::BadType => row("bad_type", None, 400, "The frame is no object with a known `type`, or not one for this moment."),
            Self::MissingField => row("missing_field", None, 400, "The field named by `field` is required."),
            Self::BadField => row("bad_field", None, 400, "The field named by `field` has a value that is not allowed; `message` says what is."),
            Self::TextTooLong => row("text_too_long", None, 413, "The text has more code points than `limits.text`, or the body of a request more bytes than `api.body_bytes`."),
            Self::BadName => row("bad_name", None, 400, "The name of the room or user is not allowed; `message` says why."),
            Self::NotJoined => row("not_joined", None, 409, "The session has not joined the room."),
            Self::AlreadyJoined => row("already_joined", None, 409, "The session has joined the room already."),
            Self::TooManyRooms => row("too_many_rooms", None, 409, "The session has joined `limits.rooms` rooms."),
            Self::KeyReused => row("key_reused", None, 409, "The same user or bot has sent another text with this key within the dedupe window."),
            Self::Forbidden => row("forbidden", None, 403, "The user or bot may not do this here, or has no key."),
            Self::NotFound => row("not_found", None, 404, "What the request names does not exist."),
            Self::RateLimited => row("rate_limited", Some(1_000), 429, "More requests than are allowed."),
            Self::Unavailable => row("unavailable", Some(1_000), 503, "The broker is out of reach."),
            Self::Timeout => row("timeout", Some(500), 504, "No answer in time; the request may have had its effect, so repeat it with the same key."),
            Self::Overloaded => row("overloaded", Some(2_000), 503, "The node has too much to do: a queue is full, or too many come back at once."),
            Self::RedisFull => row("redis_full", Some(5_000), 503, "Redis has no memory left for new messages; reading goes on."),
            Self::NewerLayout => row("newer_layout", Some(5_000), 503, "A newer version has written the room; this node cannot write to it."),
        }
    }

    /// Returns the word that stands in frames, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        self.row().word
    }

    /// Returns true if the same request may be repeated unchanged after a while.
    pub const fn is_retryable(self) -> bool {
        self.row().retry_after_ms.is_some()
    }

    /// Returns how many milliseconds to wait where nothing better is known; none for final errors.
    pub const fn retry_after_ms(self) -> Option<u64> {
        self.row().retry_after_ms
    }

    /// Returns what the code says, in one sentence.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Returns the status of an HTTP answer with this error.
    pub const fn http_status(self) -> u16 {
        self.row().http_status
    }

    /// Returns the code with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_unique_and_lead_back() {
        let words: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_word(code.as_str()), Some(code));
        }
        assert_eq!(ErrorCode::from_word("no_such_code"), None);
    }

    #[test]
    fn retryable_errors_have_statuses_that_invite_a_retry() {
        for code in ErrorCode::ALL {
            let invites = matches!(code.http_status(), 429 | 503 | 504);
            assert_eq!(code.is_retryable(), invites, "{code}");
        }
    }
}

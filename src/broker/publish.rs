//! One entry on its way into the log, and its answer.

use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::protocol::{Epoch, ErrorCode, Key, RoomName, UserId};

/// Who sends, as the order of refusals sees it: one session, or one HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(pub u64);

/// An entry to be numbered and kept.
#[derive(Debug)]
pub struct Publish {
    /// Where to.
    pub room: RoomName,
    /// Whose publishes keep their order.
    pub source: Source,
    /// Who sends: with `key` what a repeat is known by.
    pub author: UserId,
    /// The sender's own name for the message.
    pub key: Key,
    /// Short hash of the text: the same key with another hash is [`Refusal::KeyReused`].
    pub hash: u64,
    /// The object that goes into the log.
    pub m: Bytes,
    /// When the node received it. Nothing is written later than `limits.send_timeout` after it.
    pub arrived: Instant,
    /// Where the answer goes.
    pub reply: Reply,
}

/// The number that an entry has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Lineage of the number.
    pub epoch: Epoch,
    /// The number.
    pub seq: u64,
    /// Unix milliseconds by the broker's clock.
    pub at: u64,
    /// Whether an earlier publish of the same author, key and text got this number.
    pub duplicate: bool,
}

/// Why an entry was not accepted, or why that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The author used this key for another text.
    #[error("key was used for another text")]
    KeyReused,
    /// The broker cannot be reached.
    #[error("broker is not available")]
    Unavailable,
    /// No answer came in time: it may have been written, so only the same key may be sent again.
    #[error("no answer from the broker in time")]
    Timeout,
    /// Too many publishes wait.
    #[error("too many messages wait to be published")]
    Overloaded,
    /// Redis has no memory left.
    #[error("broker has no room for another message")]
    RedisFull,
    /// The room was written by a newer version whose layout this node does not know.
    #[error("room was written by a newer version")]
    NewerLayout,
}

impl Refusal {
    /// Returns the word that the wire, the logs and the metrics use.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::KeyReused => ErrorCode::KeyReused,
            Self::Unavailable => ErrorCode::Unavailable,
            Self::Timeout => ErrorCode::Timeout,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::RedisFull => ErrorCode::RedisFull,
            Self::NewerLayout => ErrorCode::NewerLayout,
        }
    }

    /// Returns true if the same publish may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        self != Self::KeyReused
    }
}

type Answer = Box<dyn FnOnce(Result<Accepted, Refusal>) + Send>;

/// Where a publish's answer goes, exactly once: dropped without one, it answers [`Refusal::Timeout`].
pub struct Reply(Option<Answer>);

impl Reply {
    /// Wraps the function that takes the answer; it must not block.
    pub fn new(answer: impl FnOnce(Result<Accepted, Refusal>) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    /// Gives the answer.
    pub fn send(mut self, result: Result<Accepted, Refusal>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(Refusal::Timeout));
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Reply")
    }
}

/// Returns the first bytes of the text's SHA-256: a key that comes with another one was used before.
#[must_use]
pub fn short_hash(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(8)
        .fold(0, |short, byte| short << 8 | u64::from(*byte))
}

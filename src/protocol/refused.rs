//! The id of a request, and the refusal that repeats it.
//!
//! An id comes back byte for byte as it was sent, so that a page finds its request by plain comparison.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use super::errors::ErrorCode;
use super::ids::MAX_ID_BYTES;

/// The sender's mark of a request, repeated in its answer byte for byte.
///
/// A JSON integer or string of at most 64 bytes.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct RequestId(Box<RawValue>);

impl RequestId {
    /// What an id must be.
    pub(super) const RULE: &'static str = "must be an integer or a string of at most 64 bytes";

    /// Takes a JSON value over if it is an integer or a string of at most 64 bytes.
    pub(super) fn parse(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let fits = if text.starts_with('"') {
            serde_json::from_str::<String>(text).is_ok_and(|id| id.len() <= MAX_ID_BYTES)
        } else {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= MAX_ID_BYTES
        };
        fits.then(|| Self(raw.to_owned()))
    }

    /// Returns the JSON text, with quotes if it is a string.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl From<u64> for RequestId {
    fn from(number: u64) -> Self {
        let text = number.to_string();
        Self(RawValue::from_string(text).expect("digits are JSON"))
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for RequestId {}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.as_json())
    }
}

/// A request that is not done: what the `error` frame says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {message}")]
pub struct Refused {
    /// The id of the request, if it has a good one.
    pub id: Option<RequestId>,
    /// The canonical name of the room it speaks of, if it has a good one.
    pub room: Option<String>,
    /// What is wrong.
    pub error: ErrorCode,
    /// The field that is wrong, if it is one.
    pub field: Option<&'static str>,
    /// What is wrong and what is right, for a developer.
    pub message: String,
}

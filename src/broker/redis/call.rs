//! One call of the publish script: some messages of one room, in their order.
//!
//! A call lives and dies as a whole: its time is that of its oldest message, and Redis writes all of it or nothing.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, RedisWrite as _, Value};

use super::super::{Accepted, Publish, Refusal};
use super::link::Link;
use super::positions::Positions;
use super::script::{Form, Script};
use crate::protocol::{Epoch, RoomName, millis};

/// Messages of one call at most.
pub const MAX_MESSAGES: usize = 64;

/// Bytes of the messages of one call at most, unless one alone has more.
pub const MAX_BYTES: usize = 256 * 1024;

/// Arguments of a call without messages and positions.
const FIXED_ARGUMENTS: usize = 13;

/// Bytes of a call without messages, most often: five names, a lineage, an epoch and numbers.
const FIXED_BYTES: usize = 384;

/// Bytes that a message has beside what goes into the log, most often: author, key, hash.
const MESSAGE_BYTES: usize = 80;

static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&[
        include_str!("scripts/room.lua"),
        include_str!("scripts/publish.lua"),
    ])
});

/// What is the same for every call of one pipeline.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// The way to Redis with its settings.
    pub link: &'a Link,
    /// What the node has delivered.
    pub positions: &'a Positions,
    /// Lineage of the wire that the calls go over.
    pub lineage: &'a str,
    /// Name for the epochs that the calls must begin; two calls of one room never share it.
    pub fresh: &'a Epoch,
}

/// Messages of one room on their way.
#[derive(Debug)]
pub struct Call {
    /// Where to.
    pub room: RoomName,
    /// Never empty, until they are answered.
    pub messages: Vec<Publish>,
    /// When the time of the oldest message is over.
    pub not_after: Instant,
    bytes: usize,
}

impl Call {
    /// Begins a call with its oldest message.
    #[must_use]
    pub fn new(message: Publish, send_timeout: Duration) -> Self {
        Self {
            room: message.room.clone(),
            not_after: message.arrived + send_timeout,
            bytes: message.m.len(),
            messages: vec![message],
        }
    }

    /// Returns true if another message of the room still fits.
    #[must_use]
    pub fn has_space_for(&self, message: &Publish) -> bool {
        self.messages.len() < MAX_MESSAGES && self.bytes + message.m.len() <= MAX_BYTES
    }

    /// Adds the next message of the room.
    pub fn add(&mut self, message: Publish, send_timeout: Duration) {
        self.not_after = self.not_after.min(message.arrived + send_timeout);
        self.bytes += message.m.len();
        self.messages.push(message);
    }

    /// Returns the command as the head of `publish.lua` describes it.
    #[must_use]
    pub fn command(&self, form: Form, circumstances: &Circumstances<'_>) -> Cmd {
        let Circumstances {
            link,
            positions,
            lineage,
            fresh,
        } = circumstances;
        let (keys, options) = (link.keys(), link.options());
        let delivered = positions.of(&self.room);
        let arguments = FIXED_ARGUMENTS + 2 * delivered.len() + 3 * self.messages.len();
        let bytes = FIXED_BYTES + self.messages.len() * MESSAGE_BYTES + self.bytes;
        let mut command = PUBLISH.command_of(form, link.is_cluster(), arguments, bytes);
        command
            .arg(4)
            .arg(keys.log(&self.room))
            .arg(keys.meta(&self.room))
            .arg(&keys.dedupe(&self.room))
            .arg(link.clock().at(self.not_after))
            .arg(*lineage)
            .arg(fresh.as_str())
            .arg(keys.payloads(&self.room))
            .arg(options.history_entries)
            .arg(millis(options.history_keep))
            .arg(millis(options.dedupe_window))
            .arg(delivered.len());
        for (epoch, seq) in delivered {
            command.arg(epoch.as_str()).arg(seq);
        }
        for message in &self.messages {
            // The length keeps (author, key) apart from every other pair with the same letters.
            let (author, key) = (message.author.as_str(), message.key.as_str());
            command.write_arg_fmt(format_args!("{}:{author}{key}", author.len()));
        }
        for message in &self.messages {
            command.write_arg_fmt(format_args!("{:016x}", message.hash));
        }
        for message in &self.messages {
            command.arg(&message.m[..]);
        }
        command
    }
}

/// Reads what the script answered, one string per message; `None` if it is not that.
#[must_use]
pub fn answers(value: Value, count: usize) -> Option<Vec<Result<Accepted, Refusal>>> {
    let Value::Array(answers) = value else {
        return None;
    };
    let answers: Option<Vec<_>> = answers.iter().map(read).collect();
    answers.filter(|answers| answers.len() == count)
}

fn read(answer: &Value) -> Option<Result<Accepted, Refusal>> {
    let Value::BulkString(bytes) = answer else {
        return None;
    };
    answer_of(str::from_utf8(bytes).ok()?)
}

fn answer_of(text: &str) -> Option<Result<Accepted, Refusal>> {
    let refusal = match text {
        "!key_reused" => Refusal::KeyReused,
        "!redis_full" => Refusal::RedisFull,
        "!timeout" => Refusal::Timeout,
        "!newer_layout" => Refusal::NewerLayout,
        _ => {
            let (mark, numbers) = text.split_at_checked(1)?;
            let mut words = numbers.split(' ');
            let epoch = Epoch::parse(words.next()?).ok()?;
            let (seq, at) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            let duplicate = match mark {
                "+" => false,
                "=" => true,
                _ => return None,
            };
            return Some(Ok(Accepted {
                epoch,
                seq,
                at,
                duplicate,
            }));
        }
    };
    Some(Err(refusal))
}

/// Returns what a server's error means for every message of its call: nothing was written.
#[must_use]
pub fn refusal(error: &RedisError) -> Refusal {
    let text = error.to_string();
    if error.code() == Some("OOM") || text.contains("OOM command not allowed") {
        Refusal::RedisFull
    } else {
        Refusal::Unavailable
    }
}

/// Codes of errors that pass without anybody's doing, or that the health of the way tells already.
const PASSING: [&str; 9] = [
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "NOSCRIPT",
    "READONLY",
    "TRYAGAIN",
];

/// Returns true if a server's error passes by itself.
#[must_use]
pub fn is_passing(error: &RedisError) -> bool {
    error.code().is_some_and(|code| PASSING.contains(&code))
}

/// Returns true if an error says that the wire leads to a server that is no master any more.
#[must_use]
pub fn is_demoted(error: &RedisError) -> bool {
    error.code() == Some("READONLY") || error.to_string().contains("READONLY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(duplicate: bool) -> Option<Result<Accepted, Refusal>> {
        let epoch = Epoch::parse("AbC-_").unwrap();
        Some(Ok(Accepted {
            epoch,
            seq: 9_007_199_254_740_991,
            at: 1_700_000_000_000,
            duplicate,
        }))
    }

    #[test]
    fn every_answer_of_the_script_is_read() {
        assert_eq!(
            answer_of("+AbC-_ 9007199254740991 1700000000000"),
            accepted(false)
        );
        assert_eq!(
            answer_of("=AbC-_ 9007199254740991 1700000000000"),
            accepted(true)
        );
        for refusal in [
            Refusal::KeyReused,
            Refusal::RedisFull,
            Refusal::Timeout,
            Refusal::NewerLayout,
        ] {
            assert_eq!(
                answer_of(&format!("!{}", refusal.code())),
                Some(Err(refusal))
            );
        }
        for broken in ["", "+", "+e", "+e 1", "+e x 2", "?e 1 2", "!gone", "가 1 2"] {
            assert_eq!(answer_of(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_answer_for_each_message_or_none() {
        let value = || Value::Array(vec![Value::BulkString(b"!timeout".to_vec())]);
        assert_eq!(answers(value(), 1), Some(vec![Err(Refusal::Timeout)]));
        assert_eq!(answers(value(), 2), None);
        assert_eq!(answers(Value::Nil, 1), None);
        assert_eq!(answers(Value::Int(3), 1), None);
    }
}

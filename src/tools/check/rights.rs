//! What a node's user in Redis must be allowed, and how that is tried without doing anything.
//!
//! Every use is one that changes nothing: it reads, or it is a write that Redis gives up after it has looked at the
//! rights (its key is missing, its arguments do not fit). A member that has to be added is taken away again.

use std::collections::BTreeSet;

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use crate::broker::redis::keys::Keys;
use crate::broker::redis::rights::{CLUSTER_RIGHTS, RIGHTS};
use crate::protocol::RoomName;

/// A room that nobody can be in: names of rooms begin with a letter, a digit or an emoji.
const ROOM: &str = "=check";

/// A harmless use of each of [`RIGHTS`] and [`CLUSTER_RIGHTS`] and of a few more; the words in angle brackets stand for names.
#[rustfmt::skip]
const USES: &[&[&str]] = &[
    &["PING"],
    &["TIME"],
    &["INFO", "replication"],
    &["SELECT", "<db>"],
    &["UNWATCH"],
    &["WAIT", "0", "1"],
    &["EVAL", "return 1", "1", "<log>"],
    &["EVALSHA", "0000000000000000000000000000000000000000", "1", "<log>"],
    &["XADD", "<log>", "NOMKSTREAM", "1-0", "e", ""],
    &["XINFO", "STREAM", "<log>"],
    &["XRANGE", "<log>", "-", "+", "COUNT", "1"],
    &["XREVRANGE", "<log>", "+", "-", "COUNT", "1"],
    &["HMGET", "<meta>", "epoch"],
    &["HGET", "<presence>", "user"],
    &["HSET", "<meta>", "epoch", "", "seq"],
    &["HDEL", "<presence>", "user"],
    &["HLEN", "<presence>"],
    &["HSCAN", "<presence>", "0"],
    &["SADD", "<dedupe>", "room"],
    &["SMEMBERS", "<dedupe>"],
    &["SRANDMEMBER", "<dedupe>", "1"],
    &["SREM", "<dedupe>", "room"],
    &["PEXPIRE", "<dedupe>", "1"],
    &["PEXPIREAT", "<dedupe>", "1"],
    &["GET", "<identity>"],
    &["SET", "<log>", "", "XX"],
    &["EXISTS", "<log>"],
    &["DEL", "<dedupe>"],
    &["PUBLISH", "<payloads>", ""],
    &["ASKING"],
    &["CLUSTER", "INFO"],
    &["CLUSTER", "SLOTS"],
    &["SPUBLISH", "<payloads>", ""],
];

/// How Redis answers a write that nobody may do now (redis.io: full, unable to save, too few replicas).
const REFUSALS: [&str; 3] = ["OOM", "MISCONF", "NOREPLICAS"];

/// What the user lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lacks {
    /// Commands that it may not run, as an ACL rule names them.
    commands: BTreeSet<String>,
    /// Whether it may not touch a node's keys.
    keys: bool,
    /// Whether it may not publish or subscribe under a node's names.
    names: bool,
    /// Commands that the server does not have.
    unknown: BTreeSet<String>,
    /// Why the server refuses writes at this moment, in its words.
    refusal: Option<String>,
}

impl Lacks {
    /// Notes what the answer to a use says about it.
    pub(super) fn note<T>(&mut self, right: &str, answer: &RedisResult<T>) {
        let Err(error) = answer else { return };
        if is_denied(error) {
            // "… to run the 'hset' command" names a command; keys and names have sentences of their own.
            let detail = error.detail().unwrap_or_default().to_ascii_lowercase();
            if detail.contains("key") && !detail.contains("command") {
                self.keys = true;
            } else if detail.contains("channel") && !detail.contains("command") {
                self.names = true;
            } else {
                self.commands.insert(right.to_owned());
            }
        } else if error.code().is_some_and(|code| REFUSALS.contains(&code)) {
            self.refusal = Some(error.detail().unwrap_or_default().to_owned());
        } else if error
            .detail()
            .is_some_and(|detail| detail.contains("unknown command"))
        {
            self.unknown.insert(right.to_owned());
        }
    }

    /// Returns the faults, with the command that grants what is lacking to `user`.
    pub(super) fn faults(&self, user: &str, prefix: &str, is_cluster: bool) -> Vec<String> {
        let mut rules: Vec<String> = self
            .commands
            .iter()
            .map(|command| format!("+{command}"))
            .collect();
        rules.extend(self.keys.then(|| format!("~{prefix}:*")));
        rules.extend((self.keys && is_cluster).then(|| format!("~{{{prefix}}}:*")));
        rules.extend(self.names.then(|| format!("&{prefix}:*")));
        let refused = self.refusal.iter().map(|reason| {
            format!("Redis refuses all writes now, so nothing can be sent: {reason}")
        });
        let mut faults: Vec<String> = refused.collect();
        if !rules.is_empty() {
            faults.push(format!(
                "Redis denies its user {user} rights that a node needs: grant them with ACL SETUSER {user} {}",
                rules.join(" ")
            ));
        }
        if !self.unknown.is_empty() {
            let commands: Vec<_> = self.unknown.iter().map(String::as_str).collect();
            faults.push(format!(
                "Redis does not have the commands {}, or under other names: do not rename or disable them",
                commands.join(", ")
            ));
        }
        faults
    }
}

/// Returns the rights to try, in the order of their answers, and the pipeline that tries them in database `db`.
///
/// Subscribing is tried apart: its answer comes another way.
pub(super) fn tries(keys: &Keys, db: i64, is_cluster: bool) -> (Vec<String>, Pipeline) {
    let mut pipeline = Pipeline::new();
    let mut rights = Vec::new();
    for words in USES {
        let right = right_of(words);
        // Nobody selects the database that a wire begins in.
        let is_needed = RIGHTS.contains(&right.as_str())
            || is_cluster && CLUSTER_RIGHTS.contains(&right.as_str());
        if !is_needed || (right == "select" && db == 0) {
            continue;
        }
        let mut command = Cmd::new();
        for word in *words {
            command.arg(name(keys, db, word).as_deref().unwrap_or(word));
        }
        pipeline.add_command(command);
        rights.push(right);
    }
    (rights, pipeline)
}

/// Returns how an ACL rule names the command of a use.
fn right_of(words: &[&str]) -> String {
    let words = words
        .iter()
        .take(if matches!(words[0], "XINFO" | "CLUSTER") {
            2
        } else {
            1
        });
    words
        .map(|word| word.to_ascii_lowercase())
        .collect::<Vec<_>>()
        .join("|")
}

/// Returns the name to try subscriptions with.
pub(super) fn payloads(keys: &Keys) -> String {
    keys.payloads(&RoomName::trusted(ROOM))
}

/// What comes back from the tries, one for each.
pub(super) type Answers = Vec<RedisResult<Value>>;

/// Returns true if Redis denied a right.
pub(super) fn is_denied(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}

fn name(keys: &Keys, db: i64, word: &str) -> Option<String> {
    let room = RoomName::trusted(ROOM);
    match word {
        "<log>" => Some(keys.log(&room)),
        "<meta>" => Some(keys.meta(&room)),
        "<dedupe>" => keys.dedupe(&room).into_iter().next(),
        "<presence>" => Some(keys.presence(&room)),
        "<identity>" => Some(keys.identity()),
        "<db>" => Some(db.to_string()),
        "<payloads>" => Some(keys.payloads(&room)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_is_tried_once() {
        let (mut tried, _) = tries(&Keys::new("madang"), 1, true);
        let apart = ["subscribe", "unsubscribe", "ssubscribe", "sunsubscribe"];
        tried.extend(apart.map(str::to_owned));
        tried.sort_unstable();
        let mut rights = [RIGHTS, CLUSTER_RIGHTS].concat();
        rights.sort_unstable();
        assert_eq!(
            tried, rights,
            "a new right needs a use that changes nothing"
        );
    }
}

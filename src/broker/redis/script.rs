//! Lua scripts and how they are called: by hash, and whole where the server has forgotten them.
//!
//! A server forgets its scripts at every restart, failover and `SCRIPT FLUSH`; the answer NOSCRIPT says that nothing
//! ran, so the call is sent again with its text. On a Cluster a script publishes to its shard only: it is another text.

use std::fmt::Display;
use std::time::Instant;

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};

use super::fault::LinkError;
use super::link::Link;

/// How a call names its script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By its hash, which the server may not know.
    Hash,
    /// With its whole text.
    Whole,
}

/// A script under `scripts/`.
#[derive(Clone, Debug)]
pub struct Script {
    alone: Text,
    /// Publishes with SPUBLISH.
    sharded: Text,
}

/// A script's text with its hash.
#[derive(Clone, Debug)]
struct Text {
    text: String,
    hash: String,
}

impl Text {
    fn new(text: String) -> Self {
        let hash = sha1_smol::Sha1::from(&text).hexdigest();
        Self { text, hash }
    }
}

impl Script {
    /// Takes a script's parts, which become one text.
    #[must_use]
    pub fn new(parts: &[&str]) -> Self {
        let text = parts.join("\n");
        let sharded = text
            .replace("redis.call('PUBLISH'", "redis.call('SPUBLISH'")
            .replace("local CLUSTER = false", "local CLUSTER = true");
        Self {
            alone: Text::new(text),
            sharded: Text::new(sharded),
        }
    }

    /// Begins the command of a call, to a Cluster or not; keys and arguments follow.
    #[must_use]
    pub fn command(&self, form: Form, is_cluster: bool) -> Cmd {
        self.command_of(form, is_cluster, 0, 0)
    }

    /// The same, with space for so many arguments and bytes of them.
    #[must_use]
    pub fn command_of(&self, form: Form, is_cluster: bool, arguments: usize, bytes: usize) -> Cmd {
        let text = if is_cluster {
            &self.sharded
        } else {
            &self.alone
        };
        let (name, script) = match form {
            Form::Hash => ("EVALSHA", &text.hash),
            Form::Whole => ("EVAL", &text.text),
        };
        let mut command = Cmd::with_capacity(2 + arguments, name.len() + script.len() + bytes);
        command.arg(name).arg(script);
        command
    }

    /// Begins a call over these keys.
    #[must_use]
    pub fn call<const KEYS: usize>(&self, keys: [String; KEYS]) -> Call<'_> {
        Call {
            script: self,
            keys: keys.into(),
            arguments: Vec::new(),
        }
    }
}

/// A script with its keys and arguments.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    script: &'a Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Call<'_> {
    /// Adds an argument as its text.
    #[must_use]
    pub fn arg(self, argument: impl Display) -> Self {
        self.bytes(argument.to_string())
    }

    /// Adds an argument as it is.
    #[must_use]
    pub fn bytes(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn command(&self, form: Form, is_cluster: bool) -> Cmd {
        let mut command = self.script.command(form, is_cluster);
        command.arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            command.arg(&argument[..]);
        }
        command
    }
}

/// Returns true if the server has forgotten the script: nothing ran.
#[must_use]
pub fn is_forgotten(error: &RedisError) -> bool {
    error.code() == Some("NOSCRIPT")
}

/// Sends calls in one pipeline and returns each one's own result, by `until` at the latest.
///
/// # Errors
/// Why there is no answer; calls may have run all the same.
pub async fn run(
    link: &Link,
    calls: &[Call<'_>],
    until: Instant,
) -> Result<Vec<RedisResult<Value>>, LinkError> {
    let mut results = link
        .ask(
            &mut pipeline(
                calls
                    .iter()
                    .map(|call| call.command(Form::Hash, link.is_cluster())),
            ),
            until,
        )
        .await?;
    let forgotten = |result: &RedisResult<Value>| result.as_ref().is_err_and(is_forgotten);
    let again: Vec<usize> = (0..results.len())
        .filter(|&index| forgotten(&results[index]))
        .collect();
    if again.is_empty() {
        return Ok(results);
    }
    let whole = link
        .ask(
            &mut pipeline(
                again
                    .iter()
                    .map(|&index| calls[index].command(Form::Whole, link.is_cluster())),
            ),
            until,
        )
        .await?;
    for (index, result) in again.into_iter().zip(whole) {
        results[index] = result;
    }
    Ok(results)
}

fn pipeline(commands: impl ExactSizeIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

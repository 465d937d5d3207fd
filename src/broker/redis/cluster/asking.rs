//! One pipeline over the masters of a Cluster: each command at the one that has its key, the answers in their order.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisResult, Value};

use super::super::fault::LinkError;
use super::super::shard::Shard;
use super::{Cluster, MAX_HOPS, Redirect, slot_of};

impl Cluster {
    /// Sends commands; those without a key go where `common` is.
    ///
    /// # Errors
    /// As for [`Link::ask`](super::super::link::Link::ask).
    pub(in super::super) async fn ask_all(
        &self,
        common: &str,
        commands: &[Cmd],
        until: Instant,
    ) -> Result<Vec<RedisResult<Value>>, LinkError> {
        let mut results: Vec<Option<RedisResult<Value>>> = commands.iter().map(|_| None).collect();
        let mut open: Vec<(usize, Option<Redirect>)> =
            (0..commands.len()).map(|index| (index, None)).collect();
        let (mut answered, mut fault) = (false, None);
        for _ in 0..MAX_HOPS {
            let groups = self.group(common, commands, std::mem::take(&mut open), &mut results);
            let groups = match groups.await {
                Ok(groups) => groups,
                Err(unknown) => {
                    fault = Some(unknown);
                    break;
                }
            };
            let asked = groups.iter().map(|group| group.ask(commands, until));
            for (group, answers) in groups.iter().zip(join_all(asked).await) {
                match answers {
                    Ok(answers) => {
                        answered = true;
                        for (index, answer) in group.commands.iter().zip(answers) {
                            match redirect(&answer, &group.shard) {
                                Some(redirect) => open.push((*index, Some(redirect))),
                                None => results[*index] = Some(answer),
                            }
                        }
                    }
                    Err(silent) => {
                        self.look_soon();
                        for index in &group.commands {
                            results[*index] = Some(Err(as_error(&silent)));
                        }
                        fault.get_or_insert(silent);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        if let Some(fault) = fault.filter(|_| !answered) {
            return Err(fault);
        }
        let lost = || Err(as_error(&LinkError::NoUrl));
        Ok(results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect())
    }

    /// Sorts commands by who is asked; what nobody can be asked for gets its result at once.
    async fn group(
        &self,
        common: &str,
        commands: &[Cmd],
        open: Vec<(usize, Option<Redirect>)>,
        results: &mut [Option<RedisResult<Value>>],
    ) -> Result<Vec<Group>, LinkError> {
        let moved = Redirect::first_moved(&open);
        let map = self.map_after(moved.as_ref()).await?;
        let mut groups: Vec<Group> = Vec::new();
        for (index, redirect) in open {
            let slot = slot_of(key_of(&commands[index]).unwrap_or(common.as_bytes()));
            let addressee = self.addressee(&map, slot, redirect.as_ref());
            let Some((shard, asking)) = addressee else {
                self.look_soon();
                results[index] = Some(Err(as_error(&LinkError::NoOwner(slot))));
                continue;
            };
            let same = |group: &&mut Group| group.is_at(&shard) && group.asking == asking;
            match groups.iter_mut().find(same) {
                Some(group) => group.commands.push(index),
                None => groups.push(Group {
                    shard,
                    asking,
                    commands: vec![index],
                }),
            }
        }
        Ok(groups)
    }
}

/// Returns the first key of a command.
fn key_of(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().map(|word| match word {
        Arg::Simple(word) => word,
        _ => &[],
    });
    match &words.next()?.to_ascii_uppercase()[..] {
        // Script and number of keys come before.
        b"EVAL" | b"EVALSHA" => words.nth(2),
        b"XINFO" => words.nth(1),
        b"PING" | b"TIME" | b"INFO" | b"WAIT" | b"UNWATCH" => None,
        _ => words.next(),
    }
}

/// Commands for one master.
struct Group {
    shard: Arc<Shard>,
    /// Whether each needs an ASKING before it.
    asking: bool,
    /// Indices of the commands, in their order.
    commands: Vec<usize>,
}

impl Group {
    fn is_at(&self, shard: &Arc<Shard>) -> bool {
        Arc::ptr_eq(&self.shard, shard)
    }

    async fn ask(
        &self,
        commands: &[Cmd],
        until: Instant,
    ) -> Result<Vec<RedisResult<Value>>, LinkError> {
        let mut pipeline = Pipeline::with_capacity(2 * self.commands.len());
        for index in &self.commands {
            if self.asking {
                pipeline.cmd("ASKING").ignore();
            }
            pipeline.add_command(commands[*index].clone());
        }
        self.shard.ask(&mut pipeline, until).await
    }
}

fn redirect(answer: &RedisResult<Value>, shard: &Shard) -> Option<Redirect> {
    let error = answer.as_ref().err()?;
    Redirect::of(error, &shard.dialer().server()?)
}

/// Returns a fault of the way as the result of one command.
fn as_error(fault: &LinkError) -> RedisError {
    let kind = match fault {
        LinkError::Silent(_) => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::ConnectionAborted,
    };
    RedisError::from(io::Error::new(kind, fault.to_string()))
}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;

    #[test]
    fn the_first_key_decides() {
        let eval = cmd("EVALSHA")
            .arg("hash")
            .arg(2)
            .arg("a")
            .arg("b")
            .to_owned();
        let rows = [
            (eval, Some("a")),
            (cmd("get").arg("a").to_owned(), Some("a")),
            (cmd("XINFO").arg("STREAM").arg("a").to_owned(), Some("a")),
            (cmd("SPUBLISH").arg("a").arg("text").to_owned(), Some("a")),
            (cmd("TIME"), None),
            (cmd("INFO").arg("replication").to_owned(), None),
        ];
        for (command, key) in rows {
            assert_eq!(key_of(&command), key.map(str::as_bytes), "{command:?}");
        }
    }
}

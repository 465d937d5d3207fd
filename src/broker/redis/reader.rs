//! Reading a part of a room's log.
//!
//! One script call sees everything at one moment. An entry that lacks fields breaks nothing: its epoch is the chain's
//! at that seq, its time that of the entry before, its content empty and so told as unreadable. What has no id of the
//! form `<seq>-0` is none of ours.

use std::sync::LazyLock;
use std::time::Instant;

use bytes::Bytes;
use redis::Value;

use super::super::{Chain, Entry, Snapshot, Span, Unavailable};
use super::fault::LinkError;
use super::link::Link;
use super::script::{self, Script};
use crate::protocol::{Epoch, MAX_SEQ, RoomName};

static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&[
        include_str!("scripts/room.lua"),
        include_str!("scripts/read.lua"),
    ])
});

/// What the script answers: layout, chain, first, end, entries.
type Answer = (u64, Vec<u8>, u64, u64, Vec<(String, Vec<Value>)>);

/// Reads at most `limit` entries of a span.
///
/// # Errors
/// [`Unavailable`] when no answer came within the setting `limits.send_timeout`, or the room has a newer layout.
pub async fn read(
    link: &Link,
    room: &RoomName,
    span: Span,
    limit: usize,
) -> Result<Snapshot, Unavailable> {
    let until = Instant::now() + link.options().send_timeout;
    let (command, from, to) = match span {
        Span::After(seq) => (
            "XRANGE",
            format!("{}-0", seq.min(MAX_SEQ) + 1),
            "+".to_owned(),
        ),
        // Inclusive: Redis refuses an exclusive end of 0-0, and every id of a log ends in 0.
        Span::Before(seq) => (
            "XREVRANGE",
            format!("{}-0", seq.min(MAX_SEQ + 1).saturating_sub(1)),
            "-".to_owned(),
        ),
        Span::Newest => ("XREVRANGE", "+".to_owned(), "-".to_owned()),
    };
    let keys = link.keys();
    // One more than asked for tells whether there is more.
    let call = READ
        .call([keys.log(room), keys.meta(room)])
        .arg(command)
        .arg(from)
        .arg(to)
        .arg(limit.saturating_add(1));
    let mut asked = script::run(link, std::slice::from_ref(&call), until).await;
    if matches!(asked, Err(LinkError::Broken(..))) {
        // It was broken before: a read may simply be done again.
        asked = script::run(link, &[call], until).await;
    }
    let mut answers = asked.map_err(|fault| Unavailable(fault.to_string()))?;
    let answer = answers.pop().unwrap_or(Ok(Value::Nil));
    let answer = answer.map_err(|error| Unavailable(link.fault(&error).to_string()))?;
    if matches!(&answer, Value::Array(parts) if parts.len() == 1) {
        return Err(Unavailable(
            "the room was written by a newer version".to_owned(),
        ));
    }
    match redis::from_redis_value::<Answer>(answer) {
        Ok(answer) => Ok(snapshot(answer, command == "XREVRANGE", limit)),
        Err(error) => Err(Unavailable(format!("the room cannot be read: {error}"))),
    }
}

fn snapshot(answer: Answer, is_descending: bool, limit: usize) -> Snapshot {
    let (_, chain, first, end, mut rows) = answer;
    let chain = parse_chain(&chain);
    let more = rows.len() > limit;
    rows.truncate(limit);
    if is_descending {
        rows.reverse();
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    for (id, fields) in rows {
        let before = entries.last().map_or(0, |entry| entry.at);
        entries.extend(entry(&id, fields, &chain, before));
    }
    Snapshot {
        chain,
        first,
        end,
        entries,
        more,
    }
}

/// Reads `epoch first epoch first …`; a pair with an epoch that cannot be one is left out.
fn parse_chain(text: &[u8]) -> Chain {
    let mut words = text
        .split(|byte| *byte == b' ')
        .map(|word| str::from_utf8(word).unwrap_or_default());
    let mut pairs = Vec::new();
    while let (Some(epoch), Some(first)) = (words.next(), words.next()) {
        if let (Ok(epoch), Ok(first)) = (Epoch::parse(epoch), first.parse()) {
            pairs.push((epoch, first));
        }
    }
    Chain::new(pairs)
}

fn entry(id: &str, fields: Vec<Value>, chain: &Chain, before: u64) -> Option<Entry> {
    let seq = id
        .strip_suffix("-0")?
        .parse()
        .ok()
        .filter(|seq| *seq <= MAX_SEQ)?;
    let (mut epoch, mut at, mut m) = (None, None, Bytes::new());
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) =
        (fields.next(), fields.next())
    {
        match &name[..] {
            b"e" => {
                epoch = str::from_utf8(&value)
                    .ok()
                    .and_then(|epoch| Epoch::parse(epoch).ok())
            }
            b"at" => at = str::from_utf8(&value).ok().and_then(|at| at.parse().ok()),
            b"m" => m = value.into(),
            _ => {}
        }
    }
    let epoch = epoch.or_else(|| chain.epoch_at(seq).cloned())?;
    Some(Entry {
        epoch,
        seq,
        at: at.unwrap_or(before),
        m,
    })
}

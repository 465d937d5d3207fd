//! What goes over a room's pub/sub name: entries, or something without a number.
//!
//! A payload is `1e<epoch>\n` and for each entry `<seq> <at> <bytes of m>\n<m>`, or `1x` and the JSON of an
//! [`Ephemeral`]. The first byte is the version, the second the kind. The script `publish.lua` writes the first form,
//! this file the second, and this file reads both. What cannot be read may have been an entry: its reader suspects
//! the room. An ephemeral thing of a newer node is passed over, for it can be no entry.

use bytes::Bytes;

use super::super::{Entry, Ephemeral};
use crate::protocol::{Epoch, MAX_SEQ};

const VERSION: u8 = b'1';
const ENTRIES: u8 = b'e';
const EPHEMERAL: u8 = b'x';

/// What a payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Numbered entries of one epoch, ascending, at least one.
    Entries(Vec<Entry>),
    /// Something without a number.
    Ephemeral(Ephemeral),
    /// Something without a number that this version does not know.
    Unknown,
}

/// A payload that cannot be read: entries may be lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload cannot be read")]
pub struct Unreadable;

impl Payload {
    /// Reads a payload; the entries share its memory.
    ///
    /// # Errors
    /// [`Unreadable`] for another version or kind, and for anything cut or malformed.
    pub fn decode(payload: &Bytes) -> Result<Self, Unreadable> {
        match payload.get(..2) {
            Some(&[VERSION, ENTRIES]) => decode_entries(payload).ok_or(Unreadable),
            Some(&[VERSION, EPHEMERAL]) => {
                Ok(serde_json::from_slice(&payload[2..]).map_or(Self::Unknown, Self::Ephemeral))
            }
            _ => Err(Unreadable),
        }
    }
}

/// Writes a payload that carries something without a number.
#[must_use]
pub fn encode_ephemeral(ephemeral: &Ephemeral) -> Vec<u8> {
    let mut payload = vec![VERSION, EPHEMERAL];
    serde_json::to_writer(&mut payload, ephemeral)
        .expect("an ephemeral thing has only string keys");
    payload
}

fn decode_entries(payload: &Bytes) -> Option<Payload> {
    let mut at = 2;
    let epoch = Epoch::parse(line(payload, &mut at)?).ok()?;
    let mut entries: Vec<Entry> = Vec::new();
    while at < payload.len() {
        let mut words = line(payload, &mut at)?.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (seq, time, length) = (number()?, number()?, number()?);
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        let ascends = entries.last().is_none_or(|last| last.seq < seq);
        if words.next().is_some() || end > payload.len() || seq == 0 || seq > MAX_SEQ || !ascends {
            return None;
        }
        entries.push(Entry {
            epoch: epoch.clone(),
            seq,
            at: time,
            m: payload.slice(at..end),
        });
        at = end;
    }
    (!entries.is_empty()).then_some(Payload::Entries(entries))
}

/// Returns the text from `at` to the next line feed and moves `at` behind it.
fn line<'a>(payload: &'a [u8], at: &mut usize) -> Option<&'a str> {
    let rest = &payload[*at..];
    let length = rest.iter().position(|byte| *byte == b'\n')?;
    *at += length + 1;
    str::from_utf8(&rest[..length]).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{User, UserId, UserName};

    /// Writes entries as `publish.lua` does.
    fn encode(epoch: &str, entries: &[(u64, u64, &[u8])]) -> Bytes {
        let mut payload = format!("1e{epoch}\n").into_bytes();
        for (seq, at, m) in entries {
            payload.extend(format!("{seq} {at} {}\n", m.len()).as_bytes());
            payload.extend(*m);
        }
        payload.into()
    }

    fn typing() -> Ephemeral {
        let user = User {
            id: UserId::parse("u1").unwrap(),
            name: UserName::trusted("안나"),
            bot: None,
        };
        Ephemeral::Typing { user }
    }

    #[test]
    fn ephemeral_things_read_back() {
        let payload = encode_ephemeral(&typing()).into();
        assert_eq!(Payload::decode(&payload), Ok(Payload::Ephemeral(typing())));
    }

    #[test]
    fn what_a_newer_node_made_ephemeral_is_passed_over() {
        for text in ["1x{\"type\":\"waving\"}", "1x", "1x{"] {
            assert_eq!(
                Payload::decode(&Bytes::from_static(text.as_bytes())),
                Ok(Payload::Unknown),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_unreadable() {
        for text in [
            "",
            "1",
            "1e",
            "2eabc\n1 5 1\nm",
            "1qabc\n1 5 1\nm",
            "1eabc\n",
            "1e\n1 5 1\nm",
            "1eabc\n1 5 1\n",
            "1eabc\n1 5 2\nm",
            "1eabc\n1 5 1\nmm",
            "1eabc\n1 5\nm",
            "1eabc\n1 5 1 1\nm",
            "1eabc\n0 5 1\nm",
            "1eabc\n1 5 -1\nm",
            "1eabc\n2 5 1\nm1 5 1\nm",
            "1eabc\n1 5 1\nm1 5 1\nm",
            "1eabc\n1  1\nm",
            "1eabc\n1 5 18446744073709551615\nm",
            "1eabc\n9007199254740992 5 1\nm",
            "{\"kind\":\"entries\"}",
        ] {
            let payload = Bytes::from_static(text.as_bytes());
            assert_eq!(Payload::decode(&payload), Err(Unreadable), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn entries_read_back_whatever_their_bytes(
            first in 1_u64..=MAX_SEQ - 10,
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
        ) {
            let rows: Vec<_> = (first..).zip(&contents).map(|(seq, m)| (seq, 1_700_000_000_000, &m[..])).collect();
            let payload = encode("AbC-_0123456789x", &rows);
            let Ok(Payload::Entries(entries)) = Payload::decode(&payload) else { panic!("unreadable") };
            let read: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.at, &entry.m[..])).collect();
            prop_assert_eq!(read, rows);
            for cut in 0..payload.len() {
                let part = Payload::decode(&payload.slice(..cut));
                prop_assert_ne!(part, Ok(Payload::Entries(entries.clone())));
            }
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Payload::decode(&bytes.clone().into());
            let mut begun = b"1eabc\n".to_vec();
            begun.extend(bytes);
            let _ = Payload::decode(&begun.into());
        }
    }
}

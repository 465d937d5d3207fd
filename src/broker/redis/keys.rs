//! Names of everything that madang has in Redis.
//!
//! All keys of a room share the hash tag `{<room>}`, so that one script may touch them all on a Cluster. The characters
//! `{`, `}` and `%` of a room's name are percent-encoded, so that the tag is the whole name and decodes to one room.
//!
//! | name | what |
//! | --- | --- |
//! | `<prefix>:{<room>}:log` | stream of the room's recent entries, ids `<seq>-0` |
//! | `<prefix>:{<room>}:meta` | hash: layout version, epoch, chain, lineage, seq, at |
//! | `<prefix>:{<room>}:d0`, `:d1` | hashes of the keys of recent messages, taken in turns |
//! | `<prefix>:{<room>}:presence` | hash of the users in the room |
//! | `<prefix>:{<room>}` | name that the room's payloads are published under |
//! | `<prefix>:canary:<node>` | name that a node publishes to itself under |
//! | `<prefix>:identity` | key that signs identity tokens |
//!
//! On a Cluster every key without a room begins with `{<prefix>}` in place of `<prefix>`: all of them share one slot, so
//! that pipelines and scripts over several of them stay what they are. A canary ends in `:{<number>}`, with a number
//! whose slot is the shard's.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::protocol::RoomName;

/// Builds and reads the names under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Begins the names of rooms and canaries.
    of_rooms: Arc<str>,
    /// Begins the keys without a room.
    prefix: Arc<str>,
}

impl Keys {
    /// Takes the value of the setting `redis.prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            of_rooms: prefix.into(),
            prefix: prefix.into(),
        }
    }

    /// The same on a Cluster.
    #[must_use]
    pub fn on_cluster(prefix: &str) -> Self {
        Self {
            of_rooms: prefix.into(),
            prefix: format!("{{{prefix}}}").into(),
        }
    }

    /// Returns the prefix of every key that belongs to no room; on a Cluster they share a slot.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the key of the room's log.
    #[must_use]
    pub fn log(&self, room: &RoomName) -> String {
        self.of_room(room, ":log")
    }

    /// Returns the key of the room's meta.
    #[must_use]
    pub fn meta(&self, room: &RoomName) -> String {
        self.of_room(room, ":meta")
    }

    /// Returns the keys of the room's two dedupe hashes.
    #[must_use]
    pub fn dedupe(&self, room: &RoomName) -> [String; 2] {
        [self.of_room(room, ":d0"), self.of_room(room, ":d1")]
    }

    /// Returns the key of the room's presence.
    #[must_use]
    pub fn presence(&self, room: &RoomName) -> String {
        self.of_room(room, ":presence")
    }

    /// Returns the name that the room's payloads are published under.
    #[must_use]
    pub fn payloads(&self, room: &RoomName) -> String {
        self.of_room(room, "")
    }

    /// Returns the room whose payloads are published under `name`, if it is such a name under this prefix.
    #[must_use]
    pub fn room_of(&self, name: &[u8]) -> Option<RoomName> {
        let rest = name.strip_prefix(self.of_rooms.as_bytes())?;
        let encoded = rest.strip_prefix(b":{")?.strip_suffix(b"}")?;
        decode(encoded).map(|room| RoomName::trusted(&room))
    }

    /// Returns the name that a node publishes to itself under.
    #[must_use]
    pub fn canary(&self, node: &str) -> String {
        format!("{}:canary:{node}", self.of_rooms)
    }

    /// Returns the key of the fleet's identity key.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}:identity", self.prefix)
    }

    /// Returns the name that a node publishes to itself under, on the shard that has the slot of `tag`.
    #[must_use]
    pub fn canary_at(&self, node: &str, tag: &str) -> String {
        format!("{}:canary:{node}:{{{tag}}}", self.of_rooms)
    }

    fn of_room(&self, room: &RoomName, part: &str) -> String {
        let mut name =
            String::with_capacity(self.of_rooms.len() + room.as_str().len() + part.len() + 3);
        name.push_str(&self.of_rooms);
        name.push_str(":{");
        let mut rest = room.as_str();
        while let Some(at) = memchr::memchr3(b'{', b'}', b'%', rest.as_bytes()) {
            let _ = write!(name, "{}%{:02X}", &rest[..at], rest.as_bytes()[at]);
            rest = &rest[at + 1..];
        }
        name.push_str(rest);
        name.push('}');
        name.push_str(part);
        name
    }
}

/// Undoes the percent-encoding; `None` if it is none that [`Keys::of_room`] makes.
fn decode(encoded: &[u8]) -> Option<String> {
    let encoded = str::from_utf8(encoded).ok()?;
    let mut room = String::with_capacity(encoded.len());
    let mut parts = encoded.split('%');
    room.push_str(parts.next()?);
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        room.push(match code {
            "7B" => '{',
            "7D" => '}',
            "25" => '%',
            _ => return None,
        });
        room.push_str(rest);
    }
    let bare = |text: &str| !text.contains(['{', '}']);
    (!room.is_empty() && bare(encoded)).then_some(room)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_a_room_share_its_hash_tag() {
        let keys = Keys::new("madang");
        let room = RoomName::trusted("team {a} 100%");
        let tag = "madang:{team %7Ba%7D 100%25}";
        assert_eq!(keys.log(&room), format!("{tag}:log"));
        assert_eq!(keys.meta(&room), format!("{tag}:meta"));
        assert_eq!(
            keys.dedupe(&room),
            [format!("{tag}:d0"), format!("{tag}:d1")]
        );
        assert_eq!(keys.presence(&room), format!("{tag}:presence"));
        assert_eq!(keys.payloads(&room), tag);
        assert_eq!(keys.canary("n1"), "madang:canary:n1");
        assert_eq!(keys.identity(), "madang:identity");
    }

    #[test]
    fn on_a_cluster_what_has_no_room_shares_a_slot() {
        let (alone, cluster) = (Keys::new("madang"), Keys::on_cluster("madang"));
        let room = RoomName::trusted("lobby");
        assert_eq!(alone.log(&room), cluster.log(&room));
        assert_eq!(cluster.prefix(), "{madang}");
        assert_eq!(cluster.identity(), "{madang}:identity");
        let canary = cluster.canary_at("n1", "7");
        assert_eq!(canary, "madang:canary:n1:{7}");
        assert_eq!(cluster.room_of(canary.as_bytes()), None);
    }

    #[test]
    fn other_names_are_no_room() {
        let keys = Keys::new("madang");
        for name in [
            "madang:{lobby}:log",
            "madang:{}",
            "madang:lobby",
            "madang:canary:n1",
            "other:{lobby}",
            "madang2:{lobby}",
            "madang:{a%7}",
            "madang:{a%7b}",
            "madang:{a%41}",
            "madang:{a{b}",
            "madang:{a}b}",
            "madang:{a%7é}",
            "",
        ] {
            assert_eq!(keys.room_of(name.as_bytes()), None, "{name}");
        }
        assert_eq!(keys.room_of(b"madang:{\xff}"), None);
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_its_room(room in "[a-z가-힣{}%:7BD25 ]{1,20}", prefix in "[a-z:.]{1,8}") {
            let keys = Keys::new(&prefix);
            let room = RoomName::trusted(&room);
            let name = keys.payloads(&room);
            prop_assert_eq!(keys.room_of(name.as_bytes()), Some(room.clone()));
            let tag = &name[prefix.len() + 2..name.len() - 1];
            let is_bare = !tag.contains(['{', '}']);
            prop_assert!(is_bare, "{}", tag);
        }
    }
}

//! What the log keeps of a message (`m`) and the `message` frame made of it.
//!
//! `m` is the JSON object `{key, user, kind?, text?, …}` exactly as it stands in the frame: a node writes room,
//! epoch, seq and at in front of it and never encodes it again, so members that it does not know pass through.
//! What only the broker decides cannot be claimed by `m`.

use std::fmt;
use std::io::{self, Write};

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::ids::{Epoch, Key};
use super::names::RoomName;
use super::values::User;

/// The kind of a message whose entry a node cannot read.
pub const UNREADABLE: &str = "unreadable";

/// A message's own part as this version writes it.
#[derive(Serialize)]
struct Own<'a> {
    key: &'a Key,
    user: &'a User,
    text: &'a str,
}

/// Returns the `m` of a text: `{"key":…,"user":{…},"text":…}`.
pub fn encode_m(key: &Key, user: &User, text: &str) -> Vec<u8> {
    serde_json::to_vec(&Own { key, user, text }).expect("strings always become JSON")
}

/// What [`splice`] made of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "unreadable entries are counted"]
pub enum Spliced {
    /// The message with all members of `m`.
    Message,
    /// A message of kind `unreadable` that only keeps the number.
    Unreadable,
}

/// Bytes that a `message` has beside room, epoch and `m`, most often.
pub const FRAME_BYTES: usize = 96;

/// Writes the `message` frame of an entry to `out`, which is memory: it takes all.
///
/// If `m` is no JSON object, or has a member `type`, `room`, `epoch`, `seq` or `at` at its top level, the frame has
/// `"kind":"unreadable"` and nothing of `m`: readers take the last of two equal members, so such an entry could
/// pass for another one.
pub fn splice(
    room: &RoomName,
    epoch: &Epoch,
    seq: u64,
    at: u64,
    m: &[u8],
    out: &mut impl Write,
) -> Spliced {
    let members = members_of(m);
    let mut write = || -> io::Result<()> {
        out.write_all(br#"{"type":"message","room":"#)?;
        serde_json::to_writer(&mut *out, room)?;
        out.write_all(br#","epoch":"#)?;
        serde_json::to_writer(&mut *out, epoch)?;
        write!(out, r#","seq":{seq},"at":{at}"#)?;
        match members {
            None => write!(out, r#","kind":"{UNREADABLE}""#)?,
            Some("") => {}
            Some(members) => {
                out.write_all(b",")?;
                out.write_all(members.as_bytes())?;
            }
        }
        out.write_all(b"}")
    };
    write().expect("memory takes all that is written");
    match members {
        None => Spliced::Unreadable,
        Some(_) => Spliced::Message,
    }
}

/// Returns what stands between the braces of `m`, or none if `m` cannot be spliced.
fn members_of(m: &[u8]) -> Option<&str> {
    let text = str::from_utf8(m)
        .ok()?
        .trim_matches([' ', '\t', '\n', '\r']);
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(OwnMembers).ok()?;
    reader.end().ok()?;
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    Some(inner.trim_matches([' ', '\t', '\n', '\r']))
}

/// Accepts any object that claims none of the members that the broker decides.
struct OwnMembers;

/// The name of a member, as far as it matters here.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Type,
    Room,
    Epoch,
    Seq,
    At,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for OwnMembers {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without type, room, epoch, seq and at")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key()? {
            if !matches!(member, Member::Other) {
                return Err(serde::de::Error::custom("a member that the broker decides"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::ids::UserId;
    use super::super::names::UserName;
    use super::*;

    fn spliced(m: &[u8]) -> (Spliced, String) {
        let room = RoomName::parse("a \"room\"").unwrap();
        let epoch = Epoch::parse("e\\1").unwrap();
        let mut out = Vec::new();
        let result = splice(&room, &epoch, 7, 1_700_000_000_000, m, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    fn head(rest: &str) -> String {
        format!(
            r#"{{"type":"message","room":"a \"room\"","epoch":"e\\1","seq":7,"at":1700000000000{rest}"#
        )
    }

    #[test]
    fn a_text_is_spliced_as_it_stands_in_the_log() {
        let user = User {
            id: UserId::parse("u1").unwrap(),
            name: UserName::parse("Ann").unwrap(),
            bot: None,
        };
        let m = encode_m(&Key::parse("k1").unwrap(), &user, "hi \"you\"\n");
        let own = r#""key":"k1","user":{"id":"u1","name":"Ann"},"text":"hi \"you\"\n"}"#;
        assert_eq!(String::from_utf8(m.clone()).unwrap(), format!("{{{own}"));
        assert_eq!(spliced(&m), (Spliced::Message, head(&format!(",{own}"))));
    }

    #[test]
    fn any_object_passes_untouched() {
        for (m, rest) in [
            ("{}", "}"),
            (" { } ", "}"),
            (
                "\n{ \"a\" : [1, {\"seq\":2}] }\r\n",
                ",\"a\" : [1, {\"seq\":2}]}",
            ),
            (
                r#"{"kind":"edit","of":{"epoch":"e","seq":3},"new":1e3}"#,
                r#","kind":"edit","of":{"epoch":"e","seq":3},"new":1e3}"#,
            ),
            (r#"{"Seq":1,"types":2}"#, r#","Seq":1,"types":2}"#),
        ] {
            assert_eq!(spliced(m.as_bytes()), (Spliced::Message, head(rest)), "{m}");
        }
    }

    #[test]
    fn what_is_no_object_or_claims_the_brokers_part_is_unreadable() {
        let whole = (Spliced::Unreadable, head(r#","kind":"unreadable"}"#));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for m in [
            "",
            " ",
            "{",
            "}",
            "null",
            "7",
            "\"{}\"",
            "[]",
            "[{}]",
            "{}{}",
            "{},",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1}}",
            "{\"a\":\"\n\"}",
            "\u{feff}{}",
            "{\"a\":01}",
            deep.as_str(),
            r#"{"type":"sent"}"#,
            r#"{"room":"b"}"#,
            r#"{"epoch":"x"}"#,
            r#"{"seq":1}"#,
            r#"{"a":1,"at":1}"#,
            r#"{"\u0073eq":1}"#,
        ] {
            assert_eq!(spliced(m.as_bytes()), whole, "{m:.40}");
        }
        assert_eq!(spliced(b"{\"a\":\"\xff\"}"), whole);
        assert_eq!(spliced(b"{\"\xc3\":1}"), whole);
    }

    #[test]
    fn depth_inside_an_object_does_no_harm() {
        let m = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(spliced(m.as_bytes()).0, Spliced::Message);
    }

    proptest! {
        #[test]
        fn every_frame_is_json_with_the_brokers_numbers(m in any::<Vec<u8>>()) {
            let frame: Value = serde_json::from_str(&spliced(&m).1).unwrap();
            prop_assert_eq!(&frame["seq"], &json!(7));
        }

        #[test]
        fn every_flat_object_keeps_its_members(members in prop::collection::btree_map("[a-z]{1,6}", any::<String>(), 0..4)) {
            let m = serde_json::to_vec(&members).unwrap();
            let (result, frame) = spliced(&m);
            let frame: Value = serde_json::from_str(&frame).unwrap();
            prop_assert_eq!(&frame["type"], &json!("message"));
            if result == Spliced::Message {
                for (name, value) in members {
                    prop_assert_eq!(&frame[&name], &json!(value));
                }
            }
        }
    }
}

//! Names of rooms and of users in their canonical form.
//!
//! Two strings that a person cannot tell apart are one name: NFC, trimmed, runs of white space folded to one
//! space, nothing invisible except where a script or an emoji needs it. Rooms are lower-cased besides.
//! All lengths are in code points of the canonical form.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::characters::{may_begin_a_room, stands_in_a_name};

/// The longest name, in code points; 256 bytes at most.
pub const MAX_NAME: usize = 64;

/// Characters that a room's name cannot have, since it stands in URLs and paths.
const RESERVED_IN_ROOMS: [char; 5] = ['/', '\\', '?', '#', '%'];

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing is left after trimming.
    #[error("a name has at least one character")]
    Empty,
    /// More code points than the limit.
    #[error("the name has {count} code points, at most {limit} are allowed")]
    TooLong {
        /// Code points of the canonical form.
        count: usize,
        /// Code points that are allowed.
        limit: usize,
    },
    /// A room's name begins with something else than a letter, a digit or an emoji.
    #[error("a room's name begins with a letter, a digit or an emoji")]
    Beginning {
        /// The first character.
        character: char,
    },
    /// A character that names do not have, or not at this place.
    #[error("the name must not have the character U+{:04X} there", u32::from(*.character))]
    Forbidden {
        /// The first such character.
        character: char,
    },
}

/// The canonical name of a room; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Returns the canonical form of a room's name of at most [`MAX_NAME`] code points.
    ///
    /// It begins with a letter, digit or emoji of any script; other first characters are reserved.
    pub fn parse(raw: &str) -> Result<Self, NameFault> {
        Self::parse_within(raw, MAX_NAME)
    }

    /// Like [`RoomName::parse`] with a lower limit of code points.
    pub fn parse_within(raw: &str, limit: usize) -> Result<Self, NameFault> {
        if is_canonical(raw) && raw.len() <= limit.min(MAX_NAME) {
            return Ok(Self(raw.into()));
        }
        Self::canonical(raw, limit)
    }

    fn canonical(raw: &str, limit: usize) -> Result<Self, NameFault> {
        let composed: String = raw.nfc().collect();
        let lowered: String = composed.to_lowercase().nfc().collect();
        let name = with_single_spaces(&lowered);
        let characters = checked(&name, limit)?;
        if let Some(&character) = characters.iter().find(|c| RESERVED_IN_ROOMS.contains(c)) {
            return Err(NameFault::Forbidden { character });
        }
        if !may_begin_a_room(characters[0]) {
            return Err(NameFault::Beginning {
                character: characters[0],
            });
        }
        Ok(Self(name.into()))
    }

    /// Takes over a name that a node of the fleet has accepted before, such as one read from the broker.
    ///
    /// It is not judged again, because another version may know more characters.
    pub fn trusted(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The canonical name of a user, shown as it is; not unique; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserName(Arc<str>);

impl UserName {
    /// Returns the canonical form of a user's name of at most [`MAX_NAME`] code points; case is kept.
    pub fn parse(raw: &str) -> Result<Self, NameFault> {
        Self::parse_within(raw, MAX_NAME)
    }

    /// Like [`UserName::parse`] with a lower limit of code points.
    pub fn parse_within(raw: &str, limit: usize) -> Result<Self, NameFault> {
        let composed: String = raw.nfc().collect();
        let name = with_single_spaces(&composed);
        checked(&name, limit)?;
        Ok(Self(name.into()))
    }

    /// Takes over a name that a node of the fleet has accepted before; see [`RoomName::trusted`].
    /// Deserializing does the same.
    pub fn trusted(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns true for a room's name that is surely in its canonical form, as most are that a page sends: lower-case ASCII.
fn is_canonical(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_fit =
        |pair: &[u8]| is_word(&pair[1]) || (is_word(&pair[0]) && b" -_.".contains(&pair[1]));
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && bytes.windows(2).all(is_fit)
}

/// Trims, and folds each run of white space to one space. Control characters stay, to be refused.
fn with_single_spaces(raw: &str) -> String {
    let mut name = String::with_capacity(raw.len());
    let mut after_space = false;
    for c in raw.trim().chars() {
        let is_space =
            c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
        if !is_space {
            name.push(c);
        } else if !after_space {
            name.push(' ');
        }
        after_space = is_space;
    }
    name
}

/// Returns the characters of a name that is neither empty nor too long and has none that is out of place.
fn checked(name: &str, limit: usize) -> Result<Vec<char>, NameFault> {
    let characters: Vec<char> = name.chars().collect();
    let (count, limit) = (characters.len(), limit.min(MAX_NAME));
    if count == 0 {
        return Err(NameFault::Empty);
    }
    if count > limit {
        return Err(NameFault::TooLong { count, limit });
    }
    match (0..count).find(|&index| !stands_in_a_name(&characters, index)) {
        Some(index) => Err(NameFault::Forbidden {
            character: characters[index],
        }),
        None => Ok(characters),
    }
}

macro_rules! name_traits {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_traits!(RoomName);
name_traits!(UserName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn room_names_take_their_canonical_form() {
        for (raw, canonical) in [
            ("lobby", "lobby"),
            ("  Lobby\n", "lobby"),
            ("Team  A\u{3000}B", "team a b"),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}", "한국"),
            ("E\u{301}te\u{301}", "été"),
            ("ΟΔΟΣ", "οδος"),
            ("İstanbul", "i\u{307}stanbul"),
            ("42", "42"),
            ("🦀 rust", "🦀 rust"),
            ("👩‍👩‍👧", "👩‍👩‍👧"),
            ("❤️", "❤️"),
            ("1️⃣", "1️⃣"),
            ("🇰🇷", "🇰🇷"),
            ("می‌خواهم", "می‌خواهم"),
            ("ශ්‍රී", "ශ්‍රී"),
            ("a\"b{c}'<d>:*", "a\"b{c}'<d>:*"),
        ] {
            assert_eq!(RoomName::parse(raw).unwrap().as_str(), canonical, "{raw:?}");
        }
        assert!(RoomName::parse(&"한".repeat(64)).is_ok());
    }

    #[test]
    fn bad_room_names_are_refused_with_their_fault() {
        let forbidden = |character| NameFault::Forbidden { character };
        let beginning = |character| NameFault::Beginning { character };
        let too_long = "a".repeat(65);
        for (raw, fault) in [
            ("", NameFault::Empty),
            (" \t\u{a0}", NameFault::Empty),
            (
                too_long.as_str(),
                NameFault::TooLong {
                    count: 65,
                    limit: 64,
                },
            ),
            ("@ann", beginning('@')),
            ("*all", beginning('*')),
            ("-", beginning('-')),
            ("_x", beginning('_')),
            ("{a}", beginning('{')),
            ("\u{301}a", beginning('\u{301}')),
            ("a/b", forbidden('/')),
            ("a\\b", forbidden('\\')),
            ("a?", forbidden('?')),
            ("#a", forbidden('#')),
            ("a%2f", forbidden('%')),
            ("a\u{0}", forbidden('\u{0}')),
            ("a\tb", forbidden('\t')),
            ("a\u{7f}b", forbidden('\u{7f}')),
            ("a\u{2028}b", forbidden('\u{2028}')),
            ("a\u{202e}b", forbidden('\u{202e}')),
            ("a\u{2066}b", forbidden('\u{2066}')),
            ("a\u{200e}b", forbidden('\u{200e}')),
            ("ad\u{200c}min", forbidden('\u{200c}')),
            ("ad\u{200d}min", forbidden('\u{200d}')),
            ("a\u{200b}b", forbidden('\u{200b}')),
            ("a\u{ad}b", forbidden('\u{ad}')),
            ("\u{feff}a", forbidden('\u{feff}')),
            ("a\u{fe0f}", forbidden('\u{fe0f}')),
            ("1\u{fe0f}", forbidden('\u{fe0f}')),
            ("\u{3164}", forbidden('\u{3164}')),
            ("a\u{2800}", forbidden('\u{2800}')),
            ("a\u{e000}", forbidden('\u{e000}')),
            ("a\u{378}", forbidden('\u{378}')),
            ("a\u{ffff}", forbidden('\u{ffff}')),
            ("🦀\u{200d}", forbidden('\u{200d}')),
        ] {
            assert_eq!(RoomName::parse(raw), Err(fault), "{raw:?}");
        }
    }

    #[test]
    fn user_names_keep_their_case_and_may_begin_with_anything_visible() {
        for (raw, canonical) in [
            (" Ann  Lee ", "Ann Lee"),
            ("@ann/#1?", "@ann/#1?"),
            ("홍길동", "홍길동"),
            ("辻\u{e0100}", "辻\u{e0100}"),
        ] {
            assert_eq!(UserName::parse(raw).unwrap().as_str(), canonical, "{raw:?}");
        }
        for bad in [
            "",
            " ",
            "a\u{202e}b",
            "\u{3164}",
            "\u{200b}",
            "a\nb",
            &"n".repeat(65),
        ] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_lower_limit_counts_and_a_higher_one_does_not() {
        let fault = NameFault::TooLong { count: 5, limit: 4 };
        assert_eq!(RoomName::parse_within("lobby", 4), Err(fault));
        assert!(UserName::parse_within(&"n".repeat(65), 1_000).is_err());
    }

    #[test]
    fn every_single_character_is_judged_the_same_twice() {
        // Han and Hangul are left out, which neither case nor composition changes.
        let blocks = [
            '\0'..='\u{33FF}',
            '\u{A000}'..='\u{ABFF}',
            '\u{F900}'..='\u{1FFFF}',
        ];
        for c in blocks.into_iter().flatten() {
            let raw = format!("a{c}b");
            if let Ok(name) = RoomName::parse(&raw) {
                assert_eq!(RoomName::parse(name.as_str()).as_ref(), Ok(&name), "{c:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn canonical_names_are_their_own_canonical_form(raw in any::<String>()) {
            if let Ok(name) = RoomName::parse(&raw) {
                prop_assert_eq!(RoomName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.as_str().chars().count() <= MAX_NAME);
            }
            if let Ok(name) = UserName::parse(&raw) {
                prop_assert_eq!(UserName::parse(name.as_str()), Ok(name));
            }
        }

        #[test]
        fn what_is_seen_at_once_to_be_canonical_is(raw in "[a-z0-9 ._A-Z/-]{0,70}", limit in 1_usize..70) {
            prop_assert_eq!(RoomName::parse_within(&raw, limit), RoomName::canonical(&raw, limit));
        }

        #[test]
        fn words_of_many_scripts_keep_their_canonical_form(
            raw in "[\\p{L}\\p{M}\\p{Zs}\u{200c}\u{200d}\u{fe0f}🦀❤]{1,12}",
        ) {
            if let Ok(name) = RoomName::parse(&raw) {
                prop_assert_eq!(RoomName::parse(name.as_str()), Ok(name));
            }
        }
    }
}

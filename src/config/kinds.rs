//! What kinds of value a setting can have: the idea, and counts, choices, optional values.
//!
//! A kind reads a text, says in words what it allows, and prints a value in the one form that the
//! listing uses. Reading what was printed gives the same value.

use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Why a text is no value of a kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not among what [`Kind::allowed`] names.
    NotAllowed,
    /// The same, and this is the particular reason.
    Because(String),
}

/// How the text of a setting becomes a value.
pub(super) trait Kind {
    /// The typed value.
    type Value;

    /// Reads a text that has no white space at its ends.
    fn parse(&self, text: &str) -> Result<Self::Value, Refusal>;

    /// Says what is allowed, as it follows "allowed is".
    fn allowed(&self) -> String;

    /// Prints a value, secrets hidden.
    fn show(&self, value: &Self::Value) -> String;

    /// Returns a text that was refused as it may be printed.
    fn hide(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// A whole number within bounds, both included.
pub(super) struct Count<T>(pub(super) T, pub(super) T);

impl<T: FromStr + PartialOrd + Display> Kind for Count<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, Refusal> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::NotAllowed);
        }
        text.parse()
            .ok()
            .filter(|number| (&self.0..=&self.1).contains(&number))
            .ok_or(Refusal::NotAllowed)
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// One of a few words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq + Debug> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, Refusal> {
        let found = self.0.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or(Refusal::NotAllowed)
    }

    fn allowed(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        format!("one of {}", words.join(", "))
    }

    fn show(&self, value: &T) -> String {
        let found = self.0.iter().find(|(_, known)| known == value);
        found.map_or_else(|| format!("{value:?}"), |(word, _)| (*word).to_owned())
    }
}

/// A kind whose empty text means "none".
pub(super) struct Optional<K>(pub(super) K);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;

    fn parse(&self, text: &str) -> Result<Self::Value, Refusal> {
        if text.is_empty() {
            return Ok(None);
        }
        self.0.parse(text).map(Some)
    }

    fn allowed(&self) -> String {
        format!("empty, or {}", self.0.allowed())
    }

    fn show(&self, value: &Self::Value) -> String {
        let shown = value.as_ref().map(|value| self.0.show(value));
        shown.unwrap_or_default()
    }

    fn hide(&self, text: &str) -> String {
        self.0.hide(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns how a text is printed, `None` if it is refused; what is printed reads as the same.
    pub(in crate::config) fn shown<K: Kind>(kind: &K, text: &str) -> Option<String> {
        let value = kind.parse(text).ok()?;
        let shown = kind.show(&value);
        let again = kind.parse(&shown).expect("what is printed can be read");
        assert_eq!(kind.show(&again), shown, "printing {text:?} is stable");
        Some(shown)
    }

    #[test]
    fn counts_keep_their_bounds() {
        let kind = Count(1_u32, 64);
        for (text, expected) in [("1", "1"), ("64", "64"), ("007", "7")] {
            assert_eq!(shown(&kind, text).as_deref(), Some(expected), "{text:?}");
        }
        for text in [
            "",
            "0",
            "65",
            "-1",
            "+5",
            "1.5",
            "1_000",
            "ten",
            "4294967297",
            "٣",
        ] {
            assert_eq!(shown(&kind, text), None, "{text:?}");
        }
        assert_eq!(kind.allowed(), "a whole number from 1 to 64");
    }

    #[test]
    fn choices_are_exact_words() {
        let kind = Choice(&[("on", true), ("off", false)]);
        assert_eq!(kind.parse("on"), Ok(true));
        assert_eq!(kind.show(&false), "off");
        assert_eq!(kind.parse("ON"), Err(Refusal::NotAllowed));
        assert_eq!(kind.allowed(), "one of on, off");
    }

    #[test]
    fn an_optional_kind_reads_nothing_as_none() {
        let kind = Optional(Count(1_u32, 9));
        assert_eq!(kind.parse(""), Ok(None));
        assert_eq!(kind.parse("3"), Ok(Some(3)));
        assert_eq!(kind.parse("10"), Err(Refusal::NotAllowed));
        assert_eq!(kind.show(&None), "");
        assert_eq!(kind.allowed(), "empty, or a whole number from 1 to 9");
    }
}

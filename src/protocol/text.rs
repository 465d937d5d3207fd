//! The text of a message, checked and in canonical form.
//!
//! Line ends become LF; control characters other than LF and TAB, and texts that show nothing, are refused.
//! Nothing else is changed: no trimming, no normalization, no filter.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::errors::ErrorCode;

/// The default limit of a text, in code points.
pub const DEFAULT_TEXT_LIMIT: usize = 4_000;

/// Rules for the text of a message.
#[derive(Debug, Clone, Copy)]
pub struct Text;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// More code points than the limit.
    #[error("the text has {count} code points, at most {limit} are allowed")]
    TooLong {
        /// Code points of the text in canonical form.
        count: usize,
        /// Code points that are allowed.
        limit: usize,
    },
    /// Nothing in it can be seen.
    #[error("the text must have at least one visible character")]
    Empty,
    /// A control character that is neither LF nor TAB.
    #[error("the text must not have the control character U+{:04X}; LF and TAB are allowed", u32::from(*.character))]
    Control {
        /// The first such character.
        character: char,
    },
}

impl TextFault {
    /// Returns the word that a refusal uses.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::TooLong { .. } => ErrorCode::TextTooLong,
            Self::Empty | Self::Control { .. } => ErrorCode::BadField,
        }
    }
}

impl Text {
    /// Returns the canonical form: CRLF and lone CR become LF.
    ///
    /// The limit is in code points and is counted after that.
    pub fn parse(raw: &str, limit: usize) -> Result<String, TextFault> {
        let text = with_line_feeds(raw);
        if let Some(character) = text
            .chars()
            .find(|&c| c.is_control() && c != '\n' && c != '\t')
        {
            return Err(TextFault::Control { character });
        }
        // A text has no more code points than bytes, so most need no count.
        if text.len() > limit {
            let count = text.chars().count();
            if count > limit {
                return Err(TextFault::TooLong { count, limit });
            }
        }
        if text.chars().all(is_blank) {
            return Err(TextFault::Empty);
        }
        Ok(text.into_owned())
    }
}

/// Turns CRLF and lone CR into LF.
fn with_line_feeds(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') {
        Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(raw)
    }
}

/// Returns true if the character leaves no ink by itself: white space, format characters,
/// variation selectors and fillers (UAX #44 `Default_Ignorable_Code_Point`, and BRAILLE PATTERN BLANK).
pub(super) fn is_blank(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_whitespace() || c.is_ascii_control();
    }
    c.is_whitespace() || is_hidden(c) || c.general_category() == GeneralCategory::Format
}

/// Returns true if the character is no format character and yet shows nothing.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{34F}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180D}'
            | '\u{180F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_what_people_write() {
        for text in [
            "hi",
            " hi ",
            "안녕하세요",
            "a\n\tb",
            "👩‍👩‍👧",
            "‏שלום",
            "e\u{301}",
            "\u{200b}x",
            "<b>&amp;",
        ] {
            assert_eq!(Text::parse(text, 100).as_deref(), Ok(text));
        }
    }

    #[test]
    fn line_ends_become_line_feeds() {
        assert_eq!(Text::parse("a\r\nb\rc\n\r\nd", 99).unwrap(), "a\nb\nc\n\nd");
    }

    #[test]
    fn bad_texts_are_refused_with_their_fault() {
        let control = |character| TextFault::Control { character };
        for (text, fault) in [
            ("", TextFault::Empty),
            (" \n\t", TextFault::Empty),
            ("\r\n", TextFault::Empty),
            ("\u{200b}\u{2060}\u{feff}", TextFault::Empty),
            ("\u{3164}\u{2800}\u{a0}", TextFault::Empty),
            ("\u{fe0f}\u{e0061}", TextFault::Empty),
            ("a\u{0}", control('\u{0}')),
            ("\u{1b}[31mred", control('\u{1b}')),
            ("a\u{7f}", control('\u{7f}')),
            ("a\u{85}b", control('\u{85}')),
            ("abcdef", TextFault::TooLong { count: 6, limit: 5 }),
            ("한국어입니다", TextFault::TooLong { count: 6, limit: 5 }),
        ] {
            assert_eq!(Text::parse(text, 5), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn the_limit_counts_code_points_of_the_canonical_form() {
        assert!(Text::parse("한국어입니", 5).is_ok());
        assert!(Text::parse("a\r\nb\r\nc", 5).is_ok());
        assert!(Text::parse(&"🦀".repeat(4_000), DEFAULT_TEXT_LIMIT).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_accepted_again_unchanged(raw in any::<String>()) {
            if let Ok(text) = Text::parse(&raw, 50) {
                prop_assert_eq!(Text::parse(&text, 50), Ok(text));
            }
        }
    }
}

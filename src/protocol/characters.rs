//! Which characters stand in a name, and where.
//!
//! What shows nothing by itself is allowed only where a script or an emoji needs it, as RFC 5892 (appendix A.1
//! and A.2) does for domain names; anywhere else it would make two names that look alike.

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_properties::{
    GeneralCategory, GeneralCategoryGroup, UnicodeEmoji, UnicodeGeneralCategory,
};

use super::text::is_hidden;

const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
const ZERO_WIDTH_JOINER: char = '\u{200D}';
const EMOJI_PRESENTATION: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

/// The combining class of signs that suppress a vowel and may ask for a joiner (UAX #44, `Virama`).
const VIRAMA: u8 = 9;

/// Returns true if a room's name can begin with the character: a letter, digit or emoji of any script.
pub(super) fn may_begin_a_room(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Number};
    matches!(c.general_category_group(), Letter | Number) || is_emoji(c)
}

/// Returns true if a name may have the character at this index, seen with its neighbors.
pub(super) fn stands_in_a_name(characters: &[char], index: usize) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    let c = characters[index];
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    match c.general_category() {
        Control | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned => false,
        Format => joins(characters, index),
        _ if is_hidden(c) => selects_a_variant(characters, index),
        _ => true,
    }
}

/// Returns true if a format character is a joiner at a place where it changes how its neighbors look.
fn joins(characters: &[char], index: usize) -> bool {
    let Some(before) = index.checked_sub(1).map(|i| characters[i]) else {
        return false;
    };
    let after = characters.get(index + 1).copied();
    let after_virama = canonical_combining_class(before) == VIRAMA;
    match characters[index] {
        ZERO_WIDTH_JOINER => {
            let in_emoji = is_emoji(before) || before == EMOJI_PRESENTATION;
            after_virama || (in_emoji && after.is_some_and(is_emoji))
        }
        ZERO_WIDTH_NON_JOINER => {
            after_virama || (is_cursive(before) && after.is_some_and(is_cursive))
        }
        _ => false,
    }
}

/// Returns true if a hidden character selects a variant that the character before it has.
fn selects_a_variant(characters: &[char], index: usize) -> bool {
    let Some(before) = index.checked_sub(1).map(|i| characters[i]) else {
        return false;
    };
    match characters[index] {
        EMOJI_PRESENTATION => {
            let is_keycap = characters.get(index + 1) == Some(&KEYCAP);
            is_emoji(before) || (is_keycap && before.is_ascii_digit())
        }
        '\u{180B}'..='\u{180D}' | '\u{180F}' => matches!(before, '\u{1820}'..='\u{18AA}'),
        '\u{E0100}'..='\u{E01EF}' => is_han(before),
        _ => false,
    }
}

/// Returns true if the character is an emoji by itself; digits, `#` and `*` are only parts of keycaps.
fn is_emoji(c: char) -> bool {
    !c.is_ascii() && c.is_emoji_char()
}

/// Returns true if the character is a letter or mark of a script whose letters join: Arabic and its kin,
/// Syriac, N'Ko, Mandaic, Mongolian, Phags-pa, Adlam.
fn is_cursive(c: char) -> bool {
    let in_script = matches!(
        c,
        '\u{0600}'..='\u{077F}'
            | '\u{07C0}'..='\u{07FF}'
            | '\u{0840}'..='\u{08FF}'
            | '\u{1820}'..='\u{18AA}'
            | '\u{A840}'..='\u{A877}'
            | '\u{FB50}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFC}'
            | '\u{1E900}'..='\u{1E95F}'
    );
    in_script && (c.is_alphabetic() || is_combining_mark(c))
}

/// Returns true if the character is a Han ideograph, which may have registered variants (UTS #37).
fn is_han(c: char) -> bool {
    matches!(
        c,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'
    )
}

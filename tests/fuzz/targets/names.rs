//! Names, texts and identifiers: what is taken is canonical, and taking it again changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use madang::protocol::{Epoch, Key, MAX_ID_BYTES, MAX_NAME, RoomName, Text, UserName};

const TEXT: usize = 200;

fuzz_target!(|raw: &str| {
    if let Ok(name) = RoomName::parse(raw) {
        let canonical = name.as_str();
        assert!(!canonical.is_empty() && canonical.chars().count() <= MAX_NAME);
        assert!(!canonical.contains(['/', '\\', '?', '#', '%']));
        assert_eq!(RoomName::parse(canonical).as_ref(), Ok(&name));
    }
    if let Ok(name) = UserName::parse(raw) {
        let canonical = name.as_str();
        assert!(!canonical.is_empty() && canonical.chars().count() <= MAX_NAME);
        assert_eq!(UserName::parse(canonical).as_ref(), Ok(&name));
    }
    if let Ok(text) = Text::parse(raw, TEXT) {
        assert!(!text.trim().is_empty() && text.chars().count() <= TEXT);
        let lawful = |c: char| !c.is_control() || c == '\n' || c == '\t';
        assert!(text.chars().all(lawful));
        assert_eq!(Text::parse(&text, TEXT), Ok(text));
    }
    for taken in [
        Epoch::parse(raw).map(|id| id.as_str().to_owned()),
        Key::parse(raw).map(|id| id.as_str().to_owned()),
    ]
    .into_iter()
    .flatten()
    {
        assert!(!taken.is_empty() && taken.len() <= MAX_ID_BYTES);
        assert_eq!(taken, raw);
    }
});

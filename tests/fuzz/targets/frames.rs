//! Bytes of a page: the decoder, and the requests in what it lets through.
//!
//! The first byte says in which pieces the rest arrives. How the network cut it must not be seen.

#![no_main]

use libfuzzer_sys::fuzz_target;
use madang::protocol::{Limits, Request};
use madang::session::codec::{Decoder, Incoming, Violation};

const MAX_MESSAGE_BYTES: usize = 4096;
const LIMITS: Limits = Limits {
    text: 200,
    names: 64,
};

fuzz_target!(|input: &[u8]| {
    let Some((step, bytes)) = input.split_first() else {
        return;
    };
    let whole = decode(bytes.chunks(usize::MAX));
    let pieces = decode(bytes.chunks(usize::from(*step).max(1)));
    assert_eq!(whole, pieces);
    for incoming in whole.0 {
        if let Incoming::Text(text) = incoming {
            check(&text);
        }
    }
    if let Ok(text) = str::from_utf8(bytes) {
        check(text);
    }
});

/// Returns what came out, and how it ended.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Incoming>, Option<Violation>) {
    let mut decoder = Decoder::new(MAX_MESSAGE_BYTES);
    let mut found = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.feed(&mut piece) {
                Ok(Some(incoming)) => {
                    if let Incoming::Text(text) = &incoming {
                        assert!(text.len() <= MAX_MESSAGE_BYTES);
                    }
                    found.push(incoming);
                }
                Ok(None) => break,
                Err(violation) => return (found, Some(violation)),
            }
        }
        assert!(piece.is_empty(), "all input is used");
    }
    (found, None)
}

/// A request is taken, or refused with a sentence that says why.
fn check(text: &str) {
    if let Err(refused) = Request::parse(text, &LIMITS) {
        assert!(!refused.message.is_empty());
        assert!(refused.message.len() < 1024, "{}", refused.message);
    }
}

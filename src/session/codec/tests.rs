//! The decoder against a reference encoder of pages: rows for each rule, properties for every cut.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{header::*, *};
use crate::protocol::CloseCode;

const LIMIT: usize = 64 * 1024;

/// Encodes one frame as a page does.
fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut wire = vec![first];
    match payload.len() {
        len @ 0..=125 => wire.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            wire.push(0x80 | 126);
            wire.extend((len as u16).to_be_bytes());
        }
        len => {
            wire.push(0x80 | 127);
            wire.extend((len as u64).to_be_bytes());
        }
    }
    wire.extend(mask);
    wire.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    wire
}

/// Encodes frames with one mask.
fn frames(list: &[(u8, &[u8])]) -> Vec<u8> {
    list.iter()
        .flat_map(|(first, payload)| frame(*first, [0xa5, 0, 0x5a, 0xff], payload))
        .collect()
}

/// Feeds `wire` in pieces; returns what came out of it and the violation that ended it.
fn decode(decoder: &mut Decoder, pieces: &[&[u8]]) -> (Vec<Incoming>, Option<Violation>) {
    let mut incoming = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.feed(&mut input) {
                Ok(Some(one)) => incoming.push(one),
                Ok(None) => break assert!(input.is_empty(), "unused bytes"),
                Err(violation) => return (incoming, Some(violation)),
            }
        }
    }
    (incoming, None)
}

fn text(text: &str) -> Incoming {
    Incoming::Text(String::from(text))
}

#[test]
fn messages_and_control_frames_come_out_in_order() {
    let wire = frames(&[
        (FIN | TEXT, b"one"),
        (TEXT, b"t"),
        (FIN | PING, b"are you there"),
        (CONTINUATION, b""),
        (FIN | PONG, b""),
        (FIN | CONTINUATION, b"wo"),
        (FIN | TEXT, b""),
        (FIN | CLOSE, b"\x03\xe9bye"),
        (FIN | TEXT, b"after the end"),
    ]);
    let want = vec![
        text("one"),
        Incoming::Ping(Bytes::from_static(b"are you there")),
        Incoming::Pong(Bytes::new()),
        text("two"),
        text(""),
        Incoming::Close(Some((1001, String::from("bye")))),
    ];
    for size in 1..=wire.len() {
        let pieces: Vec<&[u8]> = wire.chunks(size).collect();
        let mut decoder = Decoder::new(LIMIT);
        assert_eq!(
            decode(&mut decoder, &pieces),
            (want.clone(), None),
            "by {size}"
        );
        assert!(decoder.message.is_none() && decoder.control.capacity() == 0);
    }
}

#[test]
fn each_violation_has_its_code_and_says_what_is_wrong() {
    let big = vec![b'x'; LIMIT];
    type Frames<'a> = &'a [(u8, &'a [u8])];
    let rows: [(&str, Frames<'_>, CloseCode); 14] = [
        ("reserved bit", &[(0xc0 | TEXT, b"")], CloseCode::Protocol),
        ("unknown opcode", &[(FIN | 3, b"")], CloseCode::Protocol),
        (
            "continuation without",
            &[(FIN | CONTINUATION, b"")],
            CloseCode::Protocol,
        ),
        (
            "continuation without",
            &[(FIN | TEXT, b"a"), (CONTINUATION, b"")],
            CloseCode::Protocol,
        ),
        (
            "inside a fragmented",
            &[(TEXT, b"a"), (FIN | TEXT, b"b")],
            CloseCode::Protocol,
        ),
        (
            "inside a fragmented",
            &[(TEXT, b"a"), (FIN | BINARY, b"b")],
            CloseCode::Protocol,
        ),
        ("fragmented", &[(PING, b"")], CloseCode::Protocol),
        ("one byte", &[(FIN | CLOSE, b"\x03")], CloseCode::Protocol),
        (
            "reserved or unknown",
            &[(FIN | CLOSE, b"\x03\xed")],
            CloseCode::Protocol,
        ),
        ("binary", &[(FIN | BINARY, b"")], CloseCode::Binary),
        (
            "not UTF-8",
            &[(FIN | TEXT, b"\xc0\x80")],
            CloseCode::NotUtf8,
        ),
        (
            "not UTF-8",
            &[(TEXT, b"\xec\x95"), (FIN | CONTINUATION, b"")],
            CloseCode::NotUtf8,
        ),
        (
            "not UTF-8",
            &[(FIN | CLOSE, b"\x03\xe8\xff")],
            CloseCode::NotUtf8,
        ),
        (
            "at most 65536 bytes",
            &[(TEXT, &big), (FIN | CONTINUATION, b"x")],
            CloseCode::TooBig,
        ),
    ];
    for (words, list, code) in rows {
        let wire = frames(list);
        for size in [1, 5, wire.len()] {
            let mut decoder = Decoder::new(LIMIT);
            let pieces: Vec<&[u8]> = wire.chunks(size).collect();
            let violation = decode(&mut decoder, &pieces).1.unwrap();
            assert_eq!(violation.close, code, "{words}");
            assert!(
                violation.reason.contains(words),
                "{violation} lacks {words:?}"
            );
            assert!(violation.reason.len() <= MAX_REASON_BYTES);
            assert!(
                decoder.message.is_none() && decoder.control.capacity() == 0,
                "{words}"
            );
            assert_eq!(
                decode(&mut decoder, &pieces),
                (vec![], None),
                "nothing comes after the end"
            );
        }
    }
    let unmasked = decode(&mut Decoder::new(LIMIT), &[b"\x81\x01a"]).1.unwrap();
    assert_eq!(unmasked.close, CloseCode::Unmasked);
}

#[test]
fn a_message_may_fill_the_limit_and_a_header_above_it_is_enough() {
    let mut decoder = Decoder::new(LIMIT);
    let big = "x".repeat(LIMIT);
    let wire = frames(&[
        (TEXT, &big.as_bytes()[..LIMIT / 2]),
        (FIN | CONTINUATION, &big.as_bytes()[LIMIT / 2..]),
    ]);
    assert_eq!(decode(&mut decoder, &[&wire]), (vec![text(&big)], None));

    for len in [LIMIT as u64 + 1, u64::MAX >> 1] {
        let header = [&[FIN | TEXT, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat();
        let violation = decode(&mut Decoder::new(LIMIT), &[&header]).1.unwrap();
        assert_eq!(violation.close, CloseCode::TooBig);
    }
}

#[test]
fn text_is_refused_at_its_first_wrong_byte() {
    // Above U+10FFFF from its second byte on, though the frame announces more.
    let wire = frame(FIN | TEXT, [1, 2, 3, 4], b"ok \xf4\x90\x80\x80 and more");
    let (before, from) = wire.split_at(6 + 4);
    let mut decoder = Decoder::new(LIMIT);
    assert_eq!(decode(&mut decoder, &[before]), (vec![], None));
    assert_eq!(
        decode(&mut decoder, &[&from[..1]]).1.unwrap().close,
        CloseCode::NotUtf8
    );
}

#[test]
fn memory_follows_what_has_arrived() {
    let mut decoder = Decoder::new(LIMIT);
    let wire = frame(FIN | TEXT, [1, 2, 3, 4], &vec![b'x'; LIMIT]);
    assert_eq!(decode(&mut decoder, &[&wire[..14 + 100]]), (vec![], None));
    let held = decoder.message.as_ref().unwrap().bytes.capacity();
    assert!(held <= 200, "{held} bytes for 100");

    // Empty fragments cost nothing, however many there are.
    let mut decoder = Decoder::new(LIMIT);
    let mut wire = frame(TEXT, [0; 4], b"");
    for _ in 0..10_000 {
        wire.extend(frame(CONTINUATION, [0; 4], b""));
    }
    assert_eq!(decode(&mut decoder, &[&wire]), (vec![], None));
    assert_eq!(decoder.message.as_ref().unwrap().bytes.capacity(), 0);
}

#[test]
fn a_decoder_at_rest_is_small() {
    let size = size_of::<Decoder>();
    assert!(size <= 128, "{size} bytes");
}

/// Something that a page says, and how it cuts it.
#[derive(Debug, Clone)]
enum Said {
    Message {
        text: bool,
        fragments: Vec<Vec<u8>>,
        ping_between: Vec<u8>,
    },
    Control {
        opcode: u8,
        payload: Vec<u8>,
    },
}

fn said() -> impl Strategy<Value = Said> {
    let fragments = |bytes: Vec<u8>, cuts: Vec<prop::sample::Index>| {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|cut| bytes[cut[0]..cut[1]].to_vec())
            .collect::<Vec<_>>()
    };
    let payload = || vec(any::<u8>(), 0..=MAX_CONTROL_BYTES);
    let cuts = || vec(any::<prop::sample::Index>(), 0..6);
    prop_oneof![
        ("\\PC{0,300}", cuts(), payload()).prop_map(move |(text, cuts, ping_between)| {
            Said::Message {
                text: true,
                fragments: fragments(text.into_bytes(), cuts),
                ping_between,
            }
        }),
        (vec(any::<u8>(), 0..2000), cuts(), payload()).prop_map(
            move |(bytes, cuts, ping_between)| {
                Said::Message {
                    text: false,
                    fragments: fragments(bytes, cuts),
                    ping_between,
                }
            }
        ),
        (prop_oneof![Just(PING), Just(PONG)], payload())
            .prop_map(|(opcode, payload)| Said::Control { opcode, payload }),
    ]
}

impl Said {
    /// Appends the frames to `wire` and what they mean to `want`.
    fn encode(self, mask: [u8; 4], wire: &mut Vec<u8>, want: &mut Vec<Incoming>) {
        match self {
            Self::Control { opcode, payload } => {
                wire.extend(frame(FIN | opcode, mask, &payload));
                let payload = Bytes::from(payload);
                want.push(if opcode == PING {
                    Incoming::Ping(payload)
                } else {
                    Incoming::Pong(payload)
                });
            }
            Self::Message {
                text,
                fragments,
                ping_between,
            } => {
                let last = fragments.len() - 1;
                for (at, fragment) in fragments.iter().enumerate() {
                    let fin = if at == last { FIN } else { 0 };
                    let opcode = match (at, text) {
                        (0, true) => TEXT,
                        (0, false) => BINARY,
                        _ => CONTINUATION,
                    };
                    wire.extend(frame(fin | opcode, mask, fragment));
                    if at < last {
                        wire.extend(frame(FIN | PING, mask, &ping_between));
                        want.push(Incoming::Ping(Bytes::from(ping_between.clone())));
                    }
                }
                let whole = fragments.concat();
                want.push(match text {
                    true => Incoming::Text(String::from_utf8(whole).unwrap()),
                    false => Incoming::Binary(Bytes::from(whole)),
                });
            }
        }
    }
}

proptest! {
    #[test]
    fn any_cut_of_any_messages_gives_the_same_messages(
        said in vec((said(), any::<[u8; 4]>()), 0..12),
        sizes in vec(1_usize..400, 1..40),
    ) {
        let (mut wire, mut want) = (Vec::new(), Vec::new());
        for (one, mask) in said {
            one.encode(mask, &mut wire, &mut want);
        }
        let mut pieces = Vec::new();
        let mut rest = &wire[..];
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = after;
        }
        let mut decoder = Decoder::new(LIMIT).accept_binary();
        prop_assert_eq!(decode(&mut decoder, &pieces), (want, None));
        prop_assert!(decoder.message.is_none());
        prop_assert_eq!(decoder.control.capacity(), 0);
    }

    #[test]
    fn random_bytes_never_panic_and_never_hold_more_than_the_limit(
        limit in 0_usize..200,
        pieces in vec(vec(prop_oneof![3 => any::<u8>(), 1 => Just(0x81), 1 => Just(0x01), 2 => Just(0x80)], 0..30), 0..40),
    ) {
        let mut decoder = Decoder::new(limit).accept_binary();
        for piece in &pieces {
            let mut input = &piece[..];
            while let Ok(Some(_)) = decoder.feed(&mut input) {}
            let message = decoder.message.as_ref().map_or(0, |message| message.bytes.capacity());
            // The allocator may round a buffer of a few bytes up to 8.
            prop_assert!(message <= limit.max(8), "{message} bytes above {limit}");
            prop_assert!(decoder.control.capacity() <= MAX_CONTROL_BYTES);
        }
    }

    #[test]
    fn lawful_frames_of_random_bytes_are_judged_like_the_standard_library_does(
        list in vec((any::<bool>(), vec(prop_oneof![Just(0xec), Just(0x95), Just(0x88), 0x20..0x7f_u8, any::<u8>()], 0..8)), 1..6),
        size in 1_usize..9,
    ) {
        let whole: Vec<u8> = list.iter().flat_map(|(_, part)| part.clone()).collect();
        let last = list.len() - 1;
        let wire: Vec<u8> = list.iter().enumerate().flat_map(|(at, (_, part))| {
            let fin = if at == last { FIN } else { 0 };
            frame(fin | if at == 0 { TEXT } else { CONTINUATION }, [9, 8, 7, 6], part)
        }).collect();
        let pieces: Vec<&[u8]> = wire.chunks(size).collect();
        let (incoming, violation) = decode(&mut Decoder::new(LIMIT), &pieces);
        match String::from_utf8(whole) {
            Ok(want) => prop_assert_eq!((incoming, violation), (vec![Incoming::Text(want)], None)),
            Err(_) => prop_assert_eq!(violation.map(|violation| violation.close), Some(CloseCode::NotUtf8)),
        }
    }
}

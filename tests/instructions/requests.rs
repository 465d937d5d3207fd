//! What a page sends.

use std::hint::black_box;
use std::time::{Duration, Instant};

use madang::protocol::{Limits, Request, RoomName, User, UserId, UserName, encode_m};
use madang::session::Bucket;
use madang::session::codec::{Decoder, Incoming};
use madang::session::permission::{Action, Who, check};

use super::{Round, Workload, texts};

/// Masked frames out of what reads of 4 KiB bring.
pub(super) const FRAMES: Workload = Workload {
    name: "masked-frames",
    operation: "frame",
    operations: 16,
    rounds: 400,
    prepare: frames,
};

/// A `send`: parsed, permitted, within its rate, and encoded for the log.
///
/// The hash of its text is left out: processors have instructions for it which valgrind does not know.
pub(super) const SEND: Workload = Workload {
    name: "send-request",
    operation: "request",
    operations: 16,
    rounds: 100,
    prepare: send,
};

/// Returns `send` requests as the page writes them.
fn requests() -> Vec<String> {
    let request = |(id, text): (usize, &String)| {
        serde_json::json!({
            "type": "send", "id": id, "room": "lobby", "text": text, "key": format!("abcdefghijklmnop-{id:05}"),
        })
        .to_string()
    };
    texts().iter().enumerate().map(request).collect()
}

fn masked(payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = u16::try_from(payload.len()).expect("requests here are short");
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(length.to_be_bytes());
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

fn frames() -> Round {
    let requests = requests();
    let bytes: Vec<u8> = requests
        .iter()
        .flat_map(|request| masked(request.as_bytes()))
        .collect();
    let mut decoder = Decoder::new(64 * 1024);
    Box::new(move || {
        let mut found = 0;
        for mut piece in bytes.chunks(4096) {
            while let Some(incoming) = decoder.feed(&mut piece).expect("the frames are lawful") {
                assert!(matches!(black_box(incoming), Incoming::Text(_)));
                found += 1;
            }
        }
        assert_eq!(found, requests.len());
    })
}

fn send() -> Round {
    let requests = requests();
    let user = User {
        id: UserId::parse("u-1").expect("a lawful id"),
        name: UserName::parse("안나").expect("a lawful name"),
        bot: None,
    };
    let lobby = RoomName::parse("lobby").expect("a lawful name");
    let limits = Limits::default();
    let mut now = Instant::now();
    let mut sends = Bucket::new(10, 20, now);
    Box::new(move || {
        for text in &requests {
            now += Duration::from_millis(100);
            let Ok(Request::Send {
                room, text, key, ..
            }) = Request::parse(black_box(text), &limits)
            else {
                panic!("the request is lawful: {text}");
            };
            assert!(room == lobby && check(Who::from(&user), &room, Action::Send(&text)).is_ok());
            assert!(sends.take(now).is_ok());
            black_box(encode_m(&key, &user, &text));
        }
    })
}

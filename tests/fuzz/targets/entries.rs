//! What comes from Redis: payloads of a room, entries of its log, answers of the publishing script.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use madang::broker::redis::call;
use madang::broker::redis::payload::Payload;
use madang::protocol::{Epoch, RoomName, Spliced, splice};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let payload = Bytes::copy_from_slice(input);
    if let Ok(Payload::Entries(entries)) = Payload::decode(&payload) {
        assert!(entries.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        for entry in &entries {
            check(&entry.epoch, entry.seq, entry.at, &entry.m);
        }
    }
    let epoch = Epoch::parse("e1").expect("a lawful epoch");
    check(&epoch, 7, 1_700_000_000_000, input);
    if let Ok(value) = redis::parse_redis_value(input) {
        for count in 0..4 {
            if let Some(answers) = call::answers(value.clone(), count) {
                assert_eq!(answers.len(), count);
            }
        }
    }
});

/// Whatever stands in the log becomes a `message` frame whose number is the log's.
fn check(epoch: &Epoch, seq: u64, at: u64, m: &[u8]) {
    let room = RoomName::parse("lobby").expect("a lawful name");
    let mut frame = Vec::new();
    let spliced = splice(&room, epoch, seq, at, m, &mut frame);
    let read: Value = serde_json::from_slice(&frame).expect("a frame is JSON");
    assert_eq!(read["type"], "message");
    assert_eq!(read["room"], "lobby");
    assert_eq!(read["epoch"], epoch.as_str());
    assert_eq!(read["seq"], seq);
    assert_eq!(read["at"], at);
    if spliced == Spliced::Unreadable {
        assert_eq!(read["kind"], "unreadable");
    }
}

//! The JSON protocol of Centrifugo and the Centrifuge library: several replies in a frame, one on each line.

use serde::Deserialize;
use serde_json::json;

use super::madang::{number_of, text_of};
use super::{Heard, JOIN, Place, answered, nonsense};
use crate::tools::bench::stamp::{Stamp, write_number};

/// The id of the request that greets.
const CONNECT: u64 = 1;

/// A reply to a request.
#[derive(Debug, Deserialize)]
struct Reply<'a> {
    id: Option<u64>,
    error: Option<Fault>,
    #[serde(borrow)]
    subscribe: Option<Subscribed<'a>>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    code: u32,
}

#[derive(Debug, Deserialize)]
struct Subscribed<'a> {
    epoch: Option<&'a str>,
    offset: Option<u64>,
    recovered: Option<bool>,
    was_recovering: Option<bool>,
    #[serde(borrow, default)]
    publications: Vec<Publication<'a>>,
}

#[derive(Debug, Deserialize)]
struct Publication<'a> {
    #[serde(borrow)]
    data: &'a str,
    offset: Option<u64>,
}

pub(super) fn greeting() -> String {
    json!({"id": CONNECT, "connect": {}}).to_string()
}

pub(super) fn join(place: Place<'_>) -> String {
    let mut subscribe = json!({"channel": place.room});
    if let Some((epoch, offset)) = place.after {
        subscribe["recover"] = json!(true);
        subscribe["epoch"] = json!(epoch);
        subscribe["offset"] = json!(offset);
    }
    json!({"id": JOIN, "subscribe": subscribe}).to_string()
}

pub(super) fn send(id: u64, room: &str, stamp: Stamp, payload: usize, frame: &mut Vec<u8>) {
    frame.extend_from_slice(b"{\"id\":");
    write_number(id, frame);
    frame.extend_from_slice(b",\"publish\":{\"channel\":\"");
    frame.extend_from_slice(room.as_bytes());
    frame.extend_from_slice(b"\",\"data\":\"");
    stamp.write(payload, frame);
    frame.extend_from_slice(b"\"}}");
}

pub(super) fn hear<'a>(payload: &'a [u8], tell: &mut dyn FnMut(Heard<'a>)) {
    let mut rest = payload;
    loop {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        if !line.is_empty() {
            hear_line(line, tell);
        }
        match rest.get(end + 1..) {
            Some(more) if !more.is_empty() => rest = more,
            _ => return,
        }
    }
}

fn hear_line<'a>(line: &'a [u8], tell: &mut dyn FnMut(Heard<'a>)) {
    if line == b"{}" {
        return tell(Heard::Asked("{}"));
    }
    if line.starts_with(b"{\"push\":") {
        if let Some((stamp, end)) = Stamp::find(line) {
            tell(Heard::Message {
                stamp,
                seq: number_of(&line[end..], b"\"offset\":"),
                epoch: text_of(&line[end..], b"\"epoch\":\""),
            });
        }
        return;
    }
    let Ok(reply) = serde_json::from_slice::<Reply<'a>>(line) else {
        return tell(nonsense(line));
    };
    let id = reply.id.unwrap_or(0);
    match (reply.error, reply.subscribe) {
        (Some(fault), _) => answered(id, Some((format!("error {}", fault.code), None)), tell),
        (None, Some(subscribed)) => hear_subscribed(subscribed, tell),
        (None, None) if id == CONNECT => tell(Heard::Greeted(None)),
        (None, None) => answered(id, None, tell),
    }
}

fn hear_subscribed<'a>(subscribed: Subscribed<'a>, tell: &mut dyn FnMut(Heard<'a>)) {
    let epoch = subscribed.epoch;
    if subscribed.was_recovering == Some(true) && subscribed.recovered != Some(true) {
        return tell(Heard::JoinRefused("not recovered".to_owned(), None));
    }
    // Where there is no history, there is no epoch, and no number either.
    let last = subscribed.publications.last().and_then(|last| last.offset);
    let seq = epoch.map(|_| last.or(subscribed.offset).unwrap_or(0));
    tell(Heard::Joined { epoch, seq });
    for publication in subscribed.publications {
        if let Some((stamp, _)) = Stamp::find(publication.data.as_bytes()) {
            tell(Heard::Message {
                stamp,
                seq: publication.offset,
                epoch,
            });
        }
    }
}

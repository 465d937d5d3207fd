//! What goes to Redis and what comes from it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use madang::broker::publish::short_hash;
use madang::broker::redis::call::{Call, Circumstances, answers};
use madang::broker::redis::link::Link;
use madang::broker::redis::payload::Payload;
use madang::broker::redis::positions::Positions;
use madang::broker::redis::script::Form;
use madang::broker::redis::{Options, call};
use madang::broker::{Publish, Reply, Source};
use madang::config::{RedisUrl, ServerAddress, Settings, Topology};
use madang::hub::lines;
use madang::protocol::{
    Answer, Epoch, Key, Position, RequestId, RoomName, Spliced, User, UserId, UserName, encode_m,
};
use madang::telemetry::Metrics;

use super::{Round, Workload, texts};

/// Messages of one room, put into one call of the publish script and encoded.
pub(super) const CALL: Workload = Workload {
    name: "publish-call",
    operation: "message",
    operations: 16,
    rounds: 100,
    prepare: call,
};

/// What the publish script answers, read, and told to its senders.
pub(super) const ANSWER: Workload = Workload {
    name: "publish-answer",
    operation: "message",
    operations: call::MAX_MESSAGES,
    rounds: 60,
    prepare: answer,
};

/// A payload of entries that becomes frames.
pub(super) const PAYLOAD: Workload = Workload {
    name: "payload-to-frames",
    operation: "entry",
    operations: 16,
    rounds: 150,
    prepare: payload,
};

/// Returns what stands in the log of messages of this text.
pub(super) fn m(text: &str) -> Bytes {
    let user = User {
        id: UserId::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("a lawful id"),
        name: UserName::parse("Ann").expect("a lawful name"),
        bot: None,
    };
    encode_m(&key(0), &user, text).into()
}

fn key(number: usize) -> Key {
    Key::parse(&format!("abcdefghijklmnop-{number:05}")).expect("a lawful key")
}

fn lobby() -> RoomName {
    RoomName::parse("lobby").expect("a lawful name")
}

pub(super) fn epoch() -> Epoch {
    Epoch::parse("AbCdEfGhIjKl").expect("a lawful epoch")
}

/// Returns the way to a Redis that is never asked.
fn link() -> Arc<Link> {
    let mut settings = Settings::default();
    settings.redis.url = Some(RedisUrl {
        topology: Topology::Standalone,
        tls: false,
        servers: vec![ServerAddress {
            host: "127.0.0.1".to_owned(),
            port: 1,
        }],
        db: 0,
        username: None,
        password: None,
    });
    Link::new(&Options::from(&settings), Arc::new(Metrics::new())).expect("lawful settings")
}

fn call() -> Round {
    let (link, positions, fresh) = (link(), Positions::new(), epoch());
    positions.deliver(&lobby(), Some(&Position::new(epoch(), 41)));
    let lines: Vec<_> = texts()
        .iter()
        .map(|text| (short_hash(text), m(text)))
        .collect();
    let arrived = Instant::now();
    let send_timeout = link.options().send_timeout;
    let publish = move |(number, (hash, m)): (usize, &(u64, Bytes))| Publish {
        room: lobby(),
        source: Source(1),
        author: UserId::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("a lawful id"),
        key: key(number),
        hash: *hash,
        m: m.clone(),
        arrived,
        reply: Reply::new(|_| ()),
    };
    Box::new(move || {
        let mut messages = lines.iter().enumerate().map(&publish);
        let first = messages.next().expect("there are texts");
        let mut call = Call::new(first, send_timeout);
        for message in messages {
            assert!(call.has_space_for(&message));
            call.add(message, send_timeout);
        }
        let circumstances = Circumstances {
            link: &link,
            positions: &positions,
            lineage: "0123456789012345678901234567890123456789",
            fresh: &fresh,
        };
        let packed = call
            .command(Form::Hash, &circumstances)
            .get_packed_command();
        assert!(packed.len() > 16 * 128);
        black_box(packed);
    })
}

fn answer() -> Round {
    let mut bytes = format!("*{}\r\n", call::MAX_MESSAGES);
    for seq in 1..=call::MAX_MESSAGES {
        let line = format!("+AbCdEfGhIjKl {} 17000000{seq:05}", 10_000 + seq);
        bytes.push_str(&format!("${}\r\n{line}\r\n", line.len()));
    }
    let (room, id) = (lobby(), RequestId::from(7));
    Box::new(move || {
        let value = redis::parse_redis_value(bytes.as_bytes()).expect("a lawful answer");
        let answers = answers(value, call::MAX_MESSAGES).expect("an answer for each message");
        for accepted in answers {
            let accepted = accepted.expect("all are accepted");
            black_box(lines::frame(&Answer::Sent {
                id: &id,
                room: &room,
                epoch: &accepted.epoch,
                seq: accepted.seq,
                at: accepted.at,
                duplicate: accepted.duplicate,
            }));
        }
    })
}

fn payload() -> Round {
    let texts = texts();
    let mut bytes = format!("1e{}\n", epoch().as_str()).into_bytes();
    for (seq, text) in (1_000..).zip(&texts) {
        let m = m(text);
        bytes.extend(format!("{seq} 1700000000000 {}\n", m.len()).bytes());
        bytes.extend(m);
    }
    let (bytes, room) = (Bytes::from(bytes), lobby());
    Box::new(move || {
        let Ok(Payload::Entries(entries)) = Payload::decode(black_box(&bytes)) else {
            panic!("the payload is lawful");
        };
        assert_eq!(entries.len(), texts.len());
        for entry in &entries {
            let (line, spliced) = lines::message(&room, entry);
            assert!(spliced != Spliced::Unreadable);
            black_box(line);
        }
    })
}

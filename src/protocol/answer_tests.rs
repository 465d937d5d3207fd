//! Rows for every answer, and the table of frames against the encoders.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::frames::{Direction, FRAMES, OBJECTS};
use super::super::names::UserName;
use super::super::request::{Limits, Request};
use super::*;

const LIMITS: SessionLimits = SessionLimits {
    frame_bytes: 65_536,
    text: 4_000,
    name: 64,
    rooms: 50,
    sends_per_second: 10,
    send_burst: 20,
    dedupe_ms: 300_000,
    history: 1_000,
};

fn user(name: &str) -> User {
    User {
        id: UserId::parse("u1").unwrap(),
        name: UserName::parse(name).unwrap(),
        bot: None,
    }
}

fn encoded(answer: &Answer<'_>) -> Value {
    serde_json::from_slice(&answer.to_bytes()).unwrap()
}

/// Every answer twice: with all that is optional, and without.
fn samples(check: &mut dyn FnMut(Answer<'_>, Value)) {
    let (id, session, node) = (
        RequestId::from(7),
        SessionId::parse("s1").unwrap(),
        NodeId::parse("n1").unwrap(),
    );
    let (room, e1) = (
        RoomName::parse("lobby").unwrap(),
        Epoch::parse("e1").unwrap(),
    );
    let (room, epoch, id) = (&room, &e1, &id);
    let ann = user("Ann");
    let users = std::slice::from_ref(&ann);
    let u1 = json!({"id": "u1", "name": "Ann"});
    let messages = [
        Bytes::from_static(br#"{"type":"message","seq":1}"#),
        Bytes::from_static(b"{ }"),
    ];
    let limits = json!({"frame_bytes": 65536, "text": 4000, "name": 64, "rooms": 50, "sends_per_second": 10,
        "send_burst": 20, "dedupe_ms": 300000, "history": 1000});
    check(
        Answer::Welcome {
            session: &session,
            user: &ann,
            token: "t",
            resumed_identity: true,
            node: &node,
            limits: &LIMITS,
            features: &["x"],
        },
        json!({"type": "welcome", "session": "s1", "user": u1, "token": "t", "resumed_identity": true,
            "node": "n1", "limits": limits, "features": ["x"]}),
    );
    check(
        Answer::Pong { id, at: 5 },
        json!({"type": "pong", "id": 7, "at": 5}),
    );
    for (some, json_epoch) in [(Some(epoch), json!("e1")), (None, Value::Null)] {
        check(
            Answer::Joined {
                id,
                room,
                epoch: some,
                seq: 3,
                members: users,
                count: 1,
            },
            json!({"type": "joined", "id": 7, "room": "lobby", "epoch": json_epoch, "seq": 3,
                "members": [u1], "count": 1}),
        );
        check(
            Answer::Epoch {
                room,
                epoch: some,
                from: 4,
            },
            json!({"type": "epoch", "room": "lobby", "epoch": json_epoch, "from": 4}),
        );
    }
    check(
        Answer::Left {
            id: Some(id),
            room,
            reason: LeftReason::Asked,
        },
        json!({"type": "left", "id": 7, "room": "lobby", "reason": "asked"}),
    );
    check(
        Answer::Left {
            id: None,
            room,
            reason: LeftReason::Forbidden,
        },
        json!({"type": "left", "room": "lobby", "reason": "forbidden"}),
    );
    check(
        Answer::Sent {
            id,
            room,
            epoch,
            seq: 4,
            at: 5,
            duplicate: true,
        },
        json!({"type": "sent", "id": 7, "room": "lobby", "epoch": "e1", "seq": 4, "at": 5, "duplicate": true}),
    );
    check(
        Answer::Sent {
            id,
            room,
            epoch,
            seq: 4,
            at: 5,
            duplicate: false,
        },
        json!({"type": "sent", "id": 7, "room": "lobby", "epoch": "e1", "seq": 4, "at": 5}),
    );
    check(
        Answer::History {
            id,
            room,
            epoch: Some(epoch),
            messages: Messages(&messages),
            more: true,
            from: Some(2),
        },
        json!({"type": "history", "id": 7, "room": "lobby", "epoch": "e1",
            "messages": [{"type": "message", "seq": 1}, {}], "more": true, "from": 2}),
    );
    check(
        Answer::History {
            id,
            room,
            epoch: None,
            messages: Messages(&[]),
            more: false,
            from: None,
        },
        json!({"type": "history", "id": 7, "room": "lobby", "epoch": null, "messages": [], "more": false}),
    );
    check(
        Answer::Members {
            id,
            room,
            members: users,
            count: 2,
            cursor: Some("c"),
        },
        json!({"type": "members", "id": 7, "room": "lobby", "members": [u1], "count": 2, "cursor": "c"}),
    );
    check(
        Answer::Members {
            id,
            room,
            members: &[],
            count: 0,
            cursor: None,
        },
        json!({"type": "members", "id": 7, "room": "lobby", "members": [], "count": 0}),
    );
    check(
        Answer::Presence {
            room,
            joined: users,
            left: std::slice::from_ref(&ann.id),
            renamed: &[],
            count: 9,
        },
        json!({"type": "presence", "room": "lobby", "joined": [u1], "left": ["u1"], "renamed": [], "count": 9}),
    );
    check(
        Answer::Renamed { id, user: &ann },
        json!({"type": "renamed", "id": 7, "user": u1}),
    );
    check(
        Answer::Typing { room, user: &ann },
        json!({"type": "typing", "room": "lobby", "user": u1}),
    );
    check(
        Answer::Gap {
            room,
            epoch,
            from: 2,
            to: 4,
            reason: GapReason::Trimmed,
        },
        json!({"type": "gap", "room": "lobby", "epoch": "e1", "from": 2, "to": 4, "reason": "trimmed"}),
    );
    check(
        Answer::Reconnect {
            after_ms: 250,
            reason: ReconnectReason::Drain,
        },
        json!({"type": "reconnect", "after_ms": 250, "reason": "drain"}),
    );
    check(
        Answer::Degraded {
            reason: DegradedReason::Broker,
        },
        json!({"type": "degraded", "reason": "broker"}),
    );
    check(Answer::Recovered {}, json!({"type": "recovered"}));
    check(
        Answer::Error {
            id: Some(id),
            room: Some("lobby"),
            code: ErrorCode::RateLimited,
            field: Some("text"),
            message: "m",
            retry_after_ms: Some(100),
        },
        json!({"type": "error", "id": 7, "room": "lobby", "code": "rate_limited", "field": "text",
            "message": "m", "retry_after_ms": 100}),
    );
    check(
        Answer::Error {
            id: None,
            room: None,
            code: ErrorCode::BadJson,
            field: None,
            message: "m",
            retry_after_ms: None,
        },
        json!({"type": "error", "code": "bad_json", "message": "m"}),
    );
}

#[test]
fn answers_become_the_frames_of_the_protocol() {
    samples(&mut |answer, json| {
        assert_eq!(encoded(&answer), json);
        assert_eq!(json["type"], answer.kind());
    });
}

#[test]
fn answers_have_the_fields_of_the_table() {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    samples(&mut |answer, _| {
        let frame = FRAMES
            .iter()
            .find(|frame| frame.direction == Direction::ToPage && frame.name == answer.kind())
            .unwrap();
        let json = encoded(&answer);
        let members = json.as_object().unwrap();
        for field in frame.fields.iter().filter(|field| field.required) {
            assert!(
                members.contains_key(field.name),
                "{} has no {}",
                frame.name,
                field.name
            );
        }
        for member in members.keys().filter(|member| *member != "type") {
            assert!(
                frame.fields.iter().any(|field| field.name == member),
                "{}.{member}",
                frame.name
            );
            seen.insert((frame.name.into(), member.clone()));
        }
    });
    for frame in FRAMES
        .iter()
        .filter(|frame| frame.direction == Direction::ToPage)
    {
        for field in frame.fields.iter().filter(|_| frame.name != "message") {
            assert!(
                seen.contains(&(frame.name.into(), field.name.into())),
                "{}.{}",
                frame.name,
                field.name
            );
        }
    }
}

#[test]
fn objects_have_the_members_of_the_table() {
    let user = User {
        bot: Some(true),
        ..user("Ann")
    };
    let position = super::super::Position::EMPTY;
    for (name, value) in [
        ("user", serde_json::to_value(user).unwrap()),
        ("position", serde_json::to_value(position).unwrap()),
        ("limits", serde_json::to_value(LIMITS).unwrap()),
    ] {
        let object = OBJECTS.iter().find(|object| object.name == name).unwrap();
        let expected: BTreeSet<_> = object.fields.iter().map(|field| field.name).collect();
        let found: BTreeSet<_> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn ids_of_requests_come_back_byte_for_byte() {
    for id in ["12345678901234567890123", r#""a\u0041é""#, "-0"] {
        let text = format!(r#"{{"type":"leave","id":{id},"room":"@"}}"#);
        let refused = Request::parse(&text, &Limits::default()).unwrap_err();
        let bytes = Answer::from(&refused).to_bytes();
        let start =
            format!(r#"{{"type":"error","id":{id},"code":"bad_name","field":"room","message":""#);
        assert!(bytes.starts_with(start.as_bytes()), "{bytes:?}");
    }
}

#[test]
fn answers_are_appended() {
    let mut out = BytesMut::from(&b"x"[..]);
    Answer::Recovered {}.encode(&mut out);
    assert_eq!(&out[..], br#"x{"type":"recovered"}"#);
}

#[test]
fn debug_output_shows_no_token() {
    let (session, node) = (SessionId::random(), NodeId::random());
    let answer = Answer::Welcome {
        session: &session,
        user: &user("Ann"),
        token: "secret",
        resumed_identity: false,
        node: &node,
        limits: &LIMITS,
        features: &[],
    };
    assert!(!format!("{answer:?}").contains("secret"));
}

proptest! {
    #[test]
    fn every_text_in_an_answer_stays_json(message in any::<String>(), room in any::<String>()) {
        let answer = Answer::Error {
            id: None,
            room: Some(&room),
            code: ErrorCode::BadField,
            field: Some("text"),
            message: &message,
            retry_after_ms: None,
        };
        let json = encoded(&answer);
        prop_assert_eq!(&json["message"], &json!(message));
        prop_assert_eq!(&json["room"], &json!(room));
    }

    #[test]
    fn every_name_in_an_answer_stays_json(name in "\\PC{1,20}", epoch in "[ -~]{1,64}", seq in any::<u64>()) {
        let epoch = Epoch::parse(&epoch).unwrap();
        let room = RoomName::trusted(&name);
        let json = encoded(&Answer::Epoch { room: &room, epoch: Some(&epoch), from: seq });
        prop_assert_eq!(json, json!({"type": "epoch", "room": name, "epoch": epoch.as_str(), "from": seq}));
    }
}

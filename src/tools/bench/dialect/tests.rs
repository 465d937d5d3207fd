use serde_json::Value;

use super::*;

const STAMP: Stamp = Stamp {
    room: 3,
    sender: 1,
    n: 17,
    due: 123_456_789,
};

fn heard(dialect: Dialect, payload: &str) -> Vec<String> {
    let mut heard = Vec::new();
    dialect.hear(payload.as_bytes(), &mut |what| {
        heard.push(format!("{what:?}"))
    });
    heard
}

fn message(seq: Option<u64>, epoch: Option<&str>) -> String {
    format!(
        "{:?}",
        Heard::Message {
            stamp: STAMP,
            seq,
            epoch
        }
    )
}

fn text() -> String {
    let mut text = Vec::new();
    STAMP.write(64, &mut text);
    String::from_utf8(text).unwrap()
}

fn sent(dialect: Dialect) -> String {
    let mut frame = Vec::new();
    dialect.send("bench-a-3", STAMP, 64, &mut frame);
    String::from_utf8(frame).unwrap()
}

#[test]
fn madang_is_spoken_as_its_protocol_says() {
    let frame: Value = serde_json::from_str(&sent(Dialect::Madang)).unwrap();
    assert_eq!(frame["type"], "send");
    assert_eq!(frame["id"], 27);
    assert_eq!(frame["room"], "bench-a-3");
    assert_eq!(frame["text"], text());
    assert_eq!(frame["key"].as_str().unwrap().len(), 16);
    let place = Place {
        room: "r",
        after: Some((Some("e"), 41)),
    };
    let join: Value = serde_json::from_str(&Dialect::Madang.join(place)).unwrap();
    assert_eq!(join["after"], serde_json::json!({"epoch": "e", "seq": 41}));
    let hello: Value =
        serde_json::from_str(&Dialect::Madang.greeting("b1", Some("t")).unwrap()).unwrap();
    assert_eq!(
        (&hello["type"], &hello["token"]),
        (&"hello".into(), &"t".into())
    );
}

#[test]
fn madang_is_understood() {
    let text = text();
    let rows = [
        (
            format!(
                r#"{{"type":"message","room":"r","epoch":"e1","seq":42,"at":1,"key":"k","user":{{"id":"u","name":"b"}},"text":"{text}"}}"#
            ),
            message(Some(42), Some("e1")),
        ),
        (
            format!(r#"{{"type":"message","seq":42,"text":"{text}","at":1,"epoch":"e1"}}"#),
            message(Some(42), Some("e1")),
        ),
        (
            r#"{"type":"welcome","token":"t","user":{}}"#.to_owned(),
            r#"Greeted(Some("t"))"#.to_owned(),
        ),
        (
            r#"{"type":"joined","id":2,"room":"r","epoch":null,"seq":0,"members":[],"count":0}"#
                .to_owned(),
            "Joined { epoch: None, seq: Some(0) }".to_owned(),
        ),
        (
            r#"{"type":"sent","id":27,"seq":1,"epoch":"e"}"#.to_owned(),
            "Accepted(17)".to_owned(),
        ),
        (
            r#"{"type":"error","id":27,"code":"rate_limited","message":"m","retry_after_ms":5}"#
                .to_owned(),
            r#"Refused(17, "rate_limited")"#.to_owned(),
        ),
        (
            r#"{"type":"error","id":2,"code":"overloaded","message":"m","retry_after_ms":5}"#
                .to_owned(),
            r#"JoinRefused("overloaded", Some(5))"#.to_owned(),
        ),
        (
            r#"{"type":"gap","room":"r","epoch":"e","from":3,"to":9,"reason":"skipped"}"#
                .to_owned(),
            "Gap { from: 3, to: 9 }".to_owned(),
        ),
        (
            r#"{"type":"epoch","room":"r","epoch":"e2","from":4}"#.to_owned(),
            r#"Rewound { epoch: Some("e2"), from: 4 }"#.to_owned(),
        ),
    ];
    for (frame, expected) in rows {
        assert_eq!(heard(Dialect::Madang, &frame), [expected], "{frame}");
    }
    assert_eq!(
        heard(Dialect::Madang, r#"{"type":"presence","room":"r"}"#),
        [""; 0]
    );
    assert!(heard(Dialect::Madang, "no JSON")[0].starts_with("Nonsense"));
}

#[test]
fn centrifuge_is_spoken_and_understood_line_by_line() {
    let frame: Value = serde_json::from_str(&sent(Dialect::Centrifuge)).unwrap();
    assert_eq!(
        (&frame["id"], &frame["publish"]["data"]),
        (&27.into(), &text().into())
    );
    let text = text();
    let push = format!(
        r#"{{"push":{{"channel":"r","pub":{{"data":"{text}","info":{{"user":""}},"offset":5}}}}}}"#
    );
    let lines = format!("{push}\n{{\"id\":27,\"publish\":{{}}}}\n{push}\n{{}}");
    let expected = [
        message(Some(5), None),
        "Accepted(17)".to_owned(),
        message(Some(5), None),
        r#"Asked("{}")"#.to_owned(),
    ];
    assert_eq!(heard(Dialect::Centrifuge, &lines), expected);
    let rows = [
        (
            r#"{"id":1,"connect":{"client":"c","ping":25,"pong":true}}"#,
            "Greeted(None)",
        ),
        (
            r#"{"id":2,"subscribe":{}}"#,
            "Joined { epoch: None, seq: None }",
        ),
        (
            r#"{"id":2,"subscribe":{"recoverable":true,"epoch":"e","positioned":true}}"#,
            r#"Joined { epoch: Some("e"), seq: Some(0) }"#,
        ),
        (
            r#"{"id":2,"error":{"code":103,"message":"m"}}"#,
            r#"JoinRefused("error 103", None)"#,
        ),
        (
            r#"{"id":27,"error":{"code":111,"message":"m"}}"#,
            r#"Refused(17, "error 111")"#,
        ),
    ];
    for (frame, expected) in rows {
        assert_eq!(heard(Dialect::Centrifuge, frame), [expected], "{frame}");
    }
}

#[test]
fn centrifuge_recovers_what_was_missed_and_says_if_it_cannot() {
    let text = text();
    let recovered = format!(
        r#"{{"id":2,"subscribe":{{"recoverable":true,"epoch":"e","publications":[{{"data":"{text}","offset":3}}],"recovered":true,"offset":2,"positioned":true,"was_recovering":true}}}}"#
    );
    let expected = [
        r#"Joined { epoch: Some("e"), seq: Some(3) }"#.to_owned(),
        message(Some(3), Some("e")),
    ];
    assert_eq!(heard(Dialect::Centrifuge, &recovered), expected);
    let lost = r#"{"id":2,"subscribe":{"recoverable":true,"epoch":"f","positioned":true,"was_recovering":true}}"#;
    assert_eq!(
        heard(Dialect::Centrifuge, lost),
        [r#"JoinRefused("not recovered", None)"#]
    );
}

#[test]
fn socketio_is_spoken_and_understood() {
    assert_eq!(
        sent(Dialect::SocketIo),
        format!(r#"4227["msg","bench-a-3","{}"]"#, text())
    );
    let place = Place {
        room: "r",
        after: None,
    };
    assert_eq!(Dialect::SocketIo.join(place), r#"422["join","r"]"#);
    let event = format!(r#"42["msg","r","{}"]"#, text());
    let rows = [
        (event.as_str(), message(None, None)),
        ("0{\"sid\":\"s\"}", r#"Asked("40")"#.to_owned()),
        ("40{\"sid\":\"s\"}", "Greeted(None)".to_owned()),
        (
            "432[\"ok\"]",
            "Joined { epoch: None, seq: None }".to_owned(),
        ),
        ("4327[\"ok\"]", "Accepted(17)".to_owned()),
        ("2", r#"Asked("3")"#.to_owned()),
    ];
    for (frame, expected) in rows {
        assert_eq!(heard(Dialect::SocketIo, frame), [expected], "{frame}");
    }
}

#[test]
fn the_plain_dialect_is_spoken_and_understood() {
    let frame: Value = serde_json::from_str(&sent(Dialect::Plain)).unwrap();
    let expected = serde_json::json!({"t": "msg", "room": "bench-a-3", "d": text(), "id": 27});
    assert_eq!(frame, expected);
    let said = format!(r#"{{"t":"msg","room":"r","d":"{}"}}"#, text());
    let rows = [
        (said.as_str(), message(None, None)),
        (
            r#"{"t":"joined","room":"r"}"#,
            "Joined { epoch: None, seq: None }".to_owned(),
        ),
        (r#"{"t":"ok","id":27}"#, "Accepted(17)".to_owned()),
    ];
    for (frame, expected) in rows {
        assert_eq!(heard(Dialect::Plain, frame), [expected], "{frame}");
    }
}

#[test]
fn a_dialect_is_chosen_by_its_name() {
    for (name, dialect) in Dialect::ALL {
        assert_eq!(name.parse(), Ok(dialect));
        assert_eq!(dialect.to_string(), name);
    }
    assert!(
        "mqtt"
            .parse::<Dialect>()
            .unwrap_err()
            .contains("madang, centrifuge")
    );
}

//! Rows for every request, good and bad.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::ids::Epoch;
use super::*;

fn parse(text: &str) -> Result<Request, Refused> {
    Request::parse(text, &Limits::default())
}

fn id(number: u64) -> RequestId {
    RequestId::from(number)
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn position(epoch: &str, seq: u64) -> Position {
    Position::new(Epoch::parse(epoch).unwrap(), seq)
}

#[test]
fn requests_are_read_with_their_defaults() {
    let hello = |token: Option<&str>, name: Option<&str>, features: &[&str]| Request::Hello {
        token: token.map(Into::into),
        name: name.map(|name| UserName::parse(name).unwrap()),
        client: None,
        features: features.iter().map(|&word| word.into()).collect(),
        moved_ms: None,
    };
    let moved = Request::Hello {
        token: None,
        name: None,
        client: None,
        features: Vec::new(),
        moved_ms: Some(1500),
    };
    let history = |range| Request::History {
        id: id(1),
        room: room("a"),
        range,
        limit: 50,
    };
    let members = |cursor: Option<&str>, limit| Request::Members {
        id: id(1),
        room: room("a"),
        cursor: cursor.map(Into::into),
        limit,
    };
    let join = |after, limit| Request::Join {
        id: id(1),
        room: room("a"),
        after,
        limit,
    };
    let rows = [
        (r#"{"type":"hello"}"#, hello(None, None, &[])),
        (
            r#"{"type":"hello","token":null,"name":null,"features":null}"#,
            hello(None, None, &[]),
        ),
        (
            r#"{"type":"hello","token":"mdg1.x","name":" Ann ","features":["a","b"]}"#,
            hello(Some("mdg1.x"), Some("Ann"), &["a", "b"]),
        ),
        (r#"{"type":"hello","moved_ms":1500}"#, moved),
        (r#"{"type":"ping","id":1}"#, Request::Ping { id: id(1) }),
        (r#"{"type":"join","id":1,"room":" A "}"#, join(None, 200)),
        (
            r#"{"type":"join","id":1,"room":"a","after":{"epoch":"e","seq":5},"limit":1000}"#,
            join(Some(position("e", 5)), 1_000),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","after":{"epoch":null,"seq":0}}"#,
            join(Some(Position::EMPTY), 200),
        ),
        (
            r#"{"type":"leave","id":1,"room":"a"}"#,
            Request::Leave {
                id: id(1),
                room: room("a"),
            },
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"x\r\ny","key":"k"}"#,
            Request::Send {
                id: id(1),
                room: room("a"),
                text: "x\ny".into(),
                key: Key::parse("k").unwrap(),
            },
        ),
        (
            r#"{"type":"history","id":1,"room":"a"}"#,
            history(Range::Newest),
        ),
        (
            r#"{"type":"history","id":1,"room":"a","before":{"epoch":"e","seq":9}}"#,
            history(Range::Before(position("e", 9))),
        ),
        (
            r#"{"type":"history","id":1,"room":"a","before":null,"after":{"epoch":"e","seq":9}}"#,
            history(Range::After(position("e", 9))),
        ),
        (
            r#"{"type":"members","id":1,"room":"a"}"#,
            members(None, 100),
        ),
        (
            r#"{"type":"members","id":1,"room":"a","cursor":"c","limit":500}"#,
            members(Some("c"), 500),
        ),
        (
            r#"{"type":"typing","room":"a"}"#,
            Request::Typing { room: room("a") },
        ),
        (
            r#"{"type":"rename","id":1,"name":"Ann  B"}"#,
            Request::Rename {
                id: id(1),
                name: UserName::parse("Ann B").unwrap(),
            },
        ),
        (
            r#" {"new":{"a":[1]},"type":"ping","id":1,"b":null} "#,
            Request::Ping { id: id(1) },
        ),
        (
            r#"{"\u0074ype":"p\u0069ng","id":1}"#,
            Request::Ping { id: id(1) },
        ),
    ];
    for (text, request) in rows {
        assert_eq!(parse(text), Ok(request), "{text}");
    }
}

#[test]
fn ids_are_repeated_byte_for_byte() {
    let long = format!("\"{}\"", "i".repeat(64));
    let digits = "9".repeat(64);
    for good in [
        "0",
        "-1",
        "-0",
        "18446744073709551616",
        "\"\"",
        "\"a\\u0041\"",
        &long,
        &digits,
    ] {
        let request = parse(&format!(r#"{{"type":"ping","id":{good}}}"#)).unwrap();
        assert_eq!(request.id().unwrap().as_json(), good);
    }
    let too_long = format!("\"{}\"", "i".repeat(65));
    let too_many = "9".repeat(65);
    for bad in [
        "1.0",
        "1e3",
        "true",
        "[]",
        "{}",
        "\"\\ud800\"",
        &too_long,
        &too_many,
    ] {
        let refused = parse(&format!(r#"{{"type":"ping","id":{bad}}}"#)).unwrap_err();
        let found = (refused.error, refused.field, refused.id);
        assert_eq!(found, (ErrorCode::BadField, Some("id"), None), "{bad}");
    }
}

#[test]
fn bad_frames_are_refused_with_code_and_field() {
    use ErrorCode::{BadField, BadJson, BadName, BadType, MissingField, TextTooLong};
    let long_text = format!(
        r#"{{"type":"send","id":1,"room":"a","text":"{}","key":"k"}}"#,
        "한".repeat(4_001)
    );
    let long_key = format!(
        r#"{{"type":"send","id":1,"room":"a","text":"x","key":"{}"}}"#,
        "k".repeat(65)
    );
    let long_client = format!(r#"{{"type":"hello","client":"{}"}}"#, "c".repeat(65));
    let many_features = json!({"type": "hello", "features": vec!["f"; 33]}).to_string();
    let long_room = json!({"type": "join", "id": 1, "room": "r".repeat(65)}).to_string();
    let rows = [
        ("", BadJson, None),
        (" ", BadJson, None),
        ("{", BadJson, None),
        ("hello", BadJson, None),
        ("{'type':'ping'}", BadJson, None),
        (r#"{"type":"ping","id":1}}"#, BadJson, None),
        (r#"{"type":"ping","id":1}{}"#, BadJson, None),
        (r#"{"type":"ping","id":01}"#, BadJson, None),
        (r#"{"type":"ping","id":1,"id":2}"#, BadJson, None),
        ("{\"type\":\"pi\nng\"}", BadJson, None),
        ("[", BadJson, None),
        ("[]", BadType, None),
        (r#"["ping",1]"#, BadType, None),
        ("7", BadType, None),
        ("null", BadType, None),
        (r#""ping""#, BadType, None),
        ("{}", BadType, Some("type")),
        (r#"{"type":null}"#, BadType, Some("type")),
        (r#"{"type":7}"#, BadType, Some("type")),
        (r#"{"type":"Ping","id":1}"#, BadType, Some("type")),
        (r#"{"type":"welcome"}"#, BadType, Some("type")),
        (
            r#"{"type":"refresh","id":1,"token":"t"}"#,
            BadType,
            Some("type"),
        ),
        (r#"{"type":"ping"}"#, MissingField, Some("id")),
        (r#"{"type":"ping","id":null}"#, MissingField, Some("id")),
        (r#"{"type":"join","room":"a"}"#, MissingField, Some("id")),
        (r#"{"type":"join","id":1}"#, MissingField, Some("room")),
        (
            r#"{"type":"join","id":1,"room":null}"#,
            MissingField,
            Some("room"),
        ),
        (r#"{"type":"join","id":1,"room":7}"#, BadField, Some("room")),
        (
            r#"{"type":"join","id":1,"room":"\ud800"}"#,
            BadField,
            Some("room"),
        ),
        (r#"{"type":"join","id":1,"room":""}"#, BadName, Some("room")),
        (
            r#"{"type":"join","id":1,"room":"@a"}"#,
            BadName,
            Some("room"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a/b"}"#,
            BadName,
            Some("room"),
        ),
        (&long_room, BadName, Some("room")),
        (
            r#"{"type":"join","id":1,"room":"a","after":5}"#,
            BadField,
            Some("after"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","after":["e",5]}"#,
            BadField,
            Some("after"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","after":{}}"#,
            BadField,
            Some("after"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","after":{"epoch":null,"seq":1}}"#,
            BadField,
            Some("after"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","after":{"epoch":"e","seq":9007199254740992}}"#,
            BadField,
            Some("after"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","limit":0}"#,
            BadField,
            Some("limit"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","limit":1001}"#,
            BadField,
            Some("limit"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","limit":"5"}"#,
            BadField,
            Some("limit"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","limit":1.5}"#,
            BadField,
            Some("limit"),
        ),
        (
            r#"{"type":"join","id":1,"room":"a","limit":-1}"#,
            BadField,
            Some("limit"),
        ),
        (r#"{"type":"leave","id":1}"#, MissingField, Some("room")),
        (
            r#"{"type":"send","id":1,"room":"a","key":"k"}"#,
            MissingField,
            Some("text"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"x"}"#,
            MissingField,
            Some("key"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":7,"key":"k"}"#,
            BadField,
            Some("text"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"\udc00","key":"k"}"#,
            BadField,
            Some("text"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"","key":"k"}"#,
            BadField,
            Some("text"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":" \n","key":"k"}"#,
            BadField,
            Some("text"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"\u0000","key":"k"}"#,
            BadField,
            Some("text"),
        ),
        (&long_text, TextTooLong, Some("text")),
        (
            r#"{"type":"send","id":1,"room":"a","text":"x","key":""}"#,
            BadField,
            Some("key"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"x","key":7}"#,
            BadField,
            Some("key"),
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"x","key":"\n"}"#,
            BadField,
            Some("key"),
        ),
        (&long_key, BadField, Some("key")),
        (
            r#"{"type":"history","id":1,"room":"a","before":{"epoch":"e","seq":1},"after":{"epoch":"e","seq":1}}"#,
            BadField,
            Some("after"),
        ),
        (
            r#"{"type":"history","id":1,"room":"a","before":7}"#,
            BadField,
            Some("before"),
        ),
        (
            r#"{"type":"history","id":1,"room":"a","limit":201}"#,
            BadField,
            Some("limit"),
        ),
        (
            r#"{"type":"members","id":1,"room":"a","limit":501}"#,
            BadField,
            Some("limit"),
        ),
        (
            r#"{"type":"members","id":1,"room":"a","cursor":7}"#,
            BadField,
            Some("cursor"),
        ),
        (r#"{"type":"typing"}"#, MissingField, Some("room")),
        (r#"{"type":"rename","id":1}"#, MissingField, Some("name")),
        (
            r#"{"type":"rename","id":1,"name":""}"#,
            BadName,
            Some("name"),
        ),
        (
            r#"{"type":"rename","id":1,"name":7}"#,
            BadField,
            Some("name"),
        ),
        (r#"{"type":"hello","name":"\u202e"}"#, BadName, Some("name")),
        (r#"{"type":"hello","token":7}"#, BadField, Some("token")),
        (r#"{"type":"hello","client":""}"#, BadField, Some("client")),
        (&long_client, BadField, Some("client")),
        (
            r#"{"type":"hello","features":"a"}"#,
            BadField,
            Some("features"),
        ),
        (
            r#"{"type":"hello","features":[7]}"#,
            BadField,
            Some("features"),
        ),
        (
            r#"{"type":"hello","features":[""]}"#,
            BadField,
            Some("features"),
        ),
        (&many_features, BadField, Some("features")),
        (
            r#"{"type":"hello","moved_ms":-1}"#,
            BadField,
            Some("moved_ms"),
        ),
        (
            r#"{"type":"hello","moved_ms":"1"}"#,
            BadField,
            Some("moved_ms"),
        ),
    ];
    for (text, error, field) in rows {
        let refused = parse(text).unwrap_err();
        assert_eq!((refused.error, refused.field), (error, field), "{text}");
        let has_id = text.contains(r#""id":1"#) && error != BadJson;
        assert_eq!(refused.id, has_id.then(|| id(1)), "{text}");
    }
}

#[test]
fn refusals_say_what_is_right() {
    for (text, part) in [
        (
            r#"{"type":"x"}"#,
            "one of hello, ping, join, leave, send, history, members, typing, rename",
        ),
        (r#"{"type":"join","id":1}"#, "`room` is required"),
        (
            r#"{"type":"join","id":1,"room":"a","limit":0}"#,
            "from 1 to 1000",
        ),
        (
            r#"{"type":"history","id":1,"room":"a","limit":0}"#,
            "from 1 to 200",
        ),
        (
            r#"{"type":"members","id":1,"room":"a","limit":0}"#,
            "from 1 to 500",
        ),
        (r#"{"type":"join","id":1,"room":"a%"}"#, "U+0025"),
        (
            r#"{"type":"ping","id":1.5}"#,
            "an integer or a string of at most 64 bytes",
        ),
        (
            r#"{"type":"join","id":1,"room":7}"#,
            "`room` must be a string",
        ),
        (
            r#"{"type":"join","id":1,"room":"\ud800"}"#,
            "`room` has half of a surrogate pair",
        ),
        (
            r#"{"type":"send","id":1,"room":"a","text":"\udc00","key":"k"}"#,
            "`text` has half of a surrogate pair",
        ),
    ] {
        let message = parse(text).unwrap_err().message;
        assert!(message.contains(part), "{message}");
    }
    let limits = Limits { text: 3, names: 5 };
    let refused = Request::parse(
        r#"{"type":"send","id":1,"room":"a","text":"abcd","key":"k"}"#,
        &limits,
    )
    .unwrap_err();
    assert_eq!(
        refused.message,
        "the text has 4 code points, at most 3 are allowed"
    );
    let refused = Request::parse(r#"{"type":"typing","room":"abcdef"}"#, &limits).unwrap_err();
    assert_eq!(
        refused.message,
        "`room`: the name has 6 code points, at most 5 are allowed"
    );
}

#[test]
fn a_refusal_repeats_a_good_room_in_canonical_form() {
    let room = |text| parse(text).unwrap_err().room;
    assert_eq!(
        room(r#"{"type":"send","id":1,"room":" A "}"#).as_deref(),
        Some("a")
    );
    assert_eq!(
        room(r#"{"type":"nonsense","id":1,"room":"a"}"#).as_deref(),
        Some("a")
    );
    assert_eq!(room(r#"{"type":"join","id":1,"room":"@a"}"#), None);
}

#[test]
fn depth_does_no_harm() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(parse(&deep).unwrap_err().error, ErrorCode::BadType);
    assert!(parse(&format!(r#"{{"type":"ping","id":1,"x":{deep}}}"#)).is_ok());
    for field in ["id", "room", "after", "text"] {
        let frame = format!(r#"{{"type":"join","id":1,"room":"a","{field}":{deep}}}"#);
        if field == "text" {
            assert!(parse(&frame).is_ok());
        } else {
            assert!(parse(&frame).is_err());
        }
    }
    let objects = format!("{}1{}", r#"{"epoch":"#.repeat(30_000), "}".repeat(30_000));
    let frame = format!(r#"{{"type":"join","id":1,"room":"a","after":{objects}}}"#);
    assert_eq!(parse(&frame).unwrap_err().error, ErrorCode::BadField);
}

#[test]
fn debug_output_shows_no_text_and_no_token() {
    let send = parse(r#"{"type":"send","id":1,"room":"a","text":"secret","key":"k"}"#).unwrap();
    let hello = parse(r#"{"type":"hello","token":"secret","name":"Ann"}"#).unwrap();
    assert!(!format!("{send:?}{hello:?}").contains("secret"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z]{1,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("epoch|seq|[a-z]{1,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn arbitrary_fields_never_panic_and_refusals_have_a_final_code(
        kind in "hello|ping|join|leave|send|history|members|typing|rename|refresh",
        fields in prop::collection::btree_map(
            "id|room|text|key|after|before|limit|cursor|name|token|client|features|[a-z]{1,5}",
            any_json(),
            0..8,
        ),
    ) {
        let mut frame: serde_json::Map<String, Value> = fields.into_iter().collect();
        frame.insert("type".into(), kind.clone().into());
        match parse(&Value::Object(frame).to_string()) {
            Ok(request) => prop_assert_eq!(request.kind(), kind),
            Err(refused) => {
                prop_assert!(!refused.error.is_retryable());
                prop_assert!(refused.field.is_some());
            }
        }
    }
}

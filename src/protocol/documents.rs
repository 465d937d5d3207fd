//! Tests that `docs/protocol.md`, `docs/asyncapi.yaml` and the code say the same.
//!
//! Each document is read into the same tables as the code's, and the tables are compared whole: what one of them
//! has and another lacks fails either way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::*;

/// (frame or object, field) → is it required; the frame's name carries its direction.
type Fields = BTreeMap<(String, String), bool>;

fn document(name: &str) -> String {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::ToNode => "toNode",
        Direction::ToPage => "toPage",
    }
}

fn frame_name(frame: &FrameDoc) -> String {
    format!("{}.{}", side(frame.direction), frame.name)
}

fn fields_of(name: &str, fields: &[FieldDoc]) -> Fields {
    fields
        .iter()
        .map(|field| ((name.to_owned(), field.name.to_owned()), field.required))
        .collect()
}

fn code_fields() -> Fields {
    let frames = FRAMES
        .iter()
        .flat_map(|frame| fields_of(&frame_name(frame), frame.fields));
    let objects = OBJECTS
        .iter()
        .flat_map(|object| fields_of(object.name, object.fields));
    frames.chain(objects).collect()
}

fn code_frames() -> BTreeSet<String> {
    FRAMES.iter().map(frame_name).collect()
}

// === protocol.md ===

/// The part of a document under a heading, up to the next one of its level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let body = &text[start + heading.len() + 2..];
    let level = heading.split(' ').next().unwrap();
    body.find(&format!("\n{level} "))
        .map_or(body, |end| &body[..end])
}

/// The cells of the table rows in a section, without head and rule.
fn rows(section: &str) -> Vec<Vec<&str>> {
    section
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// The subsections of a section, each with the word in its heading.
fn subsections<'a>(text: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let parts = section(text, heading).split("\n### ").skip(1);
    parts
        .map(|part| part.trim_start_matches('`').split_once("`\n").unwrap())
        .collect()
}

/// Every frame of protocol.md: its name with direction, and its part of the text.
fn described_frames(text: &str) -> Vec<(String, &str)> {
    let mut frames = Vec::new();
    for (direction, heading) in [
        (Direction::ToNode, "## Frames to the node"),
        (Direction::ToPage, "## Frames to the page"),
    ] {
        for (name, part) in subsections(text, heading) {
            frames.push((format!("{}.{name}", side(direction)), part));
        }
    }
    frames
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn is_yes(cell: &str) -> bool {
    match cell {
        "yes" | "true" => true,
        "no" | "false" => false,
        other => panic!("neither yes nor no: {other}"),
    }
}

#[test]
fn the_protocol_page_has_every_frame_and_object_with_its_fields() {
    let text = document("protocol.md");
    let frames = described_frames(&text);
    let names: BTreeSet<_> = frames.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, code_frames());
    let objects = subsections(&text, "## Objects");
    let objects = objects
        .into_iter()
        .map(|(name, part)| (name.to_owned(), part));
    let mut fields = Fields::new();
    for (name, part) in frames.into_iter().chain(objects) {
        for row in rows(part) {
            fields.insert((name.clone(), unquoted(row[0]).to_owned()), is_yes(row[1]));
        }
    }
    assert_eq!(fields, code_fields());
}

#[test]
fn the_protocol_page_has_every_error_and_close_code() {
    let text = document("protocol.md");
    let errors: Vec<_> = rows(section(&text, "## Errors"))
        .into_iter()
        .map(|row| {
            (
                unquoted(row[0]),
                is_yes(row[1]),
                row[2].parse().unwrap(),
                row[3],
            )
        })
        .collect();
    let in_code = ErrorCode::ALL.map(|code| {
        (
            code.as_str(),
            code.is_retryable(),
            code.http_status(),
            code.meaning(),
        )
    });
    assert_eq!(errors, in_code);
    let closes: Vec<_> = rows(section(&text, "## Close codes"))
        .into_iter()
        .map(|row| {
            (
                row[0].parse().unwrap(),
                unquoted(row[1]),
                is_yes(row[2]),
                row[3],
            )
        })
        .collect();
    let in_code = CloseCode::ALL.map(|close| {
        (
            close.code(),
            close.reason(),
            close.comes_back(),
            close.meaning(),
        )
    });
    assert_eq!(closes, in_code);
}

#[test]
fn the_protocol_page_has_every_reason() {
    let text = document("protocol.md");
    let reasons: Vec<_> = rows(section(&text, "## Reasons"))
        .into_iter()
        .map(|row| (unquoted(row[0]), unquoted(row[1]), row[2]))
        .collect();
    let mut in_code = Vec::new();
    in_code.extend(
        GapReason::ALL
            .iter()
            .map(|r| ("gap", r.as_str(), r.meaning())),
    );
    in_code.extend(
        LeftReason::ALL
            .iter()
            .map(|r| ("left", r.as_str(), r.meaning())),
    );
    in_code.extend(
        ReconnectReason::ALL
            .iter()
            .map(|r| ("reconnect", r.as_str(), r.meaning())),
    );
    in_code.extend(
        DegradedReason::ALL
            .iter()
            .map(|r| ("degraded", r.as_str(), r.meaning())),
    );
    assert_eq!(reasons, in_code);
}

#[test]
fn the_protocol_page_names_the_caps_and_defaults_of_limits() {
    let text = document("protocol.md");
    for (name, most, default) in [
        ("join", "1,000", JOIN_LIMIT),
        ("history", "200", HISTORY_LIMIT),
        ("members", "500", MEMBERS_LIMIT),
    ] {
        let (_, part) = described_frames(&text)
            .into_iter()
            .find(|(frame, _)| *frame == format!("toNode.{name}"))
            .unwrap();
        let rows = rows(part);
        let row = rows.iter().find(|row| row[0] == "`limit`").unwrap();
        assert!(
            row[2].ends_with(&format!("at most: 1 to {most}, else {default}.")),
            "{row:?}"
        );
    }
    assert_eq!(
        (MAX_JOIN_LIMIT, MAX_HISTORY_LIMIT, MAX_MEMBERS_LIMIT),
        (1_000, 200, 500)
    );
}

#[test]
fn every_example_is_its_frame() {
    let text = document("protocol.md");
    for (name, part) in described_frames(&text) {
        let examples: Vec<_> = part.split("```json\n").skip(1).collect();
        assert_eq!(examples.len(), 1, "{name} has one example");
        let json = examples[0].split("```").next().unwrap();
        let value: Value = serde_json::from_str(json).unwrap();
        check_frame(&name, &value);
        if name.starts_with("toNode.") {
            let request = Request::parse(json, &Limits::default()).unwrap();
            assert_eq!(format!("toNode.{}", request.kind()), name);
        }
    }
}

/// Asserts that a frame, and every object in it, has the members of the table.
fn check_frame(name: &str, value: &Value) {
    let (_, kind) = name.split_once('.').unwrap();
    assert_eq!(value["type"], kind, "{name}");
    check_members(name, value);
    for (member, inner) in value.as_object().unwrap() {
        match (member.as_str(), inner) {
            ("user", user) => check_members("user", user),
            ("limits", limits) => check_members("limits", limits),
            ("after" | "before", position) => check_members("position", position),
            ("members" | "joined" | "renamed", Value::Array(users)) => {
                users.iter().for_each(|user| check_members("user", user));
            }
            ("messages", Value::Array(messages)) => {
                messages
                    .iter()
                    .for_each(|message| check_frame("toPage.message", message));
            }
            ("code", code) => assert!(ErrorCode::from_word(code.as_str().unwrap()).is_some()),
            _ => {}
        }
    }
}

fn check_members(name: &str, value: &Value) {
    let fields: Fields = code_fields()
        .into_iter()
        .filter(|((of, _), _)| of == name)
        .collect();
    let members = value
        .as_object()
        .unwrap_or_else(|| panic!("{name} is {value}"));
    for ((_, field), required) in &fields {
        assert!(
            !required || members.contains_key(field),
            "{name}.{field} is required"
        );
    }
    for member in members.keys().filter(|member| *member != "type") {
        assert!(
            fields.contains_key(&(name.to_owned(), member.clone())),
            "{name}.{member}"
        );
    }
}

// === asyncapi.yaml ===

/// The document as (path, value) in its order: the form that its head comment promises, not any YAML.
fn properties(text: &str) -> Vec<(Vec<&str>, &str)> {
    let mut path: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let line = line.trim_start();
        let (key, value) = match line.strip_prefix("- ") {
            Some(item) => ("-", item),
            None => line
                .split_once(':')
                .unwrap_or_else(|| panic!("no property: {line}")),
        };
        path.truncate(depth);
        path.push(key);
        found.push((path.clone(), value.trim()));
    }
    found
}

/// The words of a flow list such as `[type, id]`.
fn words(value: &str) -> BTreeSet<&str> {
    value.trim_matches(['[', ']']).split(", ").collect()
}

#[test]
fn the_asyncapi_document_has_every_frame_and_object_with_its_fields() {
    let text = document("asyncapi.yaml");
    let properties = properties(&text);
    let mut required: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut fields = Fields::new();
    let mut frames = BTreeSet::new();
    for (path, value) in &properties {
        match path[..] {
            ["components", "messages", name, "payload", "required"]
            | ["components", "schemas", name, "required"] => {
                required.insert(name, words(value));
            }
            [
                "components",
                "messages",
                name,
                "payload",
                "properties",
                "type",
            ] => {
                let kind = name.split_once('.').unwrap().1;
                assert_eq!(*value, format!("{{const: {kind}}}"));
                assert!(required[name].contains("type"));
                frames.insert(name.to_owned());
            }
            [
                "components",
                "messages",
                name,
                "payload",
                "properties",
                field,
            ]
            | ["components", "schemas", name, "properties", field] => {
                let is_required = required[name].contains(field);
                fields.insert((name.to_owned(), field.to_owned()), is_required);
            }
            ["components", "messages", name, "name"] => {
                assert_eq!(name.split_once('.').unwrap().1, *value);
            }
            _ => {}
        }
    }
    assert_eq!(frames, code_frames());
    assert_eq!(fields, code_fields());
}

#[test]
fn the_asyncapi_document_lets_every_frame_travel_in_its_direction() {
    let text = document("asyncapi.yaml");
    let mut in_channel = BTreeSet::new();
    let mut in_operations = BTreeSet::new();
    for (path, value) in properties(&text) {
        match path[..] {
            ["channels", "session", "messages", name] => {
                assert_eq!(value, format!("{{$ref: '#/components/messages/{name}'}}"));
                in_channel.insert(name.to_owned());
            }
            ["operations", operation, "messages", "-"] => {
                let name = value.trim_matches('\'').rsplit('/').next().unwrap();
                let name = name.trim_end_matches('\'');
                let direction = if operation == "fromPage" {
                    "toNode."
                } else {
                    "toPage."
                };
                assert!(name.starts_with(direction), "{operation} has {name}");
                in_operations.insert(name.to_owned());
            }
            _ => {}
        }
    }
    assert_eq!(in_channel, code_frames());
    assert_eq!(in_operations, code_frames());
}

#[test]
fn the_asyncapi_document_has_every_error_close_code_and_bound() {
    let text = document("asyncapi.yaml");
    let properties = properties(&text);
    let under = |root: &str| -> Vec<String> {
        let entries = properties
            .iter()
            .filter(|(path, _)| path.len() == 2 && path[0] == root);
        entries
            .map(|(path, value)| format!("{}: {value}", path[1]))
            .collect()
    };
    let errors = ErrorCode::ALL.map(|code| {
        format!(
            "{code}: {{retry: {}, http: {}}}",
            code.is_retryable(),
            code.http_status()
        )
    });
    assert_eq!(under("x-errors"), errors);
    let closes = CloseCode::ALL.map(|close| {
        format!(
            "{close}: {{code: {}, come_back: {}}}",
            close.code(),
            close.comes_back()
        )
    });
    assert_eq!(under("x-close-codes"), closes);
    for (frame, most, default) in [
        ("toNode.join", MAX_JOIN_LIMIT, JOIN_LIMIT),
        ("toNode.history", MAX_HISTORY_LIMIT, HISTORY_LIMIT),
        ("toNode.members", MAX_MEMBERS_LIMIT, MEMBERS_LIMIT),
    ] {
        let path = [
            "components",
            "messages",
            frame,
            "payload",
            "properties",
            "limit",
        ];
        let bounds = format!("{{type: integer, minimum: 1, maximum: {most}, default: {default}}}");
        assert!(
            properties
                .iter()
                .any(|(at, value)| at[..] == path && *value == bounds),
            "{frame}"
        );
    }
}

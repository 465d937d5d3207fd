//! The JSON body of a request, taken strictly: a misspelled member would be as good as none.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use super::super::refusal::Refusal;
use crate::protocol::ErrorCode;

/// A JSON object. Derived readers take an array of the members for it too, which nobody means.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// How much a body may be.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Setting `api.body_bytes`.
    pub(super) bytes: usize,
    /// In which all of it must arrive. Setting `server.header_timeout`.
    pub(super) time: Duration,
}

/// Reads a body within bounds, which is a JSON object.
pub(super) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    bounds: &Bounds,
) -> Result<T, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::new(
            ErrorCode::BadJson,
            "the body must be JSON: send it with `Content-Type: application/json`",
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = Limited::new(body, bounds.bytes).collect();
    let Ok(body) = tokio::time::timeout(bounds.time, body).await else {
        return Err(
            Refusal::new(ErrorCode::BadJson, "the body did not arrive in time")
                .with_status(StatusCode::REQUEST_TIMEOUT),
        );
    };
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let most = bounds.bytes;
            Refusal::new(
                ErrorCode::TextTooLong,
                format!("the body is larger than the {most} bytes of api.body_bytes (MADANG_API__BODY_BYTES)"),
            )
        } else {
            Refusal::new(ErrorCode::BadJson, "the body ended too early")
        }
    })?;
    parse(&body.to_bytes())
}

/// Returns true if the media type is JSON in UTF-8 (RFC 8259).
fn is_json(headers: &HeaderMap) -> bool {
    let mut sent = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (sent.next(), sent.next()) else {
        return false;
    };
    let Ok(kind) = kind.to_str() else {
        return false;
    };
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| {
            parameter.split_once('=').is_none_or(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let bad_json = |error: &dyn std::fmt::Display| {
        Refusal::new(
            ErrorCode::BadJson,
            format!("the body is not good JSON: {error}"),
        )
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Object(value) = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => wrong_value(&path, &error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => bad_json(&error),
        }
    })?;
    reader.end().map_err(|error| bad_json(&error))?;
    Ok(value)
}

/// Turns what serde says of a value into a refusal that names the member.
fn wrong_value(path: &str, error: &str) -> Refusal {
    let quoted = error.split('`').nth(1).unwrap_or_default();
    let inside = |name: &str| match path {
        "." | "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    if error.starts_with("missing field") {
        let field = inside(quoted);
        let message = format!("`{field}` is required");
        return Refusal::of_field(ErrorCode::MissingField, field, message);
    }
    if error.starts_with("duplicate field") {
        return Refusal::new(
            ErrorCode::BadJson,
            format!("the body names `{quoted}` twice"),
        );
    }
    // The path of an unknown member ends with its name already.
    let field = if path == "." { "body" } else { path };
    let (what, _) = error.rsplit_once(" at line ").unwrap_or((error, ""));
    Refusal::of_field(ErrorCode::BadField, field, format!("`{field}`: {what}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(rename = "list")]
        _list: Vec<Object<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "text")]
        _text: String,
    }

    #[test]
    fn a_fault_names_the_member_and_says_what_is_right() {
        for (body, code, field, part) in [
            ("", "bad_json", None, "EOF"),
            ("{", "bad_json", None, "EOF"),
            ("{} {}", "missing_field", Some("list"), "`list` is required"),
            (r#"{"list":[]} x"#, "bad_json", None, "trailing"),
            ("nul", "bad_json", None, "EOF"),
            ("x", "bad_json", None, "expected"),
            ("[]", "bad_field", Some("body"), "expected an object"),
            (r#"[[]]"#, "bad_field", Some("body"), "expected an object"),
            (
                r#"{"list":[["a"]]}"#,
                "bad_field",
                Some("list[0]"),
                "expected an object",
            ),
            ("7", "bad_field", Some("body"), "invalid type: integer `7`"),
            (
                r#"{"list":[{"text":1}]}"#,
                "bad_field",
                Some("list[0].text"),
                "expected a string",
            ),
            (
                r#"{"list":[{}]}"#,
                "missing_field",
                Some("list[0].text"),
                "required",
            ),
            (
                r#"{"list":[{"txt":"a"}]}"#,
                "bad_field",
                Some("list[0].txt"),
                "expected `text`",
            ),
            (r#"{"list":[],"list":[]}"#, "bad_json", None, "twice"),
            ("\u{feff}{}", "bad_json", None, "expected"),
            (
                r#"{"list":[{"text":"\ud800"}]}"#,
                "bad_json",
                None,
                "hex escape",
            ),
        ] {
            let refusal = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code.as_str(), code, "{body}: {}", refusal.message);
            assert_eq!(
                refusal.field.as_deref(),
                field,
                "{body}: {}",
                refusal.message
            );
            assert!(
                refusal.message.contains(part),
                "{body}: {}",
                refusal.message
            );
        }
        assert!(parse::<Outer>(b"{\"list\":[{\"text\":\"\xff\"}]}").is_err());
    }

    #[test]
    fn json_is_json_in_utf_8() {
        let is = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            is_json(&headers)
        };
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is(&[good]), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "text/json",
        ] {
            assert!(!is(&[bad]), "{bad}");
        }
        assert!(!is(&[]));
        assert!(!is(&["application/json", "application/json"]));
    }
}

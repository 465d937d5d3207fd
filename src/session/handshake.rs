//! The upgrade of an HTTP request to a session.
//!
//! Pure validation after RFC 6455 section 4.2 and the subprotocol rule of the chat protocol; every refusal says what is
//! wrong and what would be right. No extension is ever negotiated, so what a page offers of them is not read.

use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hyper::{
    HeaderMap, Method, StatusCode, Version,
    header::{
        ALLOW, CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};

use crate::protocol::SUBPROTOCOL;

/// The one version of the WebSocket protocol that is spoken (RFC 6455 section 4.1).
const WEBSOCKET_VERSION: &str = "13";
/// What the key is hashed with (RFC 6455 section 1.3).
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a decoded key.
const KEY_BYTES: usize = 16;

/// Some libraries make a key of 22 random letters, whose last one then has bits beyond the 16 bytes.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What the answer 101 has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Value of `Sec-WebSocket-Accept`.
    pub accept: HeaderValue,
    /// Value of `Sec-WebSocket-Protocol`; `None` leaves the header out, since the page offered no subprotocol.
    pub protocol: Option<HeaderValue>,
}

/// Why a request is not upgraded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// Status of the answer: 400, 405 or 426.
    pub status: StatusCode,
    /// Body of the answer as plain text: what is wrong and what would be right.
    pub message: String,
    /// Headers that the status requires.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Rejection {
    fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    fn not_an_upgrade(message: &str) -> Self {
        Self::upgrade_required(String::from(message), Vec::new())
    }

    fn upgrade_required(message: String, mut headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        // RFC 9110 section 15.5.22 wants the protocol named.
        headers.push((UPGRADE, HeaderValue::from_static("websocket")));
        headers.push((CONNECTION, HeaderValue::from_static("Upgrade")));
        Self {
            status: StatusCode::UPGRADE_REQUIRED,
            message,
            headers,
        }
    }
}

/// Checks an upgrade request and says how to answer it.
///
/// Errs with 405 for a method other than GET, 426 for a request that is no upgrade to WebSocket version 13, and 400 for
/// a malformed key or only unknown subprotocols.
pub fn accept(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<Accepted, Rejection> {
    if method != Method::GET {
        return Err(Rejection {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: format!("a WebSocket is opened with GET, not {method}"),
            headers: vec![(ALLOW, HeaderValue::from_static("GET"))],
        });
    }
    check_upgrade(version, headers)?;
    let key = key(headers)?;
    Ok(Accepted {
        accept: accept_value(key),
        protocol: choose_protocol(headers)?,
    })
}

/// Checks that the request asks for an upgrade to the WebSocket protocol of our version.
fn check_upgrade(version: Version, headers: &HeaderMap) -> Result<(), Rejection> {
    if version != Version::HTTP_11 {
        return Err(Rejection::not_an_upgrade(
            "a WebSocket needs HTTP/1.1; if a proxy is in between, let it speak HTTP/1.1 to this server \
             (nginx: proxy_http_version 1.1)",
        ));
    }
    for (name, wanted) in [(UPGRADE, "websocket"), (CONNECTION, "upgrade")] {
        if !tokens(headers, &name).any(|token| token.eq_ignore_ascii_case(wanted)) {
            return Err(Rejection::not_an_upgrade(&format!(
                "this address speaks WebSocket, but the header {name}: {wanted} is missing; \
                 if a proxy is in between, let it pass the headers Upgrade and Connection on"
            )));
        }
    }
    if one(headers, &SEC_WEBSOCKET_VERSION) != Some(WEBSOCKET_VERSION) {
        return Err(Rejection::upgrade_required(
            format!(
                "the WebSocket version is missing or unknown; send {SEC_WEBSOCKET_VERSION}: {WEBSOCKET_VERSION}"
            ),
            vec![(
                SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static(WEBSOCKET_VERSION),
            )],
        ));
    }
    Ok(())
}

/// Returns the page's key after checking that it is 16 bytes in Base64.
fn key(headers: &HeaderMap) -> Result<&str, Rejection> {
    one(headers, &SEC_WEBSOCKET_KEY)
        .filter(|key| KEY_BASE64.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES))
        .ok_or_else(|| {
            Rejection::bad_request(format!(
                "{SEC_WEBSOCKET_KEY} is missing or malformed; send {KEY_BYTES} random bytes in Base64, once"
            ))
        })
}

/// Computes the value that proves to the page that its key was read (RFC 6455 section 4.2.2).
fn accept_value(key: &str) -> HeaderValue {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(ACCEPT_GUID.as_bytes());
    HeaderValue::try_from(STANDARD.encode(hash.digest().bytes())).expect("Base64 is visible ASCII")
}

/// Returns our subprotocol if the page offers it, and nothing if it offers none.
fn choose_protocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Rejection> {
    let mut offered = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    if offered.any(|token| token == SUBPROTOCOL) {
        return Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
    }
    Err(Rejection::bad_request(format!(
        "none of the subprotocols offered is spoken here; offer {SUBPROTOCOL} or none"
    )))
}

/// Returns the value of a header that must come exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value.trim())
}

/// Returns the comma-separated parts of all headers of this name, without the empty ones.
///
/// A value with a byte beyond visible ASCII counts as one part that matches nothing.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("\u{fffd}").split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3 with `change` applied: a value replaces, an empty one removes.
    fn request(changes: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "server.example.com"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, _) in changes {
            headers.remove(*name);
        }
        for (name, value) in changes.iter().filter(|(_, value)| !value.is_empty()) {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn get(changes: &[(&'static str, &str)]) -> Result<Accepted, Rejection> {
        accept(&Method::GET, Version::HTTP_11, &request(changes))
    }

    #[test]
    fn the_example_of_the_standard_is_accepted() {
        let accepted = get(&[]).unwrap();
        assert_eq!(accepted.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accepted.protocol, None);
    }

    #[test]
    fn what_browsers_and_libraries_vary_is_accepted() {
        for changes in [
            &[("upgrade", "WebSocket")][..],
            &[("upgrade", "h2c, websocket")],
            &[("connection", "keep-alive, upgrade")],
            &[("connection", "keep-alive"), ("connection", "UPGRADE")],
            &[("sec-websocket-key", "abcdefghijklmnopqrstuv==")],
            &[(
                "sec-websocket-extensions",
                "permessage-deflate; client_max_window_bits",
            )],
        ] {
            assert!(get(changes).is_ok(), "{changes:?}");
        }
    }

    #[test]
    fn our_subprotocol_is_chosen_if_offered_and_unknown_ones_alone_are_refused() {
        let name = "sec-websocket-protocol";
        let ours = Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
        for (offered, want) in [
            (&[(name, "madang.v1")][..], ours.clone()),
            (&[(name, "chat, madang.v1")], ours.clone()),
            (&[(name, "madang.v2"), (name, "madang.v1")], ours),
            (&[(name, ", ,")], Ok(None)),
            (&[(name, "chat")], Err(StatusCode::BAD_REQUEST)),
            (
                &[(name, "MADANG.V1, madang.v10")],
                Err(StatusCode::BAD_REQUEST),
            ),
            (&[(name, "마당")], Err(StatusCode::BAD_REQUEST)),
        ] {
            let got = get(offered).map(|accepted| accepted.protocol);
            assert_eq!(
                got.clone().map_err(|rejection| rejection.status),
                want,
                "{offered:?}"
            );
            if let Err(rejection) = got {
                assert!(rejection.message.contains(SUBPROTOCOL), "{rejection}");
            }
        }
    }

    #[test]
    fn each_fault_has_its_status_and_says_what_is_missing() {
        let key = "sec-websocket-key";
        for (changes, status, words) in [
            (&[("upgrade", "")][..], 426, "upgrade: websocket"),
            (&[("upgrade", "h2c")], 426, "upgrade: websocket"),
            (&[("connection", "")], 426, "connection: upgrade"),
            (&[("connection", "close")], 426, "connection: upgrade"),
            (
                &[("sec-websocket-version", "")],
                426,
                "sec-websocket-version: 13",
            ),
            (
                &[("sec-websocket-version", "8")],
                426,
                "sec-websocket-version: 13",
            ),
            (&[(key, "")], 400, key),
            (&[(key, "not base64 at all")], 400, key),
            (&[(key, "SGVsbG8sIHdvcmxkIQ==")], 400, "16 random bytes"),
            (
                &[
                    (key, "dGhlIHNhbXBsZSBub25jZQ=="),
                    (key, "dGhlIHNhbXBsZSBub25jZQ=="),
                ],
                400,
                "once",
            ),
        ] {
            let rejection = get(changes).unwrap_err();
            assert_eq!(rejection.status.as_u16(), status, "{changes:?}");
            assert!(
                rejection.message.contains(words),
                "{rejection} lacks {words:?}"
            );
            let upgrade = (UPGRADE, HeaderValue::from_static("websocket"));
            assert_eq!(
                rejection.headers.contains(&upgrade),
                status == 426,
                "{changes:?}"
            );
            let version = (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            assert_eq!(
                rejection.headers.contains(&version),
                words.ends_with("13"),
                "{changes:?}"
            );
        }
    }

    #[test]
    fn only_get_over_http_1_1_opens_a_session() {
        let rejection = accept(&Method::POST, Version::HTTP_11, &request(&[])).unwrap_err();
        assert_eq!(rejection.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(
            rejection.headers,
            [(ALLOW, HeaderValue::from_static("GET"))]
        );
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let rejection = accept(&Method::GET, version, &request(&[])).unwrap_err();
            assert_eq!(rejection.status, StatusCode::UPGRADE_REQUIRED);
            assert!(rejection.message.contains("HTTP/1.1"), "{rejection}");
        }
    }
}

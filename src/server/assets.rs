//! The page and its files, built into the program.
//!
//! Every file is asked for again each time, and answered 304 if it has not changed: after a rollout
//! nobody runs a page that mixes two versions for longer than a reload.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::comments;
use super::refusal::{Form, Refusal};
use crate::protocol::ErrorCode;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// What a person sees at a path without a file.
const NOT_FOUND: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Not found</title>\n\
     <p>There is nothing here. <a href=\"/\">To the chat</a></p>\n";

/// Answers with the file at a path; `/` is `index.html`.
pub(super) async fn file(request: Request) -> Response {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    if method != Method::GET && method != Method::HEAD {
        return Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            ..Refusal::new(ErrorCode::NotFound, "a file is read with GET or HEAD")
        }
        .with_header(ALLOW, "GET, HEAD")
        .respond(Form::of(uri, headers));
    }
    let path = match uri.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    match Files::get(path) {
        Some(found) => answer(path, found, headers),
        None => not_found(uri, headers),
    }
}

fn not_found(uri: &Uri, headers: &HeaderMap) -> Response {
    if Form::of(uri, headers) == Form::Json {
        return Refusal::new(ErrorCode::NotFound, "there is nothing at this path")
            .respond(Form::Json);
    }
    let no_store = [(CACHE_CONTROL, "no-store")];
    (StatusCode::NOT_FOUND, no_store, Html(NOT_FOUND)).into_response()
}

fn answer(path: &str, found: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = tag(&found);
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|sent| {
        sent.to_str()
            .is_ok_and(|sent| has_tag(sent, tag.to_str().unwrap_or_default()))
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = content(path, found.data);
        let length = bytes.len();
        let mut response = Body::from(bytes).into_response();
        let kind = HeaderValue::from_static(content_type(path));
        response.headers_mut().insert(CONTENT_TYPE, kind);
        // HEAD has the length of the body that it leaves out.
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// What is sent of a file: scripts and style sheets go without their comments.
fn content(path: &str, data: Cow<'static, [u8]>) -> Bytes {
    if let Ok(source) = std::str::from_utf8(&data)
        && (path.ends_with(".js") || path.ends_with(".css"))
    {
        return comments::without(source).into();
    }
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

/// The tag of a file's content: 64 bits of its hash.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{hex}\"")).expect("hexadecimal digits in quotes are ASCII")
}

/// Returns true if a value of `If-None-Match` names a tag; a proxy that compresses makes it weak.
fn has_tag(sent: &str, tag: &str) -> bool {
    sent.split(',')
        .map(|part| part.trim().trim_start_matches("W/"))
        .any(|part| part == tag || part == "*")
}

/// The type of a file by the end of its name.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type() {
        assert!(Files::iter().any(|path| path == "index.html"));
        for path in Files::iter() {
            assert_ne!(content_type(&path), "application/octet-stream", "{path}");
        }
    }

    #[test]
    fn a_visit_weighs_at_most_150_kb() {
        let mut weight = 0;
        // A visit loads the words of one language; the heavier one counts.
        let mut words = 0;
        for path in Files::iter() {
            let bytes = content(&path, Files::get(&path).unwrap().data).len();
            if path.starts_with("js/words/") {
                words = words.max(bytes);
            } else {
                weight += bytes;
            }
        }
        assert!(weight + words <= 150_000, "{} bytes", weight + words);
    }

    #[test]
    fn a_tag_is_found_among_others_weak_or_not() {
        for (sent, want) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(has_tag(sent, "\"a\""), want, "{sent}");
        }
    }
}

//! How a refusal looks over HTTP.
//!
//! A program gets `{"error": {"code", "message", …}}` with a code of the protocol's table, a person
//! gets the message as text; both get the same status and headers.

use axum::Json;
use axum::http::header::{ACCEPT, CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::protocol::ErrorCode;

/// A request that is not served, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Status of the answer; the usual one of the code unless the request asks for another.
    pub(super) status: StatusCode,
    /// Code of the protocol's table.
    pub(super) code: ErrorCode,
    /// What is wrong and what would be right, one sentence.
    pub(super) message: String,
    /// The part of the request that is wrong.
    pub(super) field: Option<String>,
    /// Seconds after which the same request may come again.
    pub(super) retry_after_secs: Option<u32>,
    /// Headers that the status requires.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Fault<'a>,
}

#[derive(Serialize)]
struct Fault<'a> {
    code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Refusal {
    /// Makes a refusal with the usual status of its code.
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.http_status());
        Self {
            status: status.expect("the statuses of the table are valid"),
            code,
            message: message.into(),
            field: None,
            retry_after_secs: None,
            headers: Vec::new(),
        }
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Makes the answer in the given form.
    pub(super) fn respond(self, form: Form) -> Response {
        let mut response = match form {
            Form::Json => Json(Body {
                error: Fault {
                    code: self.code,
                    field: self.field.as_deref(),
                    message: &self.message,
                    retry_after_ms: self.retry_after_secs.map(|secs| u64::from(secs) * 1000),
                },
            })
            .into_response(),
            Form::Text => format!("{}: {}\n", self.code, self.message).into_response(),
        };
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(secs) = self.retry_after_secs {
            headers.insert(RETRY_AFTER, secs.into());
        }
        headers.extend(self.headers);
        response
    }
}

/// In which form a refusal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For a program.
    Json,
    /// For a person.
    Text,
}

impl Form {
    /// Returns the form for a request: JSON below `/api` and for who accepts JSON.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(ACCEPT).iter();
        let accepts = accepted.any(|value| {
            value
                .to_str()
                .is_ok_and(|value| value.contains("application/json"))
        });
        if is_api(uri.path()) || accepts {
            Self::Json
        } else {
            Self::Text
        }
    }
}

/// Returns true if a path belongs to the HTTP API.
fn is_api(path: &str) -> bool {
    path.strip_prefix("/api")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

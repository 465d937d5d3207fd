//! How a refusal looks over HTTP.
//!
//! A program gets a problem document (RFC 9457) with a code of the protocol's table, a person gets the message as
//! text; both get the same status and headers.

use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::protocol::ErrorCode;

/// Where the codes are explained; a node serves it.
pub(super) const DOCUMENT: &str = "/docs/api.md";
/// Media type of a problem document.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

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
    /// Milliseconds after which the same request may come again.
    pub(super) retry_after_ms: Option<u64>,
    /// Headers that the status requires.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was refused (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Address of what is known about the code, relative to the node.
    #[schema(format = "uri-reference", example = "/docs/api.md#bad_field")]
    r#type: String,
    /// What the code says in general.
    title: &'static str,
    /// Status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, and what would be right.
    detail: String,
    /// What to decide by.
    code: ErrorCode,
    /// The part of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// After this many milliseconds the same request may be repeated; without it never unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
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
            retry_after_ms: code.retry_after_ms(),
            headers: Vec::new(),
        }
    }

    /// Makes a refusal that names the part of the request that is wrong.
    pub(super) fn of_field(
        code: ErrorCode,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(code, message)
        }
    }

    /// Sets another status than the usual one of the code.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Returns what a program reads.
    pub(super) fn problem(&self) -> Problem {
        Problem {
            r#type: format!("{DOCUMENT}#{}", self.code),
            title: self.code.meaning(),
            status: self.status.as_u16(),
            detail: self.message.clone(),
            code: self.code,
            field: self.field.clone(),
            retry_after_ms: self.retry_after_ms,
        }
    }

    /// Makes the answer in the given form.
    pub(super) fn respond(self, form: Form) -> Response {
        let mut response = match form {
            Form::Json => {
                let body = serde_json::to_vec(&self.problem()).expect("strings become JSON");
                ([(CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
            }
            Form::Text => format!("{}: {}\n", self.code, self.message).into_response(),
        };
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(ms) = self.retry_after_ms {
            // Rounded up: who comes back sooner is refused again.
            headers.insert(RETRY_AFTER, ms.div_ceil(1000).into());
        }
        headers.extend(self.headers);
        response
    }
}

impl IntoResponse for Refusal {
    /// Answers a program.
    fn into_response(self) -> Response {
        self.respond(Form::Json)
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
        let accepts =
            accepted.any(|value| value.to_str().is_ok_and(|value| value.contains("json")));
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

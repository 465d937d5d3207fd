//! Who asks: the key in `Authorization: Bearer` (RFC 6750), and its rate.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::super::refusal::Refusal;
use super::Api;
use super::keys::ApiKey;
use crate::protocol::{ErrorCode, millis};

/// What a request without a key is told, and one with a wrong one.
const CHALLENGE: &str = "Bearer realm=\"madang\"";
const WRONG_KEY: &str = "Bearer realm=\"madang\", error=\"invalid_token\"";

/// The key that a request came with; it is among the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Arc<ApiKey>);

impl Caller {
    /// Counts requests against the key's rate.
    pub(super) fn count(&self, requests: u32) -> Result<(), Refusal> {
        self.0.take(requests).map_err(|wait| {
            let wait_ms = millis(wait);
            Refusal {
                retry_after_ms: Some(wait_ms.saturating_add(1)),
                ..Refusal::new(
                    ErrorCode::RateLimited,
                    "the key has no more requests at the moment; each message of a batch is one",
                )
            }
        })
    }
}

/// Lets requests with a good key through, as often as its rate allows.
pub(super) async fn guard(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let key = match find(&api, request.headers()) {
        Ok(key) => key,
        Err(refusal) => return refusal.into_response(),
    };
    let caller = Caller(key);
    if let Err(refusal) = caller.count(1) {
        return refusal.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn find(api: &Api, headers: &HeaderMap) -> Result<Arc<ApiKey>, Refusal> {
    if !api.keys.is_configured() {
        return Err(unknown(
            CHALLENGE,
            "the HTTP API has no keys: make one with `madang key` and name its file in api.keys_file \
             (MADANG_API__KEYS_FILE)",
        ));
    }
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let secret = match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bearer),
        _ => None,
    };
    let Some(secret) = secret else {
        return Err(unknown(
            CHALLENGE,
            "send a key: `Authorization: Bearer <key>`",
        ));
    };
    api.keys.find(secret).ok_or_else(|| {
        unknown(
            WRONG_KEY,
            "this is no key of the HTTP API; api.keys_file names those that are",
        )
    })
}

/// Returns what follows the scheme, whose case does not matter.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(secret.trim_matches(' '))
}

fn unknown(challenge: &'static str, message: &str) -> Refusal {
    Refusal::new(ErrorCode::Forbidden, message)
        .with_status(StatusCode::UNAUTHORIZED)
        .with_header(WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for (value, secret) in [
            ("Bearer k", Some("k")),
            ("bearer  k ", Some("k")),
            ("Basic k", None),
            ("Bearer", None),
            ("k", None),
        ] {
            assert_eq!(bearer(value), secret, "{value}");
        }
    }
}

//! From a request at `/ws` to a session.
//!
//! A refusal has a status, a code and a sentence, and is counted by its reason: `handshake`,
//! `origin`, `draining`, `sick`, `sessions`, `sessions_per_address` or `upgrades_per_second`.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::accept::Peer;
use super::door::{Door, Full, Opened};
use super::headers::Hosts;
use super::origin;
use super::refusal::{Form, Refusal};
use crate::protocol::ErrorCode;
use crate::session::handshake::{self, Accepted, Rejection};

/// Longest time in seconds after which a refused one is told to come back; the shortest is 1.
const MAX_RETRY_AFTER_SECS: u32 = 10;
/// Bytes of a refused origin that are repeated to it.
const MAX_SHOWN_BYTES: usize = 200;

/// Opens a session, or says why not.
pub(super) async fn open(
    State(door): State<Arc<Door>>,
    Extension(peer): Extension<Peer>,
    Extension(hosts): Extension<Hosts>,
    mut request: Request,
) -> Response {
    let form = Form::of(request.uri(), request.headers());
    let checked = check(&door, &hosts, &request).and_then(|accepted| {
        let address = door.proxies.address(peer.address, request.headers());
        let permit = door.admit(address).map_err(full)?;
        Ok((accepted, address, permit))
    });
    let (accepted, address, permit) = match checked {
        Ok(admitted) => admitted,
        Err((reason, refusal)) => {
            door.metrics
                .upgrades_refused
                .with_label_values(&[reason])
                .inc();
            tracing::debug!(reason, status = refusal.status.as_u16(), "session refused");
            return refusal.respond(form);
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    peer.tasks.spawn(async move {
        if let Some((io, early)) = take_stream(upgrade).await {
            (door.open)(Opened {
                io,
                early,
                address,
                permit,
            });
        }
    });
    switching(accepted)
}

/// Checks what the request itself has to bring.
fn check(
    door: &Door,
    hosts: &Hosts,
    request: &Request,
) -> Result<Accepted, (&'static str, Refusal)> {
    let headers = request.headers();
    let accepted = handshake::accept(request.method(), request.version(), headers)
        .map_err(|rejection| ("handshake", rejected(rejection)))?;
    if origin::is_allowed(&door.origins, headers, &hosts.0) {
        Ok(accepted)
    } else {
        Err(("origin", foreign(headers)))
    }
}

/// Waits until the answer 101 is written, and takes the stream back from hyper.
async fn take_stream(upgrade: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the other end left before its session began");
            return None;
        }
    };
    let Ok(parts) = Upgraded::downcast::<TokioIo<TcpStream>>(upgraded) else {
        tracing::error!("the stream of a session is not the one that was accepted");
        return None;
    };
    // The bytes are a piece of hyper's buffer, which would live as long as they do.
    let early = Bytes::copy_from_slice(&parts.read_buf);
    Some((parts.io.into_inner(), early))
}

fn switching(accepted: Accepted) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accepted.accept);
    if let Some(protocol) = accepted.protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}

fn rejected(rejection: Rejection) -> Refusal {
    let code = match rejection.status {
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::NotFound,
        _ => ErrorCode::BadField,
    };
    Refusal {
        status: rejection.status,
        headers: rejection.headers,
        ..Refusal::new(code, rejection.message)
    }
}

fn foreign(headers: &HeaderMap) -> Refusal {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let shown = origin.filter(|origin| origin.len() <= MAX_SHOWN_BYTES);
    Refusal::new(
        ErrorCode::Forbidden,
        format!(
            "pages of the origin {} may not open sessions here; to allow them, add it to server.allowed_origins \
             (MADANG_SERVER__ALLOWED_ORIGINS), or, if a proxy changes the host, name the proxy in \
             server.trusted_proxies (MADANG_SERVER__TRUSTED_PROXIES)",
            shown.unwrap_or("that the request names")
        ),
    )
}

fn full(full: Full) -> (&'static str, Refusal) {
    let code = match full {
        Full::Draining | Full::Sick => ErrorCode::Unavailable,
        Full::Sessions | Full::Address | Full::Pace => ErrorCode::Overloaded,
    };
    let refusal = Refusal {
        retry_after_ms: Some(u64::from(retry_after_secs()) * 1000),
        ..Refusal::new(code, full.message())
    };
    (full.reason(), refusal)
}

/// Draws the time after which a refused one comes back.
fn retry_after_secs() -> u32 {
    fastrand::u32(1..=MAX_RETRY_AFTER_SECS)
}

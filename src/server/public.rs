//! The public router.
//!
//! | path | answer |
//! | --- | --- |
//! | `/`, `/js/…` | the page and its files |
//! | `/ws` | a session |
//! | `/api/v1/info` | name, version, node, protocols and limits |
//!
//! Below `/api` every refusal is JSON with a code of the protocol's table, and a parameter that is
//! not known is refused: a misspelled one would be as good as none.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CACHE_CONTROL, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use serde::Serialize;

use super::refusal::{Form, Refusal};
use super::{Door, assets, headers, upgrade};
use crate::protocol::{ErrorCode, NodeId, SUBPROTOCOL, SessionLimits};
use crate::telemetry::metrics::revision;

/// What the public listener serves.
#[derive(Clone, Debug)]
pub struct Public {
    /// Who may open a session.
    pub door: Arc<Door>,
    /// The node's name.
    pub node: NodeId,
    /// What a session may do, as `welcome` tells it too.
    pub limits: SessionLimits,
}

/// Answer of `/api/v1/info`.
#[derive(Clone, Debug, Serialize)]
struct Info {
    name: &'static str,
    version: &'static str,
    revision: &'static str,
    node: NodeId,
    protocols: [&'static str; 1],
    limits: SessionLimits,
}

/// Makes the public router.
pub fn router(public: Public) -> Router {
    let Public { door, node, limits } = public;
    let proxies = Arc::clone(&door.proxies);
    let info = Arc::new(Info {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        revision: revision(),
        node,
        protocols: [SUBPROTOCOL],
        limits,
    });
    let api = get(tell_info).fallback(wrong_method).with_state(info);
    Router::new()
        .route("/ws", any(upgrade::open).with_state(door))
        .route("/api/v1/info", api)
        .route("/api", any(unknown_path))
        .route("/api/{*rest}", any(unknown_path))
        .fallback(assets::file)
        .layer(middleware::from_fn_with_state(proxies, headers::guard))
}

async fn tell_info(State(info): State<Arc<Info>>, RawQuery(query): RawQuery) -> Response {
    match known_parameters(query.as_deref(), &[]) {
        Ok(()) => ([NO_STORE], Json(&*info)).into_response(),
        Err(refusal) => refusal.respond(Form::Json),
    }
}

const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

async fn unknown_path() -> Response {
    Refusal::new(ErrorCode::NotFound, "the HTTP API has no such path").respond(Form::Json)
}

async fn wrong_method() -> Response {
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        ..Refusal::new(ErrorCode::NotFound, "this path is read with GET")
    }
    .with_header(ALLOW, "GET, HEAD")
    .respond(Form::Json)
}

/// Refuses a query that has a parameter beside the known ones, naming it.
fn known_parameters(query: Option<&str>, known: &[&str]) -> Result<(), Refusal> {
    let names = query.unwrap_or_default().split('&');
    let mut names = names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    let Some(unknown) = names.find(|name| !name.is_empty() && !known.contains(name)) else {
        return Ok(());
    };
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(Refusal {
        field: Some(unknown.chars().take(64).collect()),
        ..Refusal::new(
            ErrorCode::BadField,
            format!("the query has an unknown parameter; known here: {known}"),
        )
    })
}

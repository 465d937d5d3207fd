//! The HTTP API for bots, below `/api/v1`.
//!
//! | path | method | answer |
//! | --- | --- | --- |
//! | `/openapi.json` | GET | this API, for programs; the only path without a key |
//! | `/rooms/{room}/messages` | POST | sends a message |
//! | `/rooms/{room}/messages` | GET | reads messages |
//! | `/messages` | POST | sends up to 100 messages |
//! | `/rooms/{room}` | GET | how a room stands |
//! | `/rooms/{room}/members` | GET | who is in it |
//! | `/node`, `/fleet` | GET | the node that answers, and all nodes |
//!
//! A request needs a key (`auth`, `keys`), is taken strictly (`body`, `path`, `query`), goes through the one permission
//! function, and is answered by the broker (`send` and `publish`, `history`, `rooms`, `nodes`). `openapi` describes all
//! of it for programs. It has no session and joins no room. Whatever is refused is a problem
//! document.

mod auth;
mod body;
mod history;
pub mod keys;
mod nodes;
mod openapi;
mod path;
mod publish;
mod query;
mod rooms;
mod send;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, body::Bytes};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::refusal::Refusal;
use crate::broker::{SharedBroker, Snapshot, Source, Span, Unavailable};
use crate::config::{Origins, Settings};
use crate::protocol::{ErrorCode, Limits, NodeId, RoomName, SessionLimits};
use crate::telemetry::Metrics;
use keys::Keys;

/// Where the API is.
const BASE: &str = "/api/v1";
/// Sources of requests have numbers above those of sessions, which count from 1.
const FIRST_SOURCE: u64 = 1 << 63;

const NO_STORE: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// What the requests of a node share.
#[derive(Debug)]
pub struct Api {
    broker: SharedBroker,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    node: NodeId,
    limits: Limits,
    told: SessionLimits,
    body: body::Bounds,
    origins: Origins,
    sources: AtomicU64,
}

impl Api {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        settings: &Settings,
        broker: SharedBroker,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        node: NodeId,
        told: SessionLimits,
    ) -> Arc<Self> {
        metrics.api_keys.set(as_gauge(keys.len()));
        Arc::new(Self {
            broker,
            keys,
            metrics,
            node,
            limits: Limits {
                text: settings.limits.text,
                names: settings.limits.names,
            },
            told,
            body: body::Bounds {
                bytes: settings.api.body_bytes,
                time: settings.server.header_timeout,
            },
            origins: settings.api.allowed_origins.clone(),
            sources: AtomicU64::new(FIRST_SOURCE),
        })
    }

    /// Keeps the keys as their file says, for ever.
    pub async fn watch_keys(self: Arc<Self>, settings: Settings) {
        if let Some(path) = settings.api.keys_file {
            keys::watch(&self.keys, &path, &self.metrics.api_keys).await;
        }
    }

    fn next_source(&self) -> Source {
        Source(self.sources.fetch_add(1, Ordering::Relaxed))
    }
}

/// Makes the router of the API.
pub(super) fn router(api: &Arc<Api>) -> Router {
    let (paths, document) = OpenApiRouter::new()
        .routes(routes!(send::send_message, history::read_messages))
        .routes(routes!(send::send_messages))
        .routes(routes!(rooms::read_room))
        .routes(routes!(rooms::read_members))
        .routes(routes!(nodes::read_node))
        .routes(routes!(nodes::read_fleet))
        .split_for_parts();
    let document = OpenApiRouter::<()>::new()
        .nest(BASE, OpenApiRouter::with_openapi(document))
        .into_openapi();
    let document = openapi::complete(document, &api.limits)
        .to_json()
        .expect("the document has only string keys");
    let document = Bytes::from(document);
    let paths = paths
        .method_not_allowed_fallback(wrong_method)
        .route("/{*rest}", any(unknown_path))
        .layer(middleware::from_fn_with_state(api.clone(), auth::guard))
        .with_state(api.clone());
    let open = Router::new()
        .route("/openapi.json", get(move || tell(document.clone())))
        .method_not_allowed_fallback(wrong_method);
    let router = Router::new()
        .nest(BASE, open.merge(paths))
        .layer(middleware::from_fn_with_state(api.clone(), count));
    match cors(&api.origins) {
        Some(layer) => router.layer(layer),
        None => router,
    }
}

/// Says to browsers which pages may use the API; by default none but those of the node itself, which need no word.
fn cors(origins: &Origins) -> Option<CorsLayer> {
    let allowed = match origins {
        Origins::SameHost => return None,
        Origins::Any => AllowOrigin::any(),
        Origins::Only(list) => {
            let values = list
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok());
            AllowOrigin::list(values)
        }
    };
    let idempotency_key = HeaderName::from_static("idempotency-key");
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, idempotency_key])
            .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE]),
    )
}

/// Counts a request by path and status.
async fn count(
    State(api): State<Arc<Api>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    api.metrics
        .api_requests
        .with_label_values(&[path.as_str(), response.status().as_str()])
        .inc();
    response
}

async fn tell(document: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}

async fn unknown_path() -> Refusal {
    Refusal::new(
        ErrorCode::NotFound,
        "the HTTP API has no such path; /api/v1/openapi.json lists those that it has",
    )
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        ErrorCode::NotFound,
        "this path knows other methods; `Allow` names them",
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Reads a part of a room's log.
async fn read(api: &Api, room: &RoomName, span: Span, limit: usize) -> Result<Snapshot, Refusal> {
    let read = api.broker.read(room.clone(), span, limit).await;
    read.map_err(|error| unanswered(&error))
}

fn unanswered(error: &Unavailable) -> Refusal {
    Refusal::new(ErrorCode::Unavailable, error.to_string())
}

/// Refuses what the permission function did not allow.
fn not_permitted(code: ErrorCode, action: &str, room: &RoomName) -> Refusal {
    Refusal::of_field(
        code,
        "room",
        format!(
            "the key may not {action} the room {room:?}; its rights and rooms stand in api.keys_file",
            room = room.as_str()
        ),
    )
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns the time by tokio's clock, which tests may pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

//! The internal router: probes and metrics.
//!
//! | path | answer |
//! | --- | --- |
//! | `/livez` | 200 as long as the event loop turns; nothing outside the process changes it |
//! | `/readyz` | 200, or 503 with one reason per line |
//! | `/node` | who the node is and how it stands with others, for nodes that look for each other |
//! | `/sees` | whether the node sees the broker now, for nodes that do not |
//! | `/grant` | `POST`: whether such a node may be unready |
//! | `/metrics` | Prometheus text format 0.0.4 |

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::sync::watch;

use crate::broker::Health;
use crate::fleet::witness::{self, Plea, Ruling, Sight, Witness};
use crate::fleet::{Peer, Readiness, Standing, peers};
use crate::protocol::NodeId;
use crate::telemetry::Metrics;

/// Longest body that is read: a plea has a name and a number.
const MAX_BODY_BYTES: usize = 4 * 1024;

/// The Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the internal router tells of.
#[derive(Clone, Debug)]
pub struct Internal {
    /// Name of the node.
    pub node: NodeId,
    /// When its process began, in Unix milliseconds.
    pub start: u64,
    /// Whether Redis joins it with others.
    pub is_joined: bool,
    /// Whether it is ready.
    pub readiness: Arc<Readiness>,
    /// How it stands with its broker.
    pub health: watch::Receiver<Health>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What it answers to nodes that do not reach the broker.
    pub witness: Arc<Witness>,
}

/// Makes the internal router.
pub fn router(internal: Internal) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route(peers::PATH, get(tell_node))
        .route(witness::SEES, get(tell_sight))
        .route(witness::GRANT, post(rule))
        .route("/metrics", get(tell_metrics))
        .with_state(internal)
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "here are /livez, /readyz, /node, /sees, /grant and /metrics\n",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(no_store))
}

async fn no_store(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, value);
    response
}

async fn readyz(State(internal): State<Internal>) -> impl IntoResponse {
    match internal.readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reasons) => {
            let lines = reasons
                .into_iter()
                .map(|reason| format!("{}: {}\n", reason.as_str(), reason.meaning()));
            let mut page: String = lines.collect();
            let broker = match &*internal.health.borrow() {
                Health::Starting(why) => why.clone(),
                Health::Up | Health::Down(_) => None,
            };
            for why in [broker, internal.readiness.why_peers()].iter().flatten() {
                page.push_str(why);
                page.push('\n');
            }
            (StatusCode::SERVICE_UNAVAILABLE, page)
        }
    }
}

async fn tell_node(State(internal): State<Internal>) -> Json<Peer> {
    let standing = match (internal.is_joined, internal.readiness.is_alone()) {
        (true, _) => Standing::Joined,
        (false, true) => Standing::Alone,
        (false, false) => Standing::Looking,
    };
    Json(Peer {
        node: internal.node,
        start: internal.start,
        standing,
    })
}

async fn tell_sight(State(internal): State<Internal>) -> Result<Json<Sight>, StatusCode> {
    let sight = internal.witness.sees().await;
    sight.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

async fn rule(
    State(internal): State<Internal>,
    Json(plea): Json<Plea>,
) -> Result<Json<Ruling>, StatusCode> {
    let ruling = internal.witness.rule(&plea).await;
    ruling.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

async fn tell_metrics(State(internal): State<Internal>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_TYPE)], internal.metrics.render())
}

//! The internal router: probes and metrics.
//!
//! | path | answer |
//! | --- | --- |
//! | `/livez` | 200 as long as the event loop turns; nothing outside the process changes it |
//! | `/readyz` | 200, or 503 with one reason per line |
//! | `/metrics` | Prometheus text format 0.0.4 |

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::sync::watch;

use crate::broker::Health;
use crate::fleet::Readiness;
use crate::telemetry::Metrics;

/// The Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Makes the internal router.
pub fn router(
    readiness: Arc<Readiness>,
    health: watch::Receiver<Health>,
    metrics: Arc<Metrics>,
) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state((readiness, health)))
        .route("/metrics", get(tell_metrics).with_state(metrics))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "here are /livez, /readyz and /metrics\n",
            )
        })
        .layer(middleware::map_response(no_store))
}

async fn no_store(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, value);
    response
}

type Known = (Arc<Readiness>, watch::Receiver<Health>);

async fn readyz(State((readiness, health)): State<Known>) -> impl IntoResponse {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reasons) => {
            let lines = reasons
                .into_iter()
                .map(|reason| format!("{}: {}\n", reason.as_str(), reason.meaning()));
            let mut page: String = lines.collect();
            if let Health::Starting(Some(why)) = &*health.borrow() {
                page.push_str(why);
                page.push('\n');
            }
            (StatusCode::SERVICE_UNAVAILABLE, page)
        }
    }
}

async fn tell_metrics(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_TYPE)], metrics.render())
}

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

use crate::fleet::Readiness;
use crate::telemetry::Metrics;

/// The Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Makes the internal router.
pub fn router(readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(readiness))
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

async fn readyz(State(readiness): State<Arc<Readiness>>) -> impl IntoResponse {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reasons) => {
            let lines = reasons
                .into_iter()
                .map(|reason| format!("{}: {}\n", reason.as_str(), reason.meaning()));
            (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
        }
    }
}

async fn tell_metrics(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, METRICS_TYPE)], metrics.render())
}

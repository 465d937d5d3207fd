//! The public router.
//!
//! | path | answer |
//! | --- | --- |
//! | `/`, `/js/…` | the page and its files |
//! | `/ws` | a session |
//! | `/api/v1/…` | the HTTP API |
//! | `/docs/api.md` | what the HTTP API's answers mean |
//!
//! Below `/api` every refusal is a problem document with a code of the protocol's table.

use std::sync::Arc;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Router, middleware};

use super::api::{self, Api};
use super::refusal::{DOCUMENT, Refusal};
use super::{Door, assets, headers, upgrade};
use crate::protocol::ErrorCode;

/// The page about the HTTP API, to which its problem documents lead.
const API_PAGE: &str = include_str!("../../docs/api.md");

/// What the public listener serves.
#[derive(Clone, Debug)]
pub struct Public {
    /// Who may open a session.
    pub door: Arc<Door>,
    /// What bots may ask.
    pub api: Arc<Api>,
}

/// Makes the public router.
pub fn router(public: Public) -> Router {
    let Public { door, api } = public;
    let proxies = Arc::clone(&door.proxies);
    Router::new()
        .route("/ws", any(upgrade::open).with_state(door))
        .merge(api::router(&api))
        .route("/api", any(unknown_path))
        .route("/api/{*rest}", any(unknown_path))
        .route(DOCUMENT, get(tell_api_page))
        .fallback(assets::file)
        .layer(middleware::from_fn_with_state(proxies, headers::guard))
}

async fn tell_api_page() -> impl IntoResponse {
    // As plain text browsers show it; as Markdown most of them would save it.
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, API_PAGE)
}

async fn unknown_path() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "the HTTP API is below /api/v1")
}

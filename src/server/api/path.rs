//! The room in a path.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use utoipa::IntoParams;

use super::super::refusal::Refusal;
use super::Api;
use crate::protocol::{ErrorCode, RoomName};

/// The room that a path names, in canonical form.
#[derive(Debug, IntoParams)]
#[into_params(names("room"), parameter_in = Path)]
pub(super) struct Room(
    /// Name of the room, percent-encoded as UTF-8, in any spelling: answers carry the canonical one.
    #[param(value_type = String, min_length = 1, example = "ops")]
    pub(super) RoomName,
);

impl FromRequestParts<Arc<Api>> for Room {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let bad_name = |message: String| {
            Refusal::of_field(ErrorCode::BadName, "room", format!("`room`: {message}"))
        };
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, api).await;
        let Path(raw) =
            path.map_err(|_| bad_name("the path must be percent-encoded UTF-8".into()))?;
        RoomName::parse_within(&raw, api.limits.names)
            .map(Self)
            .map_err(|fault| bad_name(fault.to_string()))
    }
}

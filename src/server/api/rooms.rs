//! Rooms and who is in them. A room that nobody has used is empty.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::refusal::Refusal;
use super::auth::Caller;
use super::openapi::ReadProblems;
use super::path::Room;
use super::query::{Query, bad};
use super::{Api, not_permitted, read, unanswered};
use crate::broker::{Roster, Span};
use crate::protocol::{Epoch, MAX_MEMBERS_LIMIT, MEMBERS_LIMIT, RoomName, User};
use crate::session::permission::{self, Action};

/// Longest cursor that a node gives out, in bytes, with room to spare.
const MAX_CURSOR_BYTES: usize = 512;

/// How a room stands.
#[derive(Serialize, ToSchema)]
struct RoomInfo<'a> {
    /// Canonical name of the room.
    #[schema(value_type = String)]
    room: &'a RoomName,
    /// Lineage of the room's log; null for a room that nobody has used.
    #[schema(value_type = Option<String>, required = true)]
    epoch: Option<&'a Epoch>,
    /// Number of the oldest message that is kept; 0 if none is.
    first: u64,
    /// Number of the newest message; 0 if there was none.
    seq: u64,
    /// When the newest message was sent, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    at: Option<u64>,
    /// Users in the room, over all nodes.
    members: u64,
}

/// Tells how a room stands
#[utoipa::path(
    get,
    path = "/rooms/{room}",
    tag = "rooms",
    operation_id = "read_room",
    params(Room),
    responses((status = 200, description = "The room.", body = RoomInfo<'_>), ReadProblems),
)]
pub(super) async fn read_room(
    State(api): State<Arc<Api>>,
    Extension(Caller(key)): Extension<Caller>,
    Room(room): Room,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[])?;
    permission::check(key.who(), &room, Action::Read)
        .map_err(|code| not_permitted(code, "read", &room))?;
    let roster = api.broker.roster(room.clone(), None, 1);
    let (snapshot, roster) = tokio::join!(read(&api, &room, Span::Newest, 1), roster);
    let (snapshot, roster) = (snapshot?, roster.map_err(|error| unanswered(&error))?);
    let info = RoomInfo {
        room: &room,
        epoch: snapshot.chain.epoch_at(snapshot.end),
        first: snapshot.first,
        seq: snapshot.end,
        at: snapshot.entries.last().map(|entry| entry.at),
        members: roster.count,
    };
    Ok((super::NO_STORE, Json(info)).into_response())
}

/// Users in a room.
#[derive(Serialize, ToSchema)]
struct Members<'a> {
    /// Canonical name of the room.
    #[schema(value_type = String)]
    room: &'a RoomName,
    /// Users of this page.
    members: &'a [User],
    /// Users in the room, over all nodes.
    count: u64,
    /// Asks for the next page; left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cursor: Option<&'a str>,
}

/// Lists the members of a room
///
/// By pages; who comes or goes meanwhile may be left out or come twice.
#[utoipa::path(
    get,
    path = "/rooms/{room}/members",
    tag = "rooms",
    operation_id = "read_members",
    params(
        Room,
        ("cursor" = Option<String>, Query, description = "Where the last page ended, from its answer."),
        ("limit" = Option<u64>, Query, description = "Users in the answer, at most; 100 if it is left out.", minimum = 1, maximum = 500),
    ),
    responses((status = 200, description = "A page of members.", body = Members<'_>), ReadProblems),
)]
pub(super) async fn read_members(
    State(api): State<Arc<Api>>,
    Extension(Caller(key)): Extension<Caller>,
    Room(room): Room,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::read(query.as_deref(), &["cursor", "limit"])?;
    let limit = query.limit(MEMBERS_LIMIT, MAX_MEMBERS_LIMIT)?;
    let cursor = query.text("cursor").map(str::to_owned);
    if cursor
        .as_ref()
        .is_some_and(|cursor| cursor.len() > MAX_CURSOR_BYTES)
    {
        return Err(bad(
            "cursor",
            "`cursor` is none that a node gave out".to_owned(),
        ));
    }
    permission::check(key.who(), &room, Action::Read)
        .map_err(|code| not_permitted(code, "read", &room))?;
    let Roster {
        members,
        count,
        cursor,
    } = api
        .broker
        .roster(room.clone(), cursor, limit)
        .await
        .map_err(|error| unanswered(&error))?;
    let page = Members {
        room: &room,
        members: &members,
        count,
        cursor: cursor.as_deref(),
    };
    Ok((super::NO_STORE, Json(page)).into_response())
}

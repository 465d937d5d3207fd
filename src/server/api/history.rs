//! What was said in a room, so that a bot can catch up.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Json, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::refusal::Refusal;
use super::auth::Caller;
use super::openapi::{Message, ReadProblems};
use super::path::Room;
use super::query::{Query, bad};
use super::{Api, not_permitted, read};
use crate::broker::{Snapshot, Span, Verdict};
use crate::hub::lines;
use crate::protocol::{
    Epoch, HISTORY_LIMIT, MAX_HISTORY_LIMIT, MAX_SEQ, Messages, Position, RoomName,
};
use crate::session::permission::{self, Action};

/// Messages of a room, oldest first.
#[derive(Serialize, ToSchema)]
struct Page<'a> {
    /// Canonical name of the room.
    #[schema(value_type = String)]
    room: &'a RoomName,
    /// Lineage of the room's log; null for a room that nobody has used.
    #[schema(value_type = Option<String>, required = true)]
    epoch: Option<&'a Epoch>,
    /// Ascending. Numbers that are left out between two of them are no longer kept.
    #[schema(value_type = Vec<Message>)]
    messages: Messages<'a>,
    /// True if there are more in the direction asked.
    more: bool,
    /// Only if the position asked from is not good: what was read at this seq and above is withdrawn. The messages of
    /// an answer to `after` begin here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    from: Option<u64>,
}

/// Where the question begins.
enum Start {
    Newest,
    Before(u64),
    After(u64),
}

/// Reads messages
///
/// Without `before` and `after` the newest. To catch up, ask with `after` and the `epoch` and `seq` of the last message
/// read, until `more` is false.
#[utoipa::path(
    get,
    path = "/rooms/{room}/messages",
    tag = "messages",
    operation_id = "read_messages",
    params(
        Room,
        ("before" = Option<u64>, Query, description = "Only messages below this seq, the newest of them.", minimum = 1, maximum = 9_007_199_254_740_991_u64),
        ("after" = Option<u64>, Query, description = "Only messages above this seq, the oldest of them.", minimum = 0, maximum = 9_007_199_254_740_991_u64),
        ("epoch" = Option<String>, Query, description = "Lineage that `before` or `after` belongs to. With it the answer says if the position is not good; without it the number counts as one of the log as it is.", min_length = 1, max_length = 64),
        ("limit" = Option<u64>, Query, description = "Messages in the answer, at most; 50 if it is left out.", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "Messages, oldest first.", body = Page<'_>), ReadProblems),
)]
pub(super) async fn read_messages(
    State(api): State<Arc<Api>>,
    Extension(Caller(key)): Extension<Caller>,
    Room(room): Room,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::read(query.as_deref(), &["before", "after", "epoch", "limit"])?;
    let limit = query.limit(HISTORY_LIMIT, MAX_HISTORY_LIMIT)?;
    let start = match (
        query.number("before", 1, MAX_SEQ)?,
        query.number("after", 0, MAX_SEQ)?,
    ) {
        (None, None) => Start::Newest,
        (Some(seq), None) => Start::Before(seq),
        (None, Some(seq)) => Start::After(seq),
        (Some(_), Some(_)) => {
            return Err(bad(
                "after",
                "`before` and `after` exclude each other".to_owned(),
            ));
        }
    };
    let position = position(&query, &start)?;
    permission::check(key.who(), &room, Action::Read)
        .map_err(|code| not_permitted(code, "read", &room))?;
    let span = match start {
        Start::Newest => Span::Newest,
        Start::Before(seq) => Span::Before(seq),
        Start::After(seq) => Span::After(seq),
    };
    let mut snapshot = read(&api, &room, span, limit).await?;
    let mut from = position.and_then(|position| cut(&snapshot, &position));
    if let (Some(first), Start::After(_)) = (from, start) {
        snapshot = read(&api, &room, Span::After(first - 1), limit).await?;
        // The log may have been rewound once more since.
        from = Some(first.min(snapshot.end + 1));
    } else if let Some(first) = from {
        snapshot.entries.retain(|entry| entry.seq < first);
    }
    Ok(answer(&room, &snapshot, from))
}

/// Returns the position that is to be judged, if the question names a lineage.
fn position(query: &Query<'_>, start: &Start) -> Result<Option<Position>, Refusal> {
    let Some(epoch) = query.text("epoch") else {
        return Ok(None);
    };
    let epoch = Epoch::parse(epoch).map_err(|fault| bad("epoch", format!("`epoch` {fault}")))?;
    match start {
        Start::Newest => Err(bad(
            "epoch",
            "`epoch` belongs to `before` or `after`".to_owned(),
        )),
        Start::Before(seq) | Start::After(seq) => Ok(Some(Position::new(epoch, *seq))),
    }
}

/// Returns the seq from which on a position does not stand, if it is not good.
fn cut(snapshot: &Snapshot, position: &Position) -> Option<u64> {
    match snapshot.chain.judge(snapshot.end, position) {
        Verdict::Good => None,
        Verdict::Cut(cut) => Some(cut + 1),
    }
}

fn answer(room: &RoomName, snapshot: &Snapshot, from: Option<u64>) -> Response {
    let messages: Vec<Bytes> = snapshot
        .entries
        .iter()
        .map(|entry| lines::message(room, entry).0.frame.payload())
        .collect();
    let page = Page {
        room,
        epoch: snapshot.chain.epoch_at(snapshot.end),
        messages: Messages(&messages),
        more: snapshot.more,
        from,
    };
    (super::NO_STORE, Json(page)).into_response()
}

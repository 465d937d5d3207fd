//! Messages to send, one or many: how they are asked for and answered.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::refusal::{Problem, Refusal};
use super::Api;
use super::auth::Caller;
use super::body::{self, Object};
use super::openapi::WriteProblems;
use super::path::Room;
use super::publish::{MAX_BATCH, Outgoing, publish};
use super::query::Query;
use crate::broker::Accepted;
use crate::protocol::{Epoch, ErrorCode, RoomName};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    /// What it says: at least one visible character, no control characters but line feed and tab.
    #[schema(min_length = 1, example = "Deployed 1.2.3")]
    text: String,
    /// The sender's own name for the message: sent again with the same key within the dedupe window it is not doubled.
    /// 1 to 64 bytes without control characters; without it the node makes one.
    #[schema(min_length = 1, max_length = 64, example = "deploy-4711")]
    key: Option<String>,
}

/// A message to send, and where to. What is wrong with its values is told in its result.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoomMessage {
    /// Name of the room, in any spelling.
    #[schema(example = "ops")]
    room: String,
    /// What it says: at least one visible character, no control characters but line feed and tab.
    #[schema(example = "Deployed 1.2.3")]
    text: String,
    /// The sender's own name for the message: sent again with the same key within the dedupe window it is not doubled.
    /// 1 to 64 bytes without control characters; without it the node makes one.
    #[schema(example = "deploy-4711")]
    key: Option<String>,
}

/// Messages to send, in this order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// At most 100 messages, for any rooms.
    #[schema(min_items = 1, max_items = 100, value_type = Vec<NewRoomMessage>)]
    messages: Vec<Object<NewRoomMessage>>,
}

/// Where a message stands: it is in the room's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    /// Canonical name of the room.
    #[schema(value_type = String, example = "ops")]
    room: RoomName,
    /// Lineage of the room's log.
    #[schema(value_type = String)]
    epoch: Epoch,
    /// Number in the room.
    #[schema(minimum = 1)]
    seq: u64,
    /// When the broker took it, in Unix milliseconds.
    at: u64,
    /// True if the same message was sent before: this is where that one stands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    duplicate: bool,
}

/// What became of the messages of a batch, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Results {
    results: Vec<Outcome>,
}

/// What became of one message: `sent` or `problem`.
#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    /// The status that the message would have got alone.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sent: Option<Sent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// Sends a message
///
/// It is answered once the message stands in the room's log, so that no member misses it. After `timeout` or no answer
/// at all it may have been sent: repeat it with the same key.
#[utoipa::path(
    post,
    path = "/rooms/{room}/messages",
    tag = "messages",
    operation_id = "send_message",
    params(
        Room,
        ("Idempotency-Key" = Option<String>, Header, description = "Another place for `key`; plain or as a quoted string. Both and different are refused.", min_length = 1, max_length = 66),
    ),
    request_body = NewMessage,
    responses(
        (status = 201, description = "The message is in the room's log.", body = Sent),
        (status = 200, description = "The same message was sent before; `duplicate` is true.", body = Sent),
        WriteProblems,
    ),
)]
pub(super) async fn send_message(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Room(room): Room,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[])?;
    let message: NewMessage = body::read(&headers, body, &api.body).await?;
    let key = one_key(message.key, idempotency_key(&headers)?)?;
    let message = Outgoing::check(&api, room, &message.text, key.as_deref(), "")?;
    let mut results = publish(&api, &caller, vec![Ok(message)]).await;
    let sent = results.pop().expect("one message has one result")?;
    let status = if sent.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, super::NO_STORE, Json(sent)).into_response())
}

/// Sends up to 100 messages
///
/// They are sent in their order, and each gets a result of its own. If one is refused for a while (`retry_after_ms`),
/// the later ones for its room are refused too, so that the order holds: repeat all that were not sent.
#[utoipa::path(
    post,
    path = "/messages",
    tag = "messages",
    operation_id = "send_messages",
    request_body = Batch,
    responses(
        (status = 200, description = "What became of each message.", body = Results),
        WriteProblems,
    ),
)]
pub(super) async fn send_messages(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    Query::read(query.as_deref(), &[])?;
    let batch = read_batch(&api, &headers, body).await?;
    let count = u32::try_from(batch.messages.len()).unwrap_or(u32::MAX);
    // The request itself has counted as one. Repeated it counts anew, so it waits until there is room for all.
    if caller.count(count - 1).is_err() {
        caller.count(count)?;
    }
    let messages = batch.messages.iter().enumerate();
    let messages = messages.map(|(index, Object(message))| {
        let of = format!("messages[{index}].");
        let room = RoomName::parse_within(&message.room, api.limits.names).map_err(|fault| {
            let field = format!("{of}room");
            let message = format!("`{field}`: {fault}");
            Refusal::of_field(ErrorCode::BadName, field, message)
        })?;
        Outgoing::check(&api, room, &message.text, message.key.as_deref(), &of)
    });
    let messages: Vec<_> = messages.collect();
    let results = publish(&api, &caller, messages).await;
    let results = results.into_iter().map(Outcome::from).collect();
    Ok((super::NO_STORE, Json(Results { results })).into_response())
}

async fn read_batch(api: &Api, headers: &HeaderMap, body: Body) -> Result<Batch, Refusal> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(Refusal::of_field(
            ErrorCode::BadField,
            "Idempotency-Key",
            "a batch has no key of its own: each message has its `key`",
        ));
    }
    let batch: Batch = body::read(headers, body, &api.body).await?;
    if (1..=MAX_BATCH as usize).contains(&batch.messages.len()) {
        return Ok(batch);
    }
    let message = format!("`messages` must have 1 to {MAX_BATCH} messages");
    Err(Refusal::of_field(ErrorCode::BadField, "messages", message))
}

impl Sent {
    /// Says where the broker has put a message.
    pub(super) fn new(room: RoomName, accepted: Accepted) -> Self {
        let Accepted {
            epoch,
            seq,
            at,
            duplicate,
        } = accepted;
        Self {
            room,
            epoch,
            seq,
            at,
            duplicate,
        }
    }
}

impl From<Result<Sent, Refusal>> for Outcome {
    fn from(result: Result<Sent, Refusal>) -> Self {
        match result {
            Ok(sent) => Self {
                status: if sent.duplicate { 200 } else { 201 },
                sent: Some(sent),
                problem: None,
            },
            Err(refusal) => Self {
                status: refusal.status.as_u16(),
                sent: None,
                problem: Some(refusal.problem()),
            },
        }
    }
}

/// Returns the key in the header, which is a string with or without its quotes.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let bad = |message: &str| Refusal::of_field(ErrorCode::BadField, "Idempotency-Key", message);
    let value = match (sent.next(), sent.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(bad("`Idempotency-Key` stands there twice")),
    };
    let value = std::str::from_utf8(value.as_bytes())
        .map_err(|_| bad("`Idempotency-Key` must be UTF-8"))?;
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(value).to_owned()))
}

fn one_key(key: Option<String>, header: Option<String>) -> Result<Option<String>, Refusal> {
    match (key, header) {
        (Some(key), Some(header)) if key != header => Err(Refusal::of_field(
            ErrorCode::BadField,
            "Idempotency-Key",
            "`Idempotency-Key` and `key` differ; send one of them, or the same in both",
        )),
        (key, header) => Ok(key.or(header)),
    }
}
